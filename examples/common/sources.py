"""Data sets, models and what prepares their inputs, by the names that people give."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from datasets import Dataset, load_dataset
from datasets.exceptions import DatasetsError
from httpx2 import HTTPError

from common.errors import ExampleError
from common.options import Options


T = TypeVar("T")
NOT_FOUND = (OSError, ValueError, HTTPError, DatasetsError)  # what the libraries raise for names, files and networks
FIX = "check the name and the network, give a folder of this computer, or pass --tiny, which needs neither"


def loaded(what: str, name: str, load: Callable[..., T], *arguments: object, **options: object) -> T:
    """
    What a `from_pretrained` gives.

    Args:
        what: kind of the thing, for people.

    Raises:
        ExampleError: it is neither on the Hub nor on this computer.
    """
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)  # of its retries, one message is left: ours
    try:
        return load(name, *arguments, **options)
    except NOT_FOUND as error:
        reason = " ".join(str(error).split())
        raise ExampleError(f"the {what} '{name}' could not be loaded: {reason}\n  {FIX}") from error


def splits(options: Options, config: str | None = None, names: Sequence[str] = ()) -> tuple[Dataset, ...]:
    """
    The splits of a data set, by default those for training and evaluation, no longer than asked for.

    Args:
        config: part of the data set; by default that of the options.

    Raises:
        ExampleError: there is no such data set, part or split.
    """
    part = config if config is not None else options.dataset_config
    shown = f"{options.dataset} ({part})" if part else options.dataset
    cache = str(options.output / "cache") if Path(options.dataset).is_dir() else None
    found = loaded("data set", options.dataset, load_dataset, part, cache_dir=cache)
    wanted = names or (options.train_split, options.eval_split)
    for name in wanted:
        if name not in found:
            raise ExampleError(f"the data set {shown} has no split '{name}'; it has: {', '.join(found)}")
    return tuple(_first(found[name], options.limit) for name in wanted)


def _first(data: Dataset, limit: int | None) -> Dataset:
    return data if limit is None else data.select(range(min(limit, len(data))))


def column(data: Dataset, *names: str) -> str:
    """
    The first of these columns that there is.

    Raises:
        ExampleError: there is none of them.
    """
    for name in names:
        if name in data.column_names:
            return name
    raise ExampleError(f"the data have no column {' or '.join(names)}; they have: {', '.join(data.column_names)}")
