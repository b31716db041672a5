"""What Jinja makes of a template, kept for the next command: to compile one takes longer than to render it."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import jinja2
from jinja2.bccache import Bucket

from adaptergen.cache_folder import cache_folder, is_ours


SETTINGS = Path(__file__).with_name("environment.py")  # which code is made of a text depends on them


class CompiledTemplates(jinja2.FileSystemBytecodeCache):
    """A file for each of them, which says of which text it was made. It is code, as `__pycache__` is."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder), "%s")
        self._made_by = jinja2.__version__.encode() + SETTINGS.read_bytes()

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        return hashlib.sha256(self._made_by + f"{name}|{filename}".encode()).hexdigest()

    def load_bytecode(self, bucket: Bucket) -> None:
        try:
            super().load_bytecode(bucket)
        except Exception:  # damaged: it is made anew
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError):
            super().dump_bytecode(bucket)


def compiled_templates() -> CompiledTemplates | None:
    """Those of this user, unless their folder cannot be made, or others can write to it."""
    folder = cache_folder() / "templates"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    return CompiledTemplates(folder) if is_ours(folder) else None
