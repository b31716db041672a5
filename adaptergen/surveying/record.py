"""What a survey found, and how it is written to a file and read again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from adaptergen.plan import METHODS
from adaptergen.problems import Location, Problem, ProblemsFound
from adaptergen.surveying.kinds import Kind


PARALLEL = "parallel"
OTHER_ROWS = "not everything in it has one row for each example"
COLUMNS = (*METHODS, PARALLEL)
COUNTED = "attention"  # the group that totals are about
GROUPS = {
    "attention": "with attention",
    "combines": "made of other models",
    "no_auto_class": "without Auto class",
    "no_attention": "without attention",
}


class Cell(Struct, frozen=True):
    """
    One method on one architecture.

    Args:
        proven: whether it did what it promises when it was run; None if nothing was run.
        because: the reason of the decision; of what failed, if something did.
    """

    supported: bool
    because: str
    proven: bool | None = None


class Architecture(Struct, frozen=True):
    """
    Args:
        key: of everything that the outcome of a proof depends on; files have that of what was run only.
        was_run: so that every claim is the outcome of a proof, also where nothing is left that is supported.
    """

    name: str
    kind: Kind
    methods: Mapping[str, Cell]
    key: str = ""
    was_run: bool = False

    @property
    def is_counted(self) -> bool:
        return self.kind.group == COUNTED


class Survey(Struct, frozen=True):
    transformers: str
    architectures: tuple[Architecture, ...] = field(default=())

    @property
    def counted(self) -> tuple[Architecture, ...]:
        return tuple(each for each in self.architectures if each.is_counted)

    @property
    def failures(self) -> tuple[tuple[str, str, str], ...]:
        """(architecture, method, reason) of everything that is called supported and failed when it was run."""
        cells = ((each.name, method, cell) for each in self.architectures for method, cell in each.methods.items())
        return tuple((name, method, cell.because) for name, method, cell in cells if cell.proven is False)

    @property
    def unproven(self) -> tuple[tuple[str, str], ...]:
        """(architecture, method) of everything that is called supported and was not run."""
        cells = ((each.name, method, cell) for each in self.architectures for method, cell in each.methods.items())
        return tuple((name, method) for name, method, cell in cells if cell.supported and cell.proven is None)

    def with_architectures(self, found: Iterable[Architecture]) -> Survey:
        """With these instead of those of the same names, in the order of the names."""
        by_name = {**{each.name: each for each in self.architectures}, **{each.name: each for each in found}}
        return replace(self, architectures=tuple(by_name[name] for name in sorted(by_name)))


def refused(because: str) -> dict[str, Cell]:
    """An architecture that cannot take anything."""
    return {method: Cell(False, because) for method in COLUMNS}


def written(survey: Survey) -> str:
    """The survey as JSON, the same for the same findings."""
    document = {"transformers": survey.transformers, "architectures": dict(_entries(survey))}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _entries(survey: Survey) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in survey.architectures:
        methods = {
            name: {"supported": cell.supported, "proven": cell.proven, "because": cell.because}
            for name, cell in each.methods.items()
        }
        key = {"key": each.key} if each.key and each.was_run else {}
        kind = {"group": each.kind.group, "family": each.kind.family, "modality": each.kind.modality}
        yield each.name, {**kind, **key, "methods": methods}


def read(text: str, path: str) -> Survey:
    """
    Raises:
        ProblemsFound: it is not what `written` writes.
    """
    try:
        document = json.loads(text)
        found = tuple(_architecture(name, entry) for name, entry in sorted(document["architectures"].items()))
        return Survey(str(document["transformers"]), found)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message, fix = f"is not a survey: {error!r}", "delete it, or name another file"
        raise ProblemsFound(Problem("not-a-survey", message, Location(path), fix)) from error


def _architecture(name: str, entry: Mapping[str, Any]) -> Architecture:
    methods = {method: _cell(entry["methods"][method]) for method in COLUMNS}
    kind = Kind(entry["group"], str(entry["family"]), str(entry["modality"]))
    if kind.group not in GROUPS:
        raise ValueError(f"{kind.group!r} is not a group")
    was_run = "key" in entry or any(cell.proven is not None for cell in methods.values())
    return Architecture(name, kind, methods, str(entry.get("key", "")), was_run)


def _cell(entry: Mapping[str, Any]) -> Cell:
    supported, proven = entry["supported"], entry["proven"]
    if not isinstance(supported, bool) or not (proven is None or isinstance(proven, bool)):
        raise ValueError("supported and proven are true or false")
    return Cell(supported, str(entry["because"]), proven)
