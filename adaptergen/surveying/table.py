"""The survey for a terminal: how many, then which, then why not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from adaptergen.surveying.reasons import reasons
from adaptergen.surveying.record import COLUMNS, COUNTED, GROUPS, Architecture, Cell, Survey


MAIN_THREE = ("bottleneck", "lora", "prefix_tuning")
MOST_REASONS = 25


def summary_table(survey: Survey) -> str:
    """How many architectures of each family take each method, or `proven of supported` where some were run.

    The main three are bottleneck adapters, LoRA and prefix tuning, all of them. What the total leaves out is below it.
    """
    rows = [["", "all", *COLUMNS, "main three"]]
    families = sorted({each.kind.family for each in survey.counted})
    for family in families:
        rows.append([family, *counts(each for each in survey.counted if each.kind.family == family)])
    rows.append(["total", *counts(survey.counted)])
    for group, title in GROUPS.items():
        members = [each for each in survey.architectures if each.kind.group == group]
        if group != COUNTED and members:
            rows.append([title, *counts(members)])
    return aligned(rows)


def counts(architectures: Iterable[Architecture]) -> list[str]:
    """The number of these, of those that take each method, and of those that take the three most used."""
    members = list(architectures)
    asked = [*((method,) for method in COLUMNS), MAIN_THREE]
    return [
        str(len(members)),
        *(count([[each.methods[one] for one in methods] for each in members]) for methods in asked),
    ]


def count(members: Sequence[Sequence[Cell]]) -> str:
    """Members all of whose cells are supported; with those that are proven, too, if anything was run."""
    supported = sum(all(cell.supported for cell in cells) for cells in members)
    if all(cell.proven is None for cells in members for cell in cells):
        return str(supported)
    return f"{sum(all(cell.proven for cell in cells) for cells in members)} of {supported}"


def architecture_table(architectures: Iterable[Architecture], *, explain: bool) -> str:
    """A row each; with every reason below it if asked for."""
    members = list(architectures)
    rows = aligned([["", "family", *COLUMNS], *(_row(each) for each in members)]).splitlines(keepends=True)
    lines = [rows[0]]
    for each, row in zip(members, rows[1:], strict=True):
        lines.append(row)
        lines.extend(f"    {line}\n" for line in (_explained(each) if explain else ()))
    return "".join(lines)


def _row(each: Architecture) -> list[str]:
    shown = each.kind.family if each.is_counted else GROUPS[each.kind.group]
    return [each.name, shown, *(mark(each.methods[method]) for method in COLUMNS)]


def mark(cell: Cell) -> str:
    if not cell.supported:
        return "-"
    return {True: "proven", False: "FAILS", None: "yes"}[cell.proven]


def _explained(each: Architecture) -> Iterator[str]:
    """Each reason once, with the methods that it is about."""
    told: dict[str, list[str]] = {}
    for method, cell in each.methods.items():
        if not cell.supported or cell.proven is False:
            for part in cell.because.split("; "):
                told.setdefault(part, []).append(method)
    for because, methods in told.items():
        yield f"{'no method' if len(methods) == len(COLUMNS) else ', '.join(methods)}: {because}"


def reason_table(architectures: Iterable[Architecture], most: int = MOST_REASONS) -> str:
    """The reasons that keep the most architectures out."""
    found = reasons(architectures)
    lines = [
        f"{len(reason.architectures):>4}  {reason.text}  [{', '.join(reason.methods)}]\n" for reason in found[:most]
    ]
    left = f"      and {len(found) - most} more\n" if len(found) > most else ""
    return "".join(lines) + left


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns two spaces apart: the first ones to the left."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "".join(f"{line}\n" for line in lines)
