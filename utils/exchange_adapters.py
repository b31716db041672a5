"""Adapters between releases of transformers: save some under one, load them under another, compare what they do.

    python utils/exchange_adapters.py models  FOLDER NAME...               tiny base models, their inputs and outputs
    python utils/exchange_adapters.py save    FOLDER RELEASE NAME...       adapters of this release, and outputs
    python utils/exchange_adapters.py load    FOLDER RELEASE NAME...       what is to be read from that release

It runs in a project whose models were generated for the installed transformers; `version_range.py` calls it in one
environment after the other. Base models come from files of the oldest release, through transformers' own loading.
The last command prints JSON: model → method → "" or what is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from adaptergen.verify import case_of
from adaptergen.verify.adapters import NAME, AdapterForm, add_random, supported_forms
from adaptergen.verify.outputs import expect_close, expect_effect, run
from adaptergen.verify.subjects import Subject
from adaptergen.workspace import find_workspace


BASE, INPUTS, OUTPUTS = "base", "inputs.safetensors", "outputs.safetensors"


@click.group()
def main() -> None:
    """Save adapters under one release of transformers, load them under another, compare what they do."""
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("names", nargs=-1)
def models(folder: Path, names: tuple[str, ...]) -> None:
    """Write a tiny base model of each of NAMES, its inputs, and what it gives."""
    for name in names:
        subject, target = _subject(name), folder / BASE / name
        model = subject.upstream()
        inputs = subject.inputs(model, padded=True)
        model.save_pretrained(target)
        _write(inputs, target / INPUTS)
        _write(run(model, inputs), target / OUTPUTS)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("release")
@click.argument("names", nargs=-1)
def save(folder: Path, release: str, names: tuple[str, ...]) -> None:
    """Write an adapter of each method to a model of each of NAMES, and what the model gives with it."""
    for name in names:
        subject = _subject(name)
        inputs = load_file(folder / BASE / name / INPUTS)
        for form in _forms(subject):
            model, target = _base(subject, folder), folder / release / name / form.method
            add_random(model, subject.case, form)
            model.save_adapter(target, NAME)
            _write(run(model, inputs), target / OUTPUTS)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("release")
@click.argument("names", nargs=-1)
def load(folder: Path, release: str, names: tuple[str, ...]) -> None:
    """Read what that release has saved for NAMES, as far as the model takes the method here, too."""
    found = {name: {method: _said(read) for method, read in _readings(folder, release, name)} for name in names}
    click.echo(json.dumps(found))


def _readings(folder: Path, release: str, name: str) -> Iterator[tuple[str, Callable[[], None]]]:
    subject = _subject(name)
    inputs, usual = load_file(folder / BASE / name / INPUTS), load_file(folder / BASE / name / OUTPUTS)
    for form in _forms(subject):
        stored = folder / release / name / form.method
        if not stored.is_dir():
            continue

        def read(stored: Path = stored) -> None:
            model, expected = _base(subject, folder), load_file(stored / OUTPUTS)
            expect_close(run(model, inputs), usual, "without adapters")
            model.load_adapter(stored, set_active=True)
            expect_close(run(model, inputs), expected, "with the adapter")
            expect_effect(expected, usual, "with the adapter")

        yield form.method, read


def _said(read: Callable[[], None]) -> str:
    try:
        read()
    except Exception as problem:
        return f"{type(problem).__name__}: {problem}"
    return ""


def _subject(name: str) -> Subject:
    plan = find_workspace(Path()).plan(name)
    assert plan is not None
    return case_of(plan, "generated").base


def _forms(subject: Subject) -> Iterator[AdapterForm]:
    """The first form of each method that the architecture takes."""
    seen: set[str] = set()
    for form in supported_forms(subject.case):
        if form.method not in seen:
            seen.add(form.method)
            yield form


def _base(subject: Subject, folder: Path) -> nn.Module:
    """The base model from its files, prepared for adapters."""
    path = folder / BASE / subject.case.name
    model, told = subject.cls.from_pretrained(path, attn_implementation="eager", output_loading_info=True)
    assert not told["missing_keys"], told["missing_keys"]
    return subject.case.runtime.init(model.eval())


def _write(tensors: dict[str, Tensor], path: Path) -> None:
    save_file({name: tensor.clone().contiguous() for name, tensor in tensors.items()}, path)


if __name__ == "__main__":
    main()
