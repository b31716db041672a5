"""Where are transformers' own tests? Its wheel has none; its source distribution has those that all models share.

`python -m tests_adapters.core.upstream.archive` fetches the distribution of the installed version with pip, once, and
keeps its folder `tests` in the user's cache. `TRANSFORMERS_TESTS` names a checkout to use instead, which has tests of
generation and of each model, too. Tests themselves never fetch anything.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from adaptergen.cache_folder import platform_cache_folder


VARIABLE = "TRANSFORMERS_TESTS"
FOLDER = "tests"
COMMON = "test_modeling_common.py"
PIP = ("-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--retries", "1", "--timeout", "30")


class NotAtHand(Exception):
    """There are no tests of transformers; the message says what was wanted, where, and how to get it."""


def wanted() -> str:
    """The distribution, as pip calls it."""
    return f"transformers=={version('transformers')}"


def located() -> Path:
    """
    The folder with transformers' tests.

    Raises:
        NotAtHand: no checkout is named, and nothing was fetched; or the one that is named has no tests.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return _of_checkout(Path(named).expanduser())
    folder = _kept()
    if not _is_whole(folder):
        raise NotAtHand(
            f"the tests of {wanted()} are not in {folder}; fetch them with `python -m {__spec__.name}`, or name a "
            f"checkout of transformers in {VARIABLE}"
        )
    return folder


def fetch() -> Path:
    """
    The same folder, fetched if need be.

    Raises:
        NotAtHand: pip cannot get the distribution, or it has no tests.
    """
    folder = _kept()
    if os.environ.get(VARIABLE) or _is_whole(folder):
        return located()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        tests = _unpacked(_downloaded(Path(made)))
        shutil.rmtree(folder, ignore_errors=True)
        try:
            tests.rename(folder)
        except OSError:  # another process was faster
            if not _is_whole(folder):
                raise
    return folder


def _of_checkout(root: Path) -> Path:
    for folder in (root / FOLDER, root):
        if _is_whole(folder):
            return folder
    raise NotAtHand(f"{VARIABLE} names {root}, which has no {FOLDER}/{COMMON}; name a checkout of transformers")


def _kept() -> Path:
    return platform_cache_folder() / "adaptergen" / "upstream-tests" / wanted().replace("==", "-")


def _is_whole(folder: Path) -> bool:
    return (folder / COMMON).is_file()


def _downloaded(folder: Path) -> Path:
    command = [sys.executable, *PIP, "--no-deps", "--no-binary", "transformers", "--dest", str(folder), wanted()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    archive = next(folder.glob("transformers-*.tar.gz"), None)
    if archive is None:
        told = (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
        raise NotAtHand(f"pip cannot download the source of {wanted()}: {told or 'it gave no archive'}")
    return archive


def _unpacked(archive: Path) -> Path:
    """The folder with the tests of an archive, unpacked beside it; nothing else of it is."""
    with tarfile.open(archive) as source:
        source.extractall(archive.parent, members=_tests_of(source), filter="data")
    folder = archive.parent / archive.name.removesuffix(".tar.gz") / FOLDER
    if not _is_whole(folder):
        raise NotAtHand(f"the source of {wanted()} has no {FOLDER}/{COMMON}; name a checkout in {VARIABLE}")
    return folder


def _tests_of(source: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    return (member for member in source if PurePosixPath(member.name).parts[1:2] == (FOLDER,))


def main() -> None:
    """Fetch, or say in one line why not: what needs the tests is skipped then, and counted."""
    try:
        fetch()
    except NotAtHand as problem:
        print(f"transformers' own tests will be skipped: {problem}", file=sys.stderr)


if __name__ == "__main__":
    main()
