"""Which proofs of an earlier run still hold? Those of the same plan, by the same runtime and the same checks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from msgspec.structs import replace

from adaptergen.code_digest import OWN, digest_of
from adaptergen.settings import Settings
from adaptergen.surveying.record import Architecture, Cell
from adaptergen.workspace import Workspace, own_templates


KEY_LENGTH = 16
DECIDING = ("rendering", "verify")  # folders of the tool, beside the templates and the runtime


def key_of(plan: str, borrowed: str, folders: tuple[Path, ...]) -> str:
    """A digest of all that decides what a proof finds.

    Args:
        plan: as TOML, with the digest of upstream's file in it.
        borrowed: the code that is taken from upstream, with its edits.
        folders: of code that is the same for every architecture.
    """
    parts = [plan, borrowed, digest_of(folders)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:KEY_LENGTH]


def deciding_folders(workspace: Workspace | None, *, composed: bool) -> tuple[Path, ...]:
    """Where the code is that a proof runs: the checks, the templates and the runtime.

    Args:
        composed: other architectures are in it, whose plans may be others when the tool is.
    """
    templates = workspace.templates if workspace else own_templates()
    own = (OWN,) if composed else tuple(OWN / name for name in DECIDING)
    return (*own, templates, *_runtime(workspace))


def _runtime(workspace: Workspace | None) -> tuple[Path, ...]:
    """That of the project, or the installed one, if there is one."""
    if workspace is not None:
        return (workspace.root / workspace.settings.package_folder / "core",)
    found = find_spec(Settings().package)
    return tuple(Path(location, "core") for location in (found and found.submodule_search_locations) or ())


def with_known_proofs(fresh: Iterable[Architecture], earlier: Iterable[Architecture]) -> Iterator[Architecture]:
    """What was proven, or failed, of architectures that are as they were."""
    known = {(each.name, each.key): each for each in earlier if each.key}
    for each in fresh:
        before = known.get((each.name, each.key))
        yield each if before is None else _with_proofs(each, before)


def _with_proofs(each: Architecture, before: Architecture) -> Architecture:
    methods = {name: _kept(cell, before.methods[name]) for name, cell in each.methods.items()}
    return replace(each, methods=methods, was_run=before.was_run)


def _kept(cell: Cell, before: Cell) -> Cell:
    """What was found by running it, which can be that it is not supported after all."""
    return before if cell.supported and (before.proven is not None or not before.supported) else cell


def is_proven_throughout(each: Architecture) -> bool:
    """Was everything that it is said to support run?"""
    return all(cell.proven is not None for cell in each.methods.values() if cell.supported)
