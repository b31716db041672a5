"""Which recordings are there, and how does a test run over them?

Two architectures come with this repository; all others are looked for in the folder that $ADAPTERGEN_PARITY names.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

from tests_adapters.parity.recording import Case, Recording


ARCHITECTURES = (
    "bart",
    "bert",
    "deberta_v2",
    "distilbert",
    "gemma2",
    "gpt2",
    "llama",
    "modernbert",
    "roberta",
    "t5",
    "vit",
    "whisper",
)

FOLDERS = (
    Path(os.environ.get("ADAPTERGEN_PARITY", Path(__file__).parents[3] / "shared" / "parity")),
    Path(__file__).parent / "recordings",
)


@cache
def find_recording(architecture: str) -> Recording | None:
    folders = (folder / architecture for folder in FOLDERS)
    return next((Recording(architecture, folder) for folder in folders if (folder / "cases.json").is_file()), None)


def each_case(*kinds: str, where: Callable[[Case], bool] = lambda case: True) -> pytest.MarkDecorator:
    """Parametrise a test by `case`, over all cases of these kinds whose methods this package has."""
    return pytest.mark.parametrize("case", [param for param, _ in _collect(kinds, where)])


def each_case_and_attention(*kinds: str) -> pytest.MarkDecorator:
    """Parametrise a test by `case` and `attention`: cases with prefixes run on every attention kernel."""
    params = []
    for param, case in _collect(kinds, lambda case: True):
        for attention in case.attentions if case else (None,):
            name = f"{param.id}-{attention}" if case and len(case.attentions) > 1 else param.id
            params.append(pytest.param(case, attention, marks=param.marks, id=name))
    return pytest.mark.parametrize(("case", "attention"), params)


def _collect(kinds: tuple[str, ...], where: Callable[[Case], bool]) -> Iterator[tuple[ParameterSet, Case | None]]:
    for architecture in ARCHITECTURES:
        recording = find_recording(architecture)
        if recording is None:
            yield _skipped(architecture), None
            continue
        for case in recording.cases():
            if case.kind in kinds and case.is_compared and where(case):
                yield pytest.param(case, id=case.id), case


def _skipped(architecture: str) -> ParameterSet:
    reason = f"no recording of {architecture}: set ADAPTERGEN_PARITY to the folder that holds it"
    return pytest.param(None, marks=pytest.mark.skip(reason=reason), id=f"{architecture}-not-recorded")
