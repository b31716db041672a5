"""Which blocks of code does a page have, and which of them say that they are not run?

In Markdown a block that is not run has the reason in a comment on the line before it:

<!-- not run: it takes hours -->
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent


ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "adapter_docs"
PAGES = tuple(
    sorted(
        [
            *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")),
            *GUIDES.glob("*.md"),
            *GUIDES.rglob("*.rst"),
        ]
    )
)

_FENCE = re.compile(
    r"(?:^<!-- not run: (?P<why>[^\n]+) -->\n)?^(?P<fence>```+)(?P<language>[\w{}]*)\n(?P<text>.*?)^(?P=fence)$",
    re.DOTALL | re.MULTILINE,
)
_DIRECTIVE = re.compile(r"^\.\. code-block:: (?P<language>\w+)\n\n(?P<text>(?:[ ]+.*\n|\n)+)", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    page: Path
    line: int  # that its text begins on
    language: str
    text: str
    why_not: str = ""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def commands(self) -> tuple[str, ...]:
        """What stands behind a prompt, without the comments beside it."""
        lines = (line.removeprefix("$ ") for line in self.text.splitlines() if line.startswith("$ "))
        return tuple(re.sub(r"\s+#.*", "", line) for line in lines)

    @property
    def printed(self) -> tuple[str, ...]:
        """What it says that the commands print."""
        return tuple(line for line in self.text.splitlines() if line and not line.startswith("$ "))


def blocks_of(page: Path) -> Iterator[Block]:
    """In the order of the page; tables of contents and the like, in braces, are no code."""
    text = page.read_text(encoding="utf-8")
    pattern = _FENCE if page.suffix == ".md" else _DIRECTIVE
    for found in pattern.finditer(text):
        told = found.groupdict()
        line = text.count("\n", 0, found.start("text")) + 1
        if not told["language"].startswith("{"):
            yield Block(page, line, told["language"], dedent(told["text"]), told.get("why") or "")


def all_blocks() -> Iterator[Block]:
    for page in PAGES:
        yield from blocks_of(page)
