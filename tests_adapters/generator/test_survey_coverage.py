"""Is the survey that a project commits written, checked and kept, and shown as it is?"""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests_adapters.generator.projects import done, run


README = "# Mine\n\n<!-- adaptergen: begin coverage -->\n<!-- adaptergen: end coverage -->\n\nMore.\n"
SUMMARY = """\
# Mine

<!-- adaptergen: begin coverage -->
Of 2 architectures of transformers 5.23.0 with attention of their own:

| | Bottleneck | LoRA | (IA)³ | Prefix tuning | Invertible | ReFT | Prompt tuning | Parallel | Main three |
| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |
| supported | 2 | 2 | 2 | 2 | 2 | 2 | 2 | 2 | 2 |

Main three: bottleneck, LoRA and prefix tuning on the same architecture. [Coverage](adapter_docs/coverage.md) has each
architecture, and why it cannot take what it cannot.
<!-- adaptergen: end coverage -->

More.
"""


@pytest.fixture
def surveyed(one: Path) -> Path:
    """A project with a committed survey."""
    (one / "README.md").write_text(README)
    done(one, "survey", "--write")
    return one


def problems(project: Path, *arguments: str) -> list[str]:
    result = run(project, *arguments)
    return [line.partition("; fix: ")[0] for line in result.stderr.splitlines() if "error[" in line]


def test_everything_is_written(surveyed: Path) -> None:
    found = json.loads((surveyed / "adapter_docs/coverage.json").read_text())

    assert list(found["architectures"]) == ["case", "my_case"]
    page = (surveyed / "adapter_docs/coverage.md").read_text()
    assert "\n| `case` | text decoder | text | ○ |" in page
    assert "\n| `my_case` | text decoder | text | ○ |" in page
    assert (surveyed / "README.md").read_text() == SUMMARY
    assert problems(surveyed, "check") == []
    assert "2 architectures are as adapter_docs/coverage.json says" in done(surveyed, "survey", "--check")


def test_a_second_run_changes_nothing(surveyed: Path) -> None:
    files = [surveyed / "README.md", *(surveyed / "adapter_docs").glob("coverage.*")]
    before = [file.read_bytes() for file in files]
    done(surveyed, "survey", "--write")
    done(surveyed, "survey", "--write", "case")

    assert [file.read_bytes() for file in files] == before


@pytest.mark.parametrize("name", ["README.md", "adapter_docs/coverage.md"])
def test_what_does_not_follow_from_the_survey(surveyed: Path, name: str) -> None:
    path = surveyed / name
    path.write_text(path.read_text().replace("supported", "perhaps"))

    assert problems(surveyed, "check") == [f"{name}: error[stale-coverage]: is not what coverage.json gives"]


def changed(project: Path, old: str, new: str) -> None:
    """The survey says something else, and its page and numbers with it."""
    path = project / "adapter_docs/coverage.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"5.23.0"', '"5.22.0"', "is about transformers 5.22.0, and 5.23.0 is installed"),
        ('"my_case"', '"mine"', "says nothing of my_case"),
        ('"supported": true', '"supported": false', "does not say what the plan of case says of bottleneck"),
    ],
)
def test_a_survey_of_something_else(surveyed: Path, old: str, new: str, message: str) -> None:
    changed(surveyed, old, new)

    assert f"adapter_docs/coverage.json: error[stale-coverage]: {message}" in problems(surveyed, "check")


def test_what_is_no_survey(surveyed: Path) -> None:
    (surveyed / "adapter_docs/coverage.json").write_text("[]")

    assert ["error[not-a-survey]" in line for line in problems(surveyed, "check")] == [True]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"supported": true', '"supported": false', "case: support of bottleneck has changed"),
        ('"text decoder"', '"vision"', "case: is of another kind"),
        ('"my_case"', '"mine"', "my_case: is missing"),
        ('"proven": null', '"proven": true', "case: what was run is not what would be run now"),
    ],
)
def test_looking_again_finds_differences(surveyed: Path, old: str, new: str, message: str) -> None:
    changed(surveyed, old, new)

    assert problems(surveyed, "survey", "--check") == [f"error[stale-coverage]: {message}"]


def test_a_project_without_a_survey(one: Path) -> None:
    assert problems(one, "check") == []
    assert ["error[no-coverage]" in line for line in problems(one, "survey", "--check")] == [True]


@pytest.mark.parametrize(
    "arguments", [("--write", "--json", "x.json"), ("--write", "--check"), ("--check", "--source-tree", ".")]
)
def test_what_does_not_go_together(one: Path, arguments: tuple[str, ...]) -> None:
    assert run(one, "survey", *arguments).exit_code == 2


class Tags(HTMLParser):
    """The tags that are open, and the text of every row."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "input", "link", "br"):
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_for_a_browser(one: Path) -> None:
    done(one, "survey", "--html", str(one / "adapter_docs/survey.html"))
    text = (one / "adapter_docs/survey.html").read_text()
    tags = Tags()
    tags.feed(text)

    assert tags.open == []
    assert tags.links == ["../generated/models/case/plan.toml"]  # nothing else is loaded
    assert re.findall(r'<tr class="row".*\n<td>(\w+)</td>', text) == ["case", "my_case"]
    assert "<code>adaptergen plan my_case</code>" in text


def test_reasons_cannot_break_the_page(one: Path) -> None:
    plan = one / "generated/models/case/plan.toml"
    decided = '[methods.reft]\nsupported = true\nbecause = "the hidden states leave every layer"'
    by_hand = '[methods.reft]\nsupported = false\nby = "hand"\nbecause = "<script>1 | 2"'
    assert decided in plan.read_text()
    plan.write_text(plan.read_text().replace(decided, by_hand))
    done(one, "survey", "--html", str(one / "survey.html"))

    assert "<dd>&lt;script&gt;1 | 2</dd>" in (one / "survey.html").read_text()
