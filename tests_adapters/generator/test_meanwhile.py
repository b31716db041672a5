"""What others write into the project while a run reads it and plans is neither lost nor forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import Result

from adaptergen.workspace import Workspace
from tests_adapters.generator.projects import done, run
from tests_adapters.generator.trees import copied, fingerprint


PLAN = "generated/models/case/plan.toml"


@contextmanager
def at_read(number: int, act: Callable[[], object]) -> Iterator[list[str]]:
    """Somebody else acts before the file with this number is read. What is read is listed."""
    reached: list[str] = []
    read = Workspace.read

    def reading(workspace: Workspace, relative: str) -> str | None:
        reached.append(relative)
        if len(reached) - 1 == number:
            act()
        return read(workspace, relative)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Workspace, "read", reading)
        yield reached


def at_each_read(
    project: Path, act: Callable[[Path], object], *command: str, step: int = 1
) -> Iterator[tuple[Path, Result]]:
    """A command on a copy of the project for each file that it reads, before which somebody else acts."""
    for number in range(0, 1000, step):
        copy = copied(project, project.with_name(f"copy{number}"))
        with at_read(number, lambda copy=copy: act(copy)) as reached:
            result = run(copy, *command)
        if len(reached) <= number:
            return
        yield copy, result


def overlaid(tree: Path) -> Callable[[Path], None]:
    """Another run puts its files in place, all at once."""
    texts = {path.relative_to(tree): path.read_bytes() for path in tree.rglob("*") if path.is_file()}

    def overlay(copy: Path) -> None:
        for path, text in texts.items():
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            (copy / path).write_bytes(text)

    return overlay


def test_a_model_that_another_run_adds_is_in_all_tables(project: Path, filled: Path) -> None:
    """Or else the run that would have left it out is refused, at whatever time it comes."""
    one = filled / "one"
    other = fingerprint(one)
    written = refused = 0
    for copy, result in at_each_read(project, overlaid(one), "add-model", "my_case", "--no-verify", step=2):
        if result.exit_code == 0:
            written += 1
            assert done(copy, "check") == "2 models are as adaptergen writes them\n"
        else:
            refused += 1
            assert {line.split(": ")[1] for line in result.stderr.splitlines() if "error" in line} == {
                "error[changed]"
            }
            assert fingerprint(copy) == other

    assert written > 0
    assert refused > 5


def test_what_a_person_decides_meanwhile_is_kept(one: Path) -> None:
    """The plan is to be written again, since it is not what the planner decides."""
    plan = (one / PLAN).read_text()
    stale = plan.replace('slot = "output_adapters"\n', 'slot = "my_adapters"\n')
    (one / PLAN).write_text(stale)
    decided = stale.replace('slot = "my_adapters"\nbecause', 'slot = "my_adapters"\nby = "hand"\nbecause')
    assert plan != stale != decided

    kept = refused = 0
    for copy, result in at_each_read(
        one, lambda copy: (copy / PLAN).write_text(decided), "update", "case", "--no-verify"
    ):
        assert 'slot = "my_adapters"' in (copy / PLAN).read_text()
        kept += result.exit_code == 0
        refused += result.exit_code == 1
        assert (result.exit_code == 0) != (f"{PLAN}: error[changed]: changed while" in result.stderr)

    assert kept > 0
    assert refused > 5
