"""How is an update told: in a few lines on a terminal, as JSON, and as the description of a pull request?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from textwrap import indent
from typing import Any

from msgspec import to_builtins

from adaptergen.problems import Problem
from adaptergen.proven import Proven, as_markdown
from adaptergen.updating import Fate, Update


def report(updates: Sequence[Update]) -> str:
    """Every architecture that is not as it was, and how many there are of each fate."""
    parts = [_told(each) for each in updates if each.fate is not Fate.UNCHANGED]
    return "\n".join([*parts, *([summary(updates)] if len(updates) > 1 else [])])


def summary(updates: Sequence[Update]) -> str:
    """`61 models: 52 unchanged, 6 regenerated, 3 replanned`"""
    counts = Counter(each.fate for each in updates)
    fates = ", ".join(f"{counts[fate]} {_plural(fate, counts[fate])}" for fate in Fate if counts[fate])
    return f"{len(updates)} {'model' if len(updates) == 1 else 'models'}: {fates}"


def as_json(updates: Sequence[Update]) -> dict[str, Any]:
    return {each.name: _as_json(each) for each in updates}


def pull_request(updates: Sequence[Update], version: str, proven: Sequence[Proven] = ()) -> str:
    """Markdown: what reviewers read first, and what is left to do."""
    before = sorted({each.previous.source.transformers for each in updates} - {version})
    title = f"Follow transformers {version}" + (f" (from {', '.join(before)})" if before else "")
    return "\n".join([f"# {title}", "", f"{summary(updates)}.", *_sections(updates), *_proof(proven), ""])


def _sections(updates: Sequence[Update]) -> Iterator[str]:
    by_fate = {fate: [each for each in updates if each.fate is fate] for fate in Fate}
    if by_fate[Fate.NEEDS_A_PERSON]:
        yield from ("", "## Needs a person", "", "These stay as they were; nothing of them was written.", "")
        for each in by_fate[Fate.NEEDS_A_PERSON]:
            yield from (f"- [ ] **{each.name}**: {_one_line(problem)}" for problem in each.problems)
    if by_fate[Fate.REPLANNED]:
        yield from ("", "## Replanned", "", "The plans of these decide something else. Read these first.")
        for each in by_fate[Fate.REPLANNED]:
            yield from ("", f"### {each.name}", "", "```text", *map(str, each.differences), "```")
    if by_fate[Fate.REGENERATED]:
        yield from ("", "## Regenerated", "")
        yield from ("Upstream's text or a title or reason is another, the plans decide the same.", "")
        yield from (f"- {each.name}{_moved(each)}" for each in by_fate[Fate.REGENERATED])
    if kept := [(each.name, what, entry.at) for each in updates for what, entry in each.by_hand]:
        yield from ("", "## Decided by hand, and found again", "")
        yield from (f"- {name}: {what}{f' ({at})' if at else ''}" for name, what, at in kept)
    if by_fate[Fate.UNCHANGED]:
        yield from ("", "## Unchanged", "", ", ".join(each.name for each in by_fate[Fate.UNCHANGED]))


def _proof(proven: Sequence[Proven]) -> Iterator[str]:
    yield from ("", "## Proof", "", as_markdown(proven, "adaptergen verify --all"))
    yield from ("", "`adaptergen check` fails if anything of this is edited or stale.")


def _told(update: Update) -> str:
    head = f"{update.fate.value}: {update.name}{_moved(update)}"
    kept = (f"by hand: {what}{f' ({entry.at})' if entry.at else ''}" for what, entry in update.by_hand)
    return "\n".join([head, *(indent(line, "  ") for line in (*map(str, update.differences), *kept))])


def _moved(update: Update) -> str:
    return f" ({update.moved} of its entries at other lines)" if update.moved else ""


def _plural(fate: Fate, count: int) -> str:
    return "need a person" if fate is Fate.NEEDS_A_PERSON and count > 1 else fate.value


def _one_line(problem: Problem) -> str:
    where = f" ({problem.at})" if problem.at else ""
    fix = f"; {problem.fix}" if problem.fix else ""
    return f"{problem.message}{where}{fix}"


def _as_json(update: Update) -> dict[str, Any]:
    return {
        "fate": update.fate.value,
        "moved": update.moved,
        "differences": [
            {
                "kind": each.kind,
                "what": each.what,
                "was_at": each.was_at or None,
                "at": each.at or None,
                "changes": {
                    name: {"was": to_builtins(was), "is": to_builtins(now)}
                    for name, (was, now) in each.changes.items()
                },
                "because": each.because or None,
            }
            for each in update.differences
        ],
        "by_hand": [{"what": what, "at": entry.at or None} for what, entry in update.by_hand],
    }
