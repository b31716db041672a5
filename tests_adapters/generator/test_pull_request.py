"""Is a new architecture told to reviewers in reading order: what was decided, what changed, the files, the proof?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from adaptergen.changes import Change, ChangeSet
from adaptergen.problems import Problem
from adaptergen.proven import Proven
from adaptergen.pull_request import LONGEST, pull_request
from adaptergen.rendering.environment import cell
from adaptergen.settings import Settings
from tests_adapters.generator.case import integration
from tests_adapters.generator.projects import done, run
from tests_adapters.generator.test_add_model import OF_CASE
from tests_adapters.generator.trees import fingerprint


CHANGES = ChangeSet((Change("a.py", None, "1\n2\n"), Change("b.py", "1\n--2\n3\n", "1\n++4\n")))


def body(case: str, *proven: Proven) -> str:
    return pull_request([integration(case)], CHANGES, Settings(), proven)


def test_it_reads_in_order(project: Path) -> None:
    done(project, "add-model", "case", "--no-verify", "--pr-body", str(project / "body.md"))
    text = (project / "body.md").read_text()

    assert re.findall("^#+ .*", text, re.MULTILINE) == [
        "# Add adapters to Case",
        "## Case: what was decided",
        "## Case: what that changes in upstream's code",
        "## Files",
        "## Proof",
    ]
    assert [
        f"{kind:<7} {path}" for path, kind in re.findall(r"^\| `(.*?)` \| (\w+) \|", text, re.MULTILINE)
    ] == OF_CASE
    assert "Not run yet: `adaptergen verify case`." in text


def test_several_models_stand_one_after_the_other(project: Path, tmp_path: Path) -> None:
    done(project, "add-model", "case", "my_case", "--dry-run", "--pr-body", str(tmp_path / "body.md"))
    text = (tmp_path / "body.md").read_text()

    assert text.startswith("# Add adapters to Case and MyCase\n")
    assert text.index("## Case: what that") < text.index("## MyCase: what was") < text.index("## Files")
    assert not (project / "generated/models/case").exists()


@pytest.mark.parametrize("case", ["pre_norm", "post_norm_next", "encoder_decoder", "causal_buffer"])
def test_every_edit_is_there_with_its_reason(case: str) -> None:
    text, edits = body(case), integration(case).borrowed.edits

    assert edits
    for edit in edits:
        assert f"\n- {cell(edit.because)}\n" in text
        assert all(f"\n-{line.rstrip()}\n" in text for line in edit.before if line not in edit.after)
        assert all(f"\n+{line.rstrip()}\n" in text for line in edit.after if line not in edit.before)


def test_an_edit_by_hand_needs_no_reason() -> None:
    made = integration("pre_norm")
    edit = replace(made.borrowed.edits[0], because="")
    told = pull_request([replace(made, borrowed=replace(made.borrowed, edits=(edit,)))], CHANGES, Settings())

    assert all(f"\n+{line.rstrip()}\n" in told for line in edit.after if line not in edit.before)
    assert "\n None\n" not in told


def test_lines_that_come_and_go_are_counted() -> None:
    rows = body("pre_norm").splitlines()

    assert "| `a.py` | create | +2 |" in rows
    assert "| `b.py` | update | +1 −2 |" in rows


def test_the_proof_is_a_row_for_each_class() -> None:
    broken = Proven("case", "CaseForCausalLM", 7, (Problem("not-right", "no effect"), Problem("not-right", "nan")))
    rows = body("pre_norm", Proven("case", "CaseModel", 12), broken).splitlines()

    assert "| CaseModel | 12 | none |" in rows
    assert "| CaseForCausalLM | 7 | 2 |" in rows
    assert not any(row.startswith("Not run yet") for row in rows)


def test_code_ends_at_no_fence_of_its_own() -> None:
    made = integration("pre_norm")
    edit = replace(made.borrowed.edits[0], after=("        # ```", *made.borrowed.edits[0].after))
    told = pull_request([replace(made, borrowed=replace(made.borrowed, edits=(edit,)))], CHANGES, Settings())

    assert told.count("````diff\n") == 1
    assert told.count("\n````\n") == 1


def test_what_github_would_not_take_is_shown_by_a_command() -> None:
    made = integration("pre_norm")
    edit = replace(made.borrowed.edits[0], after=("        # long",) * (LONGEST // 10))
    text = pull_request([replace(made, borrowed=replace(made.borrowed, edits=(edit,)))], CHANGES, Settings())

    assert len(text) < LONGEST
    assert "`adaptergen diff case --upstream` shows all of it" in text
    assert "## Proof" in text


def test_nothing_is_written_where_the_description_cannot_be(project: Path, tmp_path: Path) -> None:
    before = fingerprint(project)
    result = run(project, "add-model", "case", "--no-verify", "--pr-body", str(tmp_path / "nowhere" / "body.md"))

    assert result.exit_code == 1
    assert "fix: give --pr-body a file in a folder that is there" in result.stderr
    assert fingerprint(project) == before
