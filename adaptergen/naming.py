"""Names for generated things, and which names from outside may become part of a path, an import or a class."""

from __future__ import annotations

import keyword
import re
from itertools import takewhile

from adaptergen.problems import Problem, ProblemsFound


_FOLDER = re.compile(r"[a-z][a-z0-9_]{0,79}")
_RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(10))})


def checked_name(name: str) -> str:
    """The name of a model as it may appear in paths and imports.

    Raises:
        ProblemsFound: it is not a plain lower-case Python name, or a device name on some systems.
    """
    return _checked(name, name)


def folder_name(name: str) -> str:
    """`xlm_roberta` for the model type `xlm-roberta`.

    Raises:
        ProblemsFound: it is not the name of a model either way.
    """
    return _checked(re.sub("[-.]", "_", name).lower(), name)


def _checked(name: str, given: str) -> str:
    if _FOLDER.fullmatch(name) and not keyword.iskeyword(name) and name not in _RESERVED:
        return name
    message = f"{given!r} cannot name a model: use lower-case letters, digits and underscores, a letter first"
    raise ProblemsFound(Problem("bad-name", message, fix="for example `adaptergen add-model gpt_neo`"))


def shared_start(path: str, other: str) -> int:
    """How many names two dotted paths have in common from the start: 2 for `layer.attn.q` and `layer.attn.out`."""
    pairs = zip(path.split("."), other.split("."), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def family(base_class: str) -> str:
    """`GPTNeo` for `GPTNeoModel`: what the classes of an architecture begin with."""
    return base_class.removesuffix("Model")


def title(base_class: str) -> str:
    """`GPT Neo` for `GPTNeoModel`: words begin at a capital before small letters, other than the v of a version."""
    return re.sub(r"(?<=[a-zA-Z0-9])(?=[A-Z](?!v\d)[a-z])", " ", family(base_class))


def mixin(cls: str) -> str:
    return f"{cls}AdaptersMixin"


def with_adapters(cls: str) -> str:
    return f"{cls}WithAdapters"


def adapter_model(base_class: str) -> str:
    return f"{family(base_class)}AdapterModel"
