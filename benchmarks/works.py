"""What is timed? A work is described by plain words, so that it can be done in another process as well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from tempfile import mkdtemp
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.libraries import LIBRARIES
from benchmarks.models import SIZES, batch_for, build, device
from benchmarks.timing import Timed, once, timed
from examples.common.memory import peak


NEW_TOKENS = 16


@dataclass(frozen=True)
class Work:
    """
    Args:
        library: who does it, one of LIBRARIES.
        what: one of WORKS.
        model, size: on which model.
        method: of its adapters; "" for a model that is only prepared for them.
        adapters: how many there are in the model.
        used: over how many of them the rows of a batch are spread.
        rows: of a batch; 0 for those of the size.
    """

    library: str
    what: str
    model: str
    size: str
    method: str = ""
    adapters: int = 1
    used: int = 1
    rows: int = 0

    def by(self, library: str, **changes: Any) -> Work:
        return replace(self, library=library, **changes)


def started(work: Work) -> Timed:
    """Build what it needs, once; the result does the work and says what it took (seconds, or bytes of memory)."""
    return WORKS[work.what](work)


def adapted(work: Work) -> nn.Module:
    library, model = LIBRARIES[work.library](), build(work.model, work.size)
    if not work.method:
        return library.prepared(model)
    return library.added(model, work.method, names_of(work))


def names_of(work: Work) -> list[str]:
    return [f"task{number:03}" for number in range(work.adapters)]


def _forward(work: Work) -> Timed:
    model, batch = adapted(work), batch_for(work.model, work.size)
    return timed(torch.no_grad()(lambda: model(**batch)))


def _batch(work: Work) -> Timed:
    """A forward of a batch whose rows have adapters of their own, or one for all of them."""
    model, batch = _mixed(work)
    return timed(torch.no_grad()(lambda: model(**batch)))


def _batch_generation(work: Work) -> Timed:
    model, batch = _mixed(work)
    return timed(lambda: _generated(model, batch))


def _mixed(work: Work) -> tuple[nn.Module, dict[str, Any]]:
    """A model and a batch, which says of each row what its adapter is, if they are several."""
    model, batch = adapted(work), _rows(work)
    if work.used == 1:
        return model, batch
    chosen = sorted(names_of(work)[row % work.used] for row in range(len(batch["input_ids"])))
    return model, {**batch, **LIBRARIES[work.library]().mixed(model, chosen)}


def _rows(work: Work) -> dict[str, Tensor]:
    batch = batch_for(work.model, work.size)
    rows = work.rows or SIZES[work.size].batch
    return {name: tensor.repeat(-(-rows // len(tensor)), 1)[:rows] for name, tensor in batch.items()}


def _compiled(work: Work) -> Timed:
    model, batch = adapted(work), batch_for(work.model, work.size)
    torch.compiler.reset()
    compiled = torch.compile(model, fullgraph=True)
    return timed(torch.no_grad()(lambda: compiled(**batch)))


def _compiled_batch(work: Work) -> Timed:
    """The routing is another in each call. One that takes another graph than the first is an error."""
    model, batch = adapted(work), _rows(work)
    LIBRARIES[work.library]().mixed(model, names_of(work))
    torch.compiler.reset()
    compiled, number = torch.compile(model, fullgraph=True), count()

    @torch.no_grad()
    def call() -> None:
        ids = (torch.arange(len(batch["input_ids"]), device=device()) + next(number)) % work.used
        compiled(**batch, adapter_ids=ids)

    call()
    with torch._dynamo.config.patch(error_on_recompile=True):
        return timed(call)


def _generation(work: Work) -> Timed:
    model, batch = adapted(work), batch_for(work.model, work.size)
    return timed(lambda: _generated(model, batch))


def _generated(model: nn.Module, batch: dict[str, Any]) -> Any:
    return model.generate(**batch, max_new_tokens=NEW_TOKENS, min_new_tokens=NEW_TOKENS, do_sample=False)


def _training(work: Work) -> Timed:
    return timed(_step(work)[1])


def _memory(work: Work) -> Timed:
    model, step = _step(work)

    def twice() -> None:
        step()
        step()

    return lambda: float(peak(model, twice))


def _step(work: Work) -> tuple[nn.Module, Callable[[], None]]:
    model, batch = adapted(work), batch_for(work.model, work.size, labels=True)
    LIBRARIES[work.library]().trained(model, names_of(work)[0])
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        model(**batch).loss.backward()
        optimizer.step()

    return model, step


def _switching(work: Work) -> Timed:
    """From one adapter to the next, through all of them."""
    model, names, library = adapted(work), names_of(work), LIBRARIES[work.library]()

    def switch() -> None:
        for name in names:
            library.switched(model, name)

    return timed(switch)


def _loading(work: Work) -> Timed:
    """All of them, from files, into a new model."""
    library, names, folder = LIBRARIES[work.library](), names_of(work), mkdtemp(prefix="benchmark-")
    library.saved(adapted(work), folder, names)

    def load() -> float:
        model = build(work.model, work.size)
        return once(lambda: library.loaded(model, folder, names))

    load()
    return load


WORKS: dict[str, Callable[[Work], Timed]] = {
    "forward": _forward,
    "training": _training,
    "memory": _memory,
    "batch": _batch,
    "batch generation": _batch_generation,
    "compiled": _compiled,
    "compiled batch": _compiled_batch,
    "generation": _generation,
    "switching": _switching,
    "loading": _loading,
}
