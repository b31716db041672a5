"""The survey for a terminal: how many, then which, then why not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from adaptergen.surveying.counting import summary
from adaptergen.surveying.reasons import reasons, why_not
from adaptergen.surveying.record import COLUMNS, GROUPS, Architecture, Cell, Survey


MOST_REASONS = 25


def summary_table(survey: Survey) -> str:
    """How many architectures of each family take each method, or `proven of supported` where some were run."""
    return aligned([["", "all", *COLUMNS, "main three"], *([title, *row] for title, row in summary(survey))])


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
    for because, methods in why_not(each):
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
