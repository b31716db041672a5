"""Tables in pages of the docs that a script writes, between two comments.

<!-- table -->
<!-- end of table -->
"""

from __future__ import annotations

import re
from collections.abc import Sequence


def written_between(page: str, name: str) -> str:
    """What stands between the comments of this name."""
    found = _pattern(name).search(page)
    if found is None:
        raise ValueError(f"no `<!-- {name} -->` with an end in the page")
    return found[0]


def with_text(page: str, name: str, text: str) -> str:
    """The page with this text between the comments."""
    return page.replace(f"{_begin(name)}{written_between(page, name)}", f"{_begin(name)}{text}", 1)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], alignment: Sequence[str] = ()) -> str:
    """Markdown; columns without an alignment are left to the reader's program."""
    line = [*alignment, *["---"] * (len(head) - len(alignment))]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, line, *rows))


def _begin(name: str) -> str:
    return f"<!-- {name} -->\n"


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(f"(?<={_begin(name)}).*?(?=<!-- end of {name} -->)", re.DOTALL)
