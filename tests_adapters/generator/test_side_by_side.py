"""Does the page of a diff have every edit, with its reason, beside the lines that upstream has there?"""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec.structs import replace

from adaptergen.hunks import hunks
from adaptergen.side_by_side import side_by_side
from adaptergen.transforms.edits import Edit, in_order
from tests_adapters.generator.case import CASES, integration
from tests_adapters.generator.projects import done, run


class Page(HTMLParser):
    """The cells of a page by their classes, and the tags that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.cells: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "td":
            self.cells.append((dict(attrs).get("class") or "", ""))

    def handle_data(self, data: str) -> None:
        if self.cells and self.lasttag == "td":
            look, text = self.cells.pop()
            self.cells.append((look, text + data))

    def texts(self, look: str) -> list[str]:
        return [text.rstrip("\n") for found, text in self.cells if found == look]


def page(case: str) -> Page:
    made = integration(case)
    return Page(side_by_side(made.plan, made.source, made.borrowed.edits))


@pytest.mark.parametrize("case", ["pre_norm", "post_norm_next", "encoder_decoder", "causal_buffer"])
def test_every_edit_is_there_with_its_reason(case: str) -> None:
    shown, edits = page(case), in_order(integration(case).borrowed.edits)
    changed = [pair for edit in edits for pair in _pairs(edit) if pair[0] != pair[1]]

    assert shown.texts("because") == [edit.because for edit in edits]
    assert shown.texts("gone") == [left for left, _ in changed if left is not None]
    assert shown.texts("new") == [right for _, right in changed if right is not None]


def _pairs(edit: Edit) -> list[tuple[str | None, str | None]]:
    length = max(len(edit.before), len(edit.after))
    return list(zip(*([*side, *[None] * (length - len(side))] for side in (edit.before, edit.after)), strict=True))


@pytest.mark.parametrize("case", ["pre_norm", "encoder_decoder", "causal_buffer"])
def test_the_left_side_is_upstream(case: str) -> None:
    """Lines without a gap, each with the number that it has in upstream's file."""
    made = integration(case)
    for hunk in hunks(made.source, made.borrowed.edits):
        left = [row for passage in hunk.passages for row in passage.rows if row.left is not None]
        first = left[0].number

        assert [row.number for row in left] == list(range(first, first + len(left)))
        assert [row.left for row in left] == list(made.source.lines[first - 1 : first - 1 + len(left)])


def test_hostile_texts_are_texts() -> None:
    made = integration("pre_norm")
    script = "<script>alert(1)</script>"
    edits = [replace(edit, because=script, after=(script,), cls=script) for edit in made.borrowed.edits]
    shown = Page(side_by_side(replace(made.plan, title=script), made.source, edits))

    assert "script" not in shown.tags
    assert set(shown.texts("because")) == set(shown.texts("new")) == {script}


def test_an_architecture_without_edits_says_so() -> None:
    made = integration("pre_norm")

    assert "Nothing was changed in upstream's code." in side_by_side(made.plan, made.source, ())


def test_diff_writes_the_page(one: Path, tmp_path: Path) -> None:
    file = tmp_path / "case.html"
    made = integration("pre_norm")

    assert done(one, "diff", "case", "--html", str(file)) == ""
    assert file.read_text() == side_by_side(made.plan, made.source, made.borrowed.edits)
    assert (
        done(one, "diff", "case", "--html", str(file), "--upstream") == (CASES / "pre_norm/upstream.diff").read_text()
    )


def test_diff_into_a_folder_that_is_not_there(one: Path, tmp_path: Path) -> None:
    file = tmp_path / "nowhere" / "case.html"
    result = run(one, "diff", "case", "--html", str(file))

    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{file}: error[not-written]: cannot be written: No such file or directory" in result.stderr
    assert "give --html a file" in result.stderr
