"""What does a shell offer when somebody presses Tab behind a command? Mistakes are for the command itself to tell."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from adaptergen.problems import ProblemsFound


def architectures(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Those of the installed transformers, and models of the project that come from elsewhere."""
    return _beginning_with(incomplete, {*_available(), *_models(context)})


def models_of_project(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return _beginning_with(incomplete, _models(context))


def _beginning_with(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))


def _available() -> tuple[str, ...]:
    from adaptergen.upstream import installed_transformers

    try:
        return installed_transformers().folders
    except ProblemsFound:
        return ()


def _models(context: click.Context) -> tuple[str, ...]:
    """Of the project that -C names, or that of the current folder."""
    from adaptergen.workspace import find_workspace

    try:
        return find_workspace(context.find_root().params.get("folder") or Path()).names()
    except ProblemsFound:
        return ()
