"""How is an archive that somebody else made unpacked without harm?

Only plain files are taken, only below the folder that they are unpacked to, and only so many and so much.
"""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from generated.core.errors import AdapterFileError


MOST_FILES = 1000
MOST_BYTES = 4 * 2**30
CHUNK = 2**20

_FILE_KIND, _PLAIN_FILE = 0o170000, 0o100000


class Member(NamedTuple):
    """A file in an archive: its name there, and how to read it; `None` for what is no plain file."""

    name: str
    content: IO[bytes] | None


def is_archive(path: Path) -> bool:
    return path.is_file() and (zipfile.is_zipfile(path) or tarfile.is_tarfile(path))


def unpack(archive: Path, target: Path) -> None:
    """
    Unpack a zip or tar file.

    Raises:
        AdapterFileError: it is damaged, too large, or holds links or names that lead elsewhere.
    """
    left = MOST_BYTES
    try:
        with _opened(archive) as members:
            for number, member in enumerate(members):
                if number >= MOST_FILES:
                    raise AdapterFileError(f"{archive} holds more than {MOST_FILES} files, so it is no adapter")
                left -= _write(member, target / _safe(member, archive), left, archive)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise AdapterFileError(f"{archive} cannot be unpacked: {error}") from error


@contextmanager
def _opened(archive: Path) -> Iterator[Iterator[Member]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            yield (Member(entry.filename, _zip_content(opened, entry)) for entry in _files_of_zip(opened))
    else:
        with tarfile.open(archive) as opened:
            entries = (entry for entry in opened if not entry.isdir())
            yield (Member(entry.name, opened.extractfile(entry) if entry.isreg() else None) for entry in entries)


def _files_of_zip(opened: zipfile.ZipFile) -> Iterator[zipfile.ZipInfo]:
    return (entry for entry in opened.infolist() if not entry.is_dir())


def _zip_content(opened: zipfile.ZipFile, entry: zipfile.ZipInfo) -> IO[bytes] | None:
    """Archives from systems with links say of each entry what it is; others say nothing."""
    kind = (entry.external_attr >> 16) & _FILE_KIND
    return opened.open(entry) if kind in (0, _PLAIN_FILE) else None


def _safe(member: Member, archive: Path) -> PurePosixPath:
    name = PurePosixPath(member.name)
    wrong = name.is_absolute() or ".." in name.parts or "\\" in member.name or ":" in member.name
    if wrong or member.content is None:
        what = "leads out of its folder" if wrong else "is no plain file"
        raise AdapterFileError(f"{archive} holds {member.name!r}, which {what}; nothing is read from it")
    return name


def _write(member: Member, path: Path, most: int, archive: Path) -> int:
    """Copy a member; the number of bytes. What its header says of its size is not relied upon."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with member.content as content, path.open("xb") as file:
        while chunk := content.read(CHUNK):
            written += len(chunk)
            if written > most:
                raise AdapterFileError(f"{archive} holds more than {MOST_BYTES} bytes, which is too much")
            file.write(chunk)
    return written
