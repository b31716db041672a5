"""How do surveys of several machines become one, the same that one machine would have made?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from adaptergen.problems import Location, Problem, ProblemsFound
from adaptergen.surveying.record import Survey, read
from adaptergen.text_files import read_text


def merged(files: Sequence[Path], transformers: str, folders: Sequence[str]) -> Survey:
    """
    The survey of which each file has a part.

    Args:
        transformers: the release that they have to be about.
        folders: all its architectures.

    Raises:
        ProblemsFound: a file is something else, or of another release; two say something else of the same
            architecture; or some architectures are in none.
    """
    parts = {path: read(read_text(path, str(path)), str(path)) for path in files}
    problems = [*_foreign(parts, transformers), *_contradictions(parts)]
    whole = Survey(transformers).with_architectures(each for part in parts.values() for each in part.architectures)
    missing = [name for name in folders if name not in {each.name for each in whole.architectures}]
    if missing and not problems:
        few = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        fix = "run the missing share, or `adaptergen survey NAME… --json FILE`, and give its file with --merge, too"
        problems.append(Problem("not-whole", f"none of the files has {few}", fix=fix))
    if problems:
        raise ProblemsFound(*problems)
    return whole


def _foreign(parts: dict[Path, Survey], transformers: str) -> list[Problem]:
    fix = f"survey transformers {transformers} there, or merge where the same release is installed"
    return [
        Problem(
            "other-release", f"is of transformers {part.transformers}, not {transformers}", Location(str(path)), fix
        )
        for path, part in parts.items()
        if part.transformers != transformers
    ]


def _contradictions(parts: dict[Path, Survey]) -> list[Problem]:
    """Shares do not overlap; what two files have must be the same, so that their order does not matter."""
    first: dict[str, Path] = {}
    problems = []
    for path, part in parts.items():
        for each in part.architectures:
            other = first.setdefault(each.name, path)
            if each not in parts[other].architectures:
                message = f"says something else of {each.name} than {other}"
                problems.append(Problem("contradiction", message, Location(str(path)), "leave one of the two out"))
    return problems
