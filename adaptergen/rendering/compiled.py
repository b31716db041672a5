"""What Jinja makes of a template, kept for the next command: to compile one takes longer than to render it."""

from __future__ import annotations

from pathlib import Path

import jinja2
from jinja2.bccache import Bucket

from adaptergen.cache_folder import digest, kept


SETTINGS = Path(__file__).with_name("environment.py")  # which code is made of a text depends on them


class CompiledTemplates(jinja2.BytecodeCache):
    """A piece for each of them, which says of which text it was made. It is code, as `__pycache__` is."""

    def __init__(self) -> None:
        self._kept = kept("templates")
        self._made_by = jinja2.__version__.encode(), SETTINGS.read_bytes()

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        return digest(*self._made_by, f"{name}|{filename}".encode())

    def load_bytecode(self, bucket: Bucket) -> None:
        piece = self._kept.read(bucket.key)
        try:
            if piece is not None:
                bucket.bytecode_from_string(piece)
        except Exception:  # damaged: it is made anew
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept.write(bucket.key, bucket.bytecode_to_string())
