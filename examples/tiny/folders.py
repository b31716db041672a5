"""Folders as the Hub has them: what `--tiny` makes is loaded by the same code as anything else."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from datasets import Dataset

from common.options import Options


T = TypeVar("T")
Splits = Mapping[str, Dataset]
SIZES = {"train": 2000, "validation": 1000}


def placed(options: Options, parts: Mapping[str, Splits], write_model: Callable[[Path], object]) -> Options:
    """
    Write data and a model, and go on with these.

    Args:
        parts: splits of each part of the data set; the only one may have no name.
        write_model: writes a model, and what prepares its inputs, to a folder.
    """
    data, model = options.output / "data", options.output / "base"
    shutil.rmtree(options.output / "cache", ignore_errors=True)  # it would be taken for that of the data written now
    write_data(data, parts)
    write_model(model)
    splits = {"train_split": "train", "eval_split": "validation"}
    return options.of(model=str(model), dataset=str(data), dataset_config=None, **splits)


def write_data(folder: Path, parts: Mapping[str, Splits]) -> None:
    """A file for each split, and a page that says which parts there are."""
    lines = ["---", "configs:"]
    for part, splits in parts.items():
        lines += [f"- config_name: {part or 'default'}", "  data_files:"]
        for split, data in splits.items():
            file = folder / part / f"{split}.parquet"
            file.parent.mkdir(parents=True, exist_ok=True)
            data.to_parquet(file)
            lines += [f"  - split: {split}", f"    path: {file.relative_to(folder).as_posix()}"]
    (folder / "README.md").write_text("\n".join((*lines, "---", "")), encoding="utf-8")


def save(model: Any, processing: Any, folder: Path) -> None:
    model.save_pretrained(folder)
    processing.save_pretrained(folder)


def different(make: Callable[[], T], known: Callable[[T], object], sizes: Sequence[int]) -> list[list[T]]:
    """Lists of these sizes of what is made; no two of all that is in them are known by the same."""
    found: dict[object, T] = {}
    while len(found) < sum(sizes):
        each = make()
        found.setdefault(known(each), each)
    everything = iter(found.values())
    return [[next(everything) for _ in range(size)] for size in sizes]


def steps(options: Options, usual: int) -> int:
    """How long a model is pretrained: no longer than adapters are to be trained, if people said how long."""
    return min(usual, options.most_steps or usual)
