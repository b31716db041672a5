"""Kill a process before each change that saving makes to the disk, and load what is there: the old, the new, or none.

What is saved takes the place of something else, or comes into an empty folder. Saving runs in forks of this process,
which must have one thread.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

import generated
from generated.composition import Fuse, Stack
from generated.core.configuration import LoRAConfig, SeqBnConfig
from generated.core.errors import AdapterError
from generated.core.loading import embeddings, folder
from generated.core.training import checkpoint
from tests_adapters import disk_steps
from tests_adapters.core.zoo import CONFIGS


@dataclass(frozen=True)
class Saved:
    """
    Args:
        old, new: write to a folder what is there before, and what takes its place.
        receiver: makes the model that it is loaded into.
        load: loads it.
    """

    kind: str
    old: Callable[[Path], object]
    new: Callable[[Path], object]
    receiver: Callable[[], nn.Module]
    load: Callable[[nn.Module, Path], object]


@dataclass(frozen=True)
class Outcome:
    """
    Args:
        moment: of which the process was killed.
        left: what was loaded: "old", "new" or "refused".
        defect: what must not be, or "".
    """

    kind: str
    moment: str
    left: str
    defect: str = ""


FUSED = Fuse("p", "q")


def all_saved() -> Iterator[Saved]:
    first, second = partial(model_of, 0.1, 2), partial(model_of, 0.2, 4)
    same = partial(model_of, 0.2, 2)
    pickled = {"use_safetensors": False}
    yield Saved("adapter", _adapter(first), _adapter(second), empty, _load_adapter)
    yield Saved("same configuration", _adapter(first), _adapter(same), empty, _load_adapter)
    yield Saved("no pickle any more", _adapter(first, **pickled), _adapter(second), empty, _load_adapter)
    yield Saved("a pickle now", _adapter(first), _adapter(same, **pickled), empty, _load_adapter)
    yield Saved("PEFT", _adapter(first, format="peft"), _adapter(second, format="peft"), empty, _load_adapter)
    yield Saved("all adapters", _all_adapters(first), _all_adapters(second), empty, _load_all)
    yield Saved("mixture", _mixture(first), _mixture(second), _with_parts, _load_mixture)
    yield Saved("setup", _setup(first), _setup(second), empty, _load_setup)
    yield Saved("embeddings", _embeddings(first), _embeddings(second), empty, _load_embeddings)
    yield Saved("checkpoint", _checkpoint(first), _checkpoint(same), partial(trained, 0.3), _load_checkpoint)


def careless() -> Saved:
    """One file after the other, in place: what must be noticed."""

    def save(at: Path) -> None:
        with tempfile.TemporaryDirectory() as name:
            model_of(0.2, 4).save_adapter(name, "x")
            at.mkdir(exist_ok=True)
            for path in sorted(Path(name).iterdir()):
                (at / path.name).write_bytes(path.read_bytes())

    return Saved("careless", _adapter(partial(model_of, 0.1, 2)), save, empty, _load_adapter)


def empty() -> nn.Module:
    torch.manual_seed(0)
    return generated.BertAdapterModel(CONFIGS["bert"]()).eval()


def model_of(value: float, alpha: int) -> nn.Module:
    """A model whose adapters, mixture, head and embeddings hold this number."""
    model = empty()
    model.add_adapter("x", config=LoRAConfig(r=2, alpha=alpha))
    for name in ("p", "q"):
        model.add_adapter(name, config=SeqBnConfig(reduction_factor=8))
    model.add_adapter_fusion(FUSED)
    model.add_classification_head("x", num_labels=3)
    base = {name for name, _ in empty().named_parameters()} - {"bert.embeddings.word_embeddings.weight"}
    with torch.no_grad():
        for parameter in (held for name, held in model.named_parameters() if name not in base):
            parameter.fill_(value)
    return model


def trained(value: float, alpha: int = 2) -> nn.Module:
    """One of which weights are trained that no folder of an adapter holds."""
    model = model_of(value, alpha)
    model.train_adapter("x")
    with torch.no_grad():
        model.bert.pooler.dense.weight.requires_grad_(True).fill_(value)
    return model


def _with_parts() -> nn.Module:
    model = empty()
    for name in ("p", "q"):
        model.add_adapter(name, config=SeqBnConfig(reduction_factor=8))
    return model


def _adapter(make: Callable[[], nn.Module], **options: Any) -> Callable[[Path], object]:
    return lambda at: make().save_adapter(at, "x", **options)


def _all_adapters(make: Callable[[], nn.Module]) -> Callable[[Path], object]:
    return lambda at: make().save_all_adapters(at)


def _mixture(make: Callable[[], nn.Module]) -> Callable[[Path], object]:
    return lambda at: make().save_adapter_fusion(at, FUSED, with_head="x")


def _setup(make: Callable[[], nn.Module]) -> Callable[[Path], object]:
    return lambda at: make().save_adapter_setup(at, Stack("x", "p"), head_setup="x")


def _embeddings(make: Callable[[], nn.Module]) -> Callable[[Path], object]:
    return lambda at: make().save_embeddings(at, "default")


def _checkpoint(make: Callable[[], nn.Module]) -> Callable[[Path], object]:
    value, alpha = make.args  # type: ignore[attr-defined]
    return lambda at: checkpoint.save_checkpoint(trained(value, alpha), at)


def _load_adapter(model: nn.Module, at: Path) -> object:
    return model.load_adapter(at, allow_pickle=True)


def _load_all(model: nn.Module, at: Path) -> object:
    loaded = model.load_all_adapters(at)
    if not loaded:
        raise AdapterError(f"there is nothing in {at}")
    return loaded


def _load_mixture(model: nn.Module, at: Path) -> object:
    return model.load_adapter_fusion(at)


def _load_setup(model: nn.Module, at: Path) -> object:
    return model.load_adapter_setup(at)


def _load_embeddings(model: nn.Module, at: Path) -> object:
    return model.load_embeddings(at, "other")


def _load_checkpoint(model: nn.Module, at: Path) -> object:
    return checkpoint.load_checkpoint(model, at)


def outcomes(saved: Saved, *, every: int = 1, times: int = 0) -> Iterator[Outcome]:
    """
    Of kills before steps, over what was there and in an empty folder, and at times.

    Args:
        every: before each of so many steps; what is ended after the last step is all there.
        times: how many, spread evenly over what saving takes.
    """
    with tempfile.TemporaryDirectory() as name:
        root = Path(name).resolve()
        saved.old(root / "old")
        started = time.monotonic()
        saved.new(root / "new")
        seconds = time.monotonic() - started
        known = {state: digest(saved, root / state) for state in ("old", "new")}
        assert known["old"] != known["new"], f"{saved.kind}: old and new are alike"
        for before in ("old", "nothing"):
            steps = _steps(saved, root, before)
            for step in range(steps + 1, 0, -every):
                moment = f"step {step} of {steps}, over {before}"
                yield _killed(saved, root, before, known, moment, partial(_dying, step))
        for number in range(times):
            wait = seconds * (number + 0.5) / times
            yield _killed(saved, root, "old", known, f"{wait:.3f} seconds, over old", lambda _: None, wait)


def digest(saved: Saved, at: Path) -> str:
    """What a model is after it has loaded a folder."""
    model = saved.receiver()
    torch.manual_seed(0)
    saved.load(model, at)
    told = hashlib.sha256(json.dumps(model.adapters_config.to_dict(), sort_keys=True, default=str).encode())
    for name, tensor in sorted(model.state_dict().items()):
        told.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return told.hexdigest()


def _killed(
    saved: Saved,
    root: Path,
    before: str,
    known: dict[str, str],
    moment: str,
    prepare: Callable[[Path], object],
    wait: float | None = None,
) -> Outcome:
    at = _placed(root, before)
    process = _forked(saved, at, prepare)
    if wait is None:
        os.waitpid(process, 0)
    else:
        disk_steps.killed_after(process, wait)
    left, defect = _left(saved, at, known)
    if not defect:
        saved.new(at)
        again, defect = _left(saved, at, known)
        defect = defect or ("" if again == "new" else f"saving again gives {again}")
    return Outcome(saved.kind, moment, left, defect)


def _left(saved: Saved, at: Path, known: dict[str, str]) -> tuple[str, str]:
    """What is loaded, and what is wrong with it."""
    try:
        found = digest(saved, at)
    except AdapterError as error:
        told = "\n".join((str(error), *getattr(error, "__notes__", ())))
        return "refused", "" if str(at) in told else f"the message names no file: {told}"
    except Exception as error:
        return "", f"{type(error).__name__}: {error}"
    left = next((state for state, told in known.items() if told == found), "")
    return left, "" if left else "it is neither the old one nor the new one"


def _placed(root: Path, before: str) -> Path:
    at = root / "trial"
    shutil.rmtree(at, ignore_errors=True)
    if before == "old":
        shutil.copytree(root / before, at)
    return at


def _steps(saved: Saved, root: Path, before: str) -> int:
    at, counter = _placed(root, before), root / "steps"

    os.waitpid(_forked(saved, at, lambda folder: disk_steps.count(folder, disk_steps.noted_in(counter))), 0)
    return int(counter.read_text())


def _dying(step: int, at: Path) -> None:
    disk_steps.count(at, disk_steps.dies_at(step))


def _forked(saved: Saved, at: Path, prepare: Callable[[Path], object]) -> int:
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        write_in_halves()
        prepare(at)
        saved.new(at)
        code = 0
    finally:
        os._exit(code)


def write_in_halves() -> None:
    """From now on, all files of weights: those who write them tell of no step."""
    for module in (folder, embeddings, checkpoint):
        module.save_file = partial(_in_halves, module.save_file)
    torch.save = partial(_in_halves, torch.save)


def _in_halves(write: Callable[..., object], tensors: object, path: str | Path, **options: Any) -> None:
    """A file of weights, with a step before it and one in the middle of it."""
    with tempfile.NamedTemporaryFile() as whole:
        write(tensors, whole.name, **options)
        data = Path(whole.name).read_bytes()
    with Path(path).open("wb") as file:
        file.write(data[: len(data) // 2])
        file.flush()
        os.utime(path)
        file.write(data[len(data) // 2 :])
