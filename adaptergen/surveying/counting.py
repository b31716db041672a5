"""How many architectures take which methods?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from adaptergen.surveying.record import COLUMNS, COUNTED, GROUPS, Architecture, Cell, Survey


MAIN_THREE = ("bottleneck", "lora", "prefix_tuning")
ASKED = (*((method,) for method in COLUMNS), MAIN_THREE)


def summary(survey: Survey) -> list[tuple[str, list[str]]]:
    """(title, numbers) for each family, for their total, and for each group that the total leaves out.

    The numbers are that of the architectures, of those that take each method, and of those that take the main three:
    bottleneck adapters, LoRA and prefix tuning, all of them.
    """
    families = sorted({each.kind.family for each in survey.counted})
    rows = [(family, counts(each for each in survey.counted if each.kind.family == family)) for family in families]
    rows.append(("total", counts(survey.counted)))
    for group, title in GROUPS.items():
        members = [each for each in survey.architectures if each.kind.group == group]
        if group != COUNTED and members:
            rows.append((title, counts(members)))
    return rows


def counts(architectures: Iterable[Architecture]) -> list[str]:
    members = list(architectures)
    return [str(len(members)), *(_count(cells_of(members, methods)) for methods in ASKED)]


def cells_of(members: Iterable[Architecture], methods: Sequence[str]) -> list[list[Cell]]:
    return [[each.methods[method] for method in methods] for each in members]


def _count(members: Sequence[Sequence[Cell]]) -> str:
    """Members all of whose cells are supported; `proven of supported` if anything was run."""
    if all(cell.proven is None for cells in members for cell in cells):
        return str(supported(members))
    return f"{proven(members)} of {supported(members)}"


def supported(members: Iterable[Sequence[Cell]]) -> int:
    return sum(all(cell.supported for cell in cells) for cells in members)


def proven(members: Iterable[Sequence[Cell]]) -> int:
    return sum(all(cell.proven for cell in cells) for cells in members)
