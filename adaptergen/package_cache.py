"""Where are packages kept that belong to no project, and is what lies there what was put there?

    <cache>/<package>/*.py, plan.toml      as `in_memory.py` makes them
    <cache>/<package>/manifest.json        the digest of each of them, and of what was read for them

A package comes into being by one renaming, so that processes that need it at the same time see all of it or nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from adaptergen.cache_folder import cache_folder, is_ours
from adaptergen.in_memory import KEY_LENGTH, GeneratedPackage


MANIFEST = "manifest.json"
FILE = re.compile(r"[a-z_][a-z0-9_]*\.(py|toml)")
PACKAGE = re.compile(rf"[a-z][a-z0-9_]*_[0-9a-f]{{{KEY_LENGTH}}}")


class CachedPackage(Struct, frozen=True):
    """A package that is as it was written.

    Attributes:
        read: see `GeneratedPackage`.
    """

    folder: Path
    read: Mapping[str, str]


def find(name: str) -> CachedPackage | None:
    """The package of this name, or None if there is none, or one that nobody but others could have made so."""
    try:
        folder = cache_folder() / name
        if not PACKAGE.fullmatch(name) or not is_ours(folder):
            return None
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files, read = dict(manifest["files"]), dict(manifest["read"])
        present = {path.name: path for path in folder.iterdir() if path.name != MANIFEST}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if present.keys() != files.keys() or not all(map(FILE.fullmatch, files)):
        return None
    is_whole = all(_is_plain(path) and _digest(path) == files[name] for name, path in present.items())
    return CachedPackage(folder, read) if is_whole else None


def store(made: GeneratedPackage) -> Path:
    """Write a package, unless another process was faster. Where nothing can be written, it lasts as long as this one.

    Returns:
        Its folder, which is called like the package.
    """
    try:
        folder = cache_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder))
    except OSError:
        return _temporary(made)
    try:
        written = _written(made, draft)
        return _published(written, folder / made.plan.name)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _temporary(made: GeneratedPackage) -> Path:
    return _written(made, Path(tempfile.mkdtemp(prefix="adaptergen-")))


def _written(made: GeneratedPackage, parent: Path) -> Path:
    folder = parent / made.plan.name
    folder.mkdir(mode=0o700)
    for name, text in made.files.items():
        (folder / name).write_bytes(text.encode())
    digests = {name: _digest(folder / name) for name in sorted(made.files)}
    manifest = {"files": digests, "read": dict(made.read)}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")
    return folder


def _published(written: Path, place: Path) -> Path:
    """The package at its place; what lay there and is not whole goes."""
    for _ in range(3):
        try:
            written.rename(place)
        except OSError:
            found = find(place.name)
            if found is not None and _manifest(found.folder) == _manifest(written):
                return place
            _discard(place, written.parent)
        else:
            return place
    return Path(shutil.copytree(written, Path(tempfile.mkdtemp(prefix="adaptergen-")) / written.name))


def _manifest(folder: Path) -> bytes:
    return (folder / MANIFEST).read_bytes()


def _discard(place: Path, draft: Path) -> None:
    """Rename first: nobody may see half of it."""
    try:
        place.rename(Path(tempfile.mkdtemp(dir=draft)) / place.name)
    except OSError:
        return


def _is_plain(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
