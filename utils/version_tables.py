"""What was found under each release of transformers, as tables of a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from packaging.version import Version
from pages import table, with_text
from scratch import ROOT, SPANNING_SET


PINS = ROOT / "utils/versions"
RELEASES = tuple(sorted((path.stem for path in PINS.glob("*.txt")), key=Version))
NOTHING = "–"

Found = dict[str, Any]


def with_tables(page: str, found: Found) -> str:
    made = {"models": models_table(found), "adapters": adapters_table(found), "refused": refusals(found)}
    for name, text in made.items():
        page = with_text(page, name, text)
    return page


def models_table(found: Found) -> str:
    """A row for each model: what became of it under each release, and how many checks it passed."""
    rows = [
        [name, *(_cell(found["models"][name].get(release)) for release in RELEASES)]
        for name in _known(found["models"])
    ]
    whole = [
        ", ".join(f"{count} {fate}" for fate, count in found["all"].get(release, {}).items()) for release in RELEASES
    ]
    return table(["", *RELEASES], [*rows, ["every model of the project", *(each or NOTHING for each in whole)]])


def adapters_table(found: Found) -> str:
    """A row for each model: how many adapters of the other releases are read under each."""
    rows = []
    for name in _known(found["adapters"]):
        saved = found["adapters"][name]
        read = [[said for of in saved.values() for said in of.get(release, {}).values()] for release in RELEASES]
        rows.append([name, *(_read_of(each) for each in read)])
    return table(["", *RELEASES], rows)


def refusals(found: Found) -> str:
    """The methods that a model can take under the newest release, and not under another."""
    lines = []
    for name in _known(found["models"]):
        refused = {release: result["refused"] for release, result in found["models"][name].items()}
        newest = refused.pop(RELEASES[-1], None)
        if newest is None:
            continue  # nothing to compare with
        for release in sorted(refused, key=Version):
            lines += [
                f"- {name} under {release}: no {method}: {because}\n"
                for method, because in refused[release].items()
                if method not in newest
            ]
    return "".join(lines) or "There are none.\n"


def _known(models: Mapping[str, Any]) -> list[str]:
    return [*(name for name in SPANNING_SET if name in models), *sorted(models.keys() - set(SPANNING_SET))]


def _cell(result: Found | None) -> str:
    if result is None:
        return NOTHING
    problems = f", **{len(result['problems'])} problems**" if result["problems"] else ""
    return f"{result['fate']}, {checks_told(result)}{problems}"


def _read_of(said: Sequence[str]) -> str:
    read = sum(not each for each in said)
    return NOTHING if not said else f"all {len(said)}" if read == len(said) else f"**{read} of {len(said)}**"


def checks_told(result: Found) -> str:
    if "checks" not in result:
        return "not verified"
    failed = len(result["failed"])
    return f"**{failed} failed** of {result['checks']}" if failed else f"{result['checks']} checks"
