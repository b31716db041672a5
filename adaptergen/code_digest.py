"""Of which code was a result made? A digest of all that is in some folders; OWN is the folder of the tool itself."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path


OWN = Path(__file__).parent


@cache
def digest_of(folders: tuple[Path, ...]) -> str:
    """Of all code and templates in these folders."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(path for path in folder.rglob("*") if path.suffix in (".py", ".jinja")):
            digest.update(f"{path.relative_to(folder).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()
