"""Does a hook in the wrong place get through? Plant mistakes, one at a time, and see what notices.

    python utils/mutation_proof.py gpt_neo bert
    python utils/mutation_proof.py --write          every model of the spanning set, and the table in the docs

Each mistake is written into a copy of the project, into the plan of a model as if a person had decided so, and
everything is generated from it. So `adaptergen check`, which notices any other edit, has nothing to say; the tests of
the model must fail.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from mistakes import MISTAKES
from pages import table, with_text, written_between
from scratch import ROOT, SPANNING_SET, copy_project, run

from adaptergen.plan import IntegrationPlan
from adaptergen.plan_file import dump, load
from adaptergen.verify.checks import ADAPTER_CHECKS, MODEL_CHECKS


PAGE = "adapter_docs/mutations.md"
TABLE = "table"  # between comments of this name
FAILED = re.compile(r"^FAILED (?P<test>[^:]+::\w+::(?P<name>.+?))(?: - .*)?$", re.MULTILINE)
NOT_THERE = "–"
PASSES = (("not slow", ""), ("slow", "ClassConversion or without_adapters"), ("slow", ""))  # what is fast first
NOTHING_SELECTED = 5  # says pytest

Found = dict[str, dict[str, str]]  # mistake → model → what notices it
CHECKS = {*(check.__name__ for check in MODEL_CHECKS), *(check.name for check in ADAPTER_CHECKS)}
STALE_ROW = "stale row of a registry"
TITLES = (*(mistake.title for mistake in MISTAKES), STALE_ROW)


@click.command()
@click.argument("names", nargs=-1)
@click.option("--mistake", "titles", multiple=True, type=click.Choice(TITLES), help="Plant this one alone.")
@click.option("--write", is_flag=True, help=f"Write what is found into the table of {PAGE}; its other cells stay.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def main(names: tuple[str, ...], titles: tuple[str, ...], write: bool, as_json: bool) -> None:
    """Plant each mistake in each of NAMES, and tell what notices it. Ends with 1 if something gets through."""
    found: Found = {}
    for name in names or SPANNING_SET:
        for title, notice in planted(_plan(name), titles or TITLES):
            found.setdefault(title, {})[name] = notice
            click.echo(f"{name}: {title}: {notice or 'NOT NOTICED'}", err=True)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    if write:
        page = ROOT / PAGE
        text = page.read_text()
        page.write_text(with_text(text, TABLE, told_in_table(found, cells(written_between(text, TABLE)))))
    sys.exit(0 if all(notice for notices in found.values() for notice in notices.values()) else 1)


def planted(plan: IntegrationPlan, titles: Collection[str] = TITLES) -> Iterator[tuple[str, str]]:
    """
    (mistake, what notices it) of these, one of which may be a row of a table that is left behind; "" if nothing
    notices, and a dash with the reason where the architecture has nothing of the kind.
    """
    for mistake in (each for each in MISTAKES if each.title in titles):
        mutant = mistake.mutate(plan)
        if isinstance(mutant, str):
            yield mistake.title, f"{NOT_THERE} {mutant}"
            continue
        with TemporaryDirectory(prefix="adaptergen-mutant-") as folder:
            yield mistake.title, noticed(mutant, mistake.edit, Path(folder))
    if STALE_ROW in titles:
        with TemporaryDirectory(prefix="adaptergen-mutant-") as folder:
            yield STALE_ROW, stale_row(plan, Path(folder))


def noticed(mutant: IntegrationPlan, edit: tuple[str, str, str] | None, folder: Path) -> str:
    """What fails on a project with this plan: the generator, the check, or a test, by its name."""
    copy_project(folder)
    if edit is not None:
        path, old, new = edit
        text = (folder / path).read_text()
        assert text.count(old) == 1
        (folder / path).write_text(text.replace(old, new))
    (folder / f"generated/models/{mutant.name}/plan.toml").write_text(dump(mutant))
    update = run(folder, "-m", "adaptergen", "update", mutant.name, "--no-verify")
    if update.returncode:
        return f"update: {_code(update.stderr)}"
    check = run(folder, "-m", "adaptergen", "check", mutant.name)
    if check.returncode:
        return f"check: {_code(check.stderr)}"
    for speed, names in PASSES:
        tests = f"tests_adapters/models/test_{mutant.name}.py"
        options = ("-x", "-q", "-p", "no:cacheprovider", "-m", speed, "-k", names)
        result = run(folder, "-m", "pytest", *options, tests)
        if result.returncode == 1:
            failed = FAILED.search(result.stdout)
            if failed is None:
                return "test: at collection"
            _expect_passed_without(failed["test"])
            return f"test: {failed['name']}"
        if result.returncode not in (0, NOTHING_SELECTED):
            return f"tests cannot be collected ({result.returncode})"
    return ""


@cache
def _expect_passed_without(test: str) -> None:
    """
    Raises:
        click.ClickException: it fails without any mistake, too, so that it says nothing.
    """
    if run(ROOT, "-m", "pytest", "-q", "-p", "no:cacheprovider", test).returncode != 0:
        raise click.ClickException(f"{test} fails with nothing planted, too: mend that first")


def stale_row(plan: IntegrationPlan, folder: Path) -> str:
    """A line of a registry is that of another architecture."""
    copy_project(folder)
    registry = folder / "generated/models/__init__.py"
    text = registry.read_text()
    registry.write_text(text.replace(f'"{plan.adapter_model.name}"', '"GoneAdapterModel"', 1))
    check = run(folder, "-m", "adaptergen", "check", plan.name)
    return f"check: {_code(check.stderr)}" if check.returncode else ""


def cells(told: str) -> dict[str, dict[str, str]]:
    """Mistake → model → cell of a table that was written here."""
    rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in told.splitlines() if line[:1] == "|"]
    head, body = rows[:1], rows[2:]
    return {title: dict(zip(head[0][1:], row, strict=True)) for title, *row in body}


def told_in_table(found: Found, before: Mapping[str, Mapping[str, str]]) -> str:
    """Markdown: a row for each mistake with what notices it, where known now or before; and why there are dashes."""
    told = {
        title: {**before.get(title, {}), **{name: _cell(notice) for name, notice in found.get(title, {}).items()}}
        for title in TITLES
    }
    names = [name for name in SPANNING_SET if any(name in notices for notices in told.values())]
    head = ["mistake", *names]
    rows = [[title, *(told[title].get(name, "") for name in names)] for title in TITLES]
    reasons = "".join(f"- {title}: {why} ({', '.join(models)}).\n" for (title, why), models in _reasons(names).items())
    return table(head, rows) + (reasons and f"\n{reasons}")


def _reasons(names: Sequence[str]) -> dict[tuple[str, str], list[str]]:
    """(mistake, why it cannot be planted) → in which of these."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for name in names:
        plan = _plan(name)
        for mistake in MISTAKES:
            if isinstance(why := mistake.mutate(plan), str):
                reasons.setdefault((mistake.title, why), []).append(name)
    return reasons


def _cell(notice: str) -> str:
    """The check that a test runs, where it runs one; else the test, or what the command says."""
    if notice.startswith(NOT_THERE):
        return NOT_THERE
    name, _, arguments = notice.removeprefix("test: ").partition("[")
    check = next((each for each in arguments.rstrip("]").split("-") if each in CHECKS), "")
    return f"`{check or name}`" if name else "**not**"


def _plan(name: str) -> IntegrationPlan:
    return load((ROOT / f"generated/models/{name}/plan.toml").read_text(), "plan.toml")


def _code(errors: str) -> str:
    found = re.search(r"error\[([\w-]+)\]", errors)
    return found[1] if found else errors.strip().splitlines()[-1]


if __name__ == "__main__":
    main()
