"""What may somebody else's files do? They are named when anything goes wrong, and take no more than they are large."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from generated.core.errors import AdapterError, AdapterFileError


ALWAYS = 2**24  # numbers that any adapter may take
TIMES = 4  # numbers for each byte of its files: some modules are built twice, and some values are drawn first
MAKERS = frozenset({torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.eye})

# What values of a wrong kind or size lead to, somewhere between a file and a module.
CONSEQUENCES = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@contextmanager
def guarded(folder: Path) -> Iterator[None]:
    """
    Read a folder, and add what is in it.

    Raises:
        AdapterFileError: what the files say cannot be used, or asks for far more numbers than they hold.
    """
    try:
        with _Bounded(folder, TIMES * _size(folder) + ALWAYS):
            yield
    except AdapterError as error:
        if str(folder) not in str(error):
            error.add_note(f"while loading what is in {folder}")
        raise
    except torch.OutOfMemoryError:
        raise
    except CONSEQUENCES as error:
        raise AdapterFileError(f"{folder} holds what cannot be used: {type(error).__name__}: {error}") from error


class _Bounded(TorchFunctionMode):
    """Counts the numbers of new tensors, before there is memory for them."""

    def __init__(self, folder: Path, most: int) -> None:
        super().__init__()
        self.folder, self.left = folder, most

    def __torch_function__(
        self,
        function: Callable,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if function in MAKERS:
            self.left -= _numbers(args, kwargs)
            if self.left < 0:
                raise AdapterFileError(f"{self.folder} asks for far more numbers than its files hold")
        return function(*args, **kwargs)


def _numbers(args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """How many numbers a new tensor of this size has: `torch.empty(2, 3)`, `torch.empty((2, 3))`, `size=(2, 3)`."""
    size = kwargs.get("size", args[0] if args and isinstance(args[0], Sequence) else args)
    return prod(length for length in size if isinstance(length, int))


def _size(folder: Path) -> int:
    """Bytes of all files below it."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
