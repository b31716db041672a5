"""Adapters come, are combined, trained, saved, loaded and go, many times: what is left in the model and in memory?

One round is one cycle of each kind of composition. Whatever a round leaves behind, all later rounds would leave, too.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

import generated
from generated.composition import Average, BatchSplit, Fuse, Parallel, Route, Split, Stack
from generated.core.configuration import AdapterConfig, PromptTuningConfig, SeqBnConfig
from generated.core.lifecycle import adapter_parameters
from tests_adapters.core.zoo import METHODS, build, call, inputs_for, tree


SMALL = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}


@dataclass(frozen=True)
class Kind:
    """
    A composition of adapters.

    Args:
        methods: a method for each of its adapters.
        setup: what is made of their names.
        call: the arguments of a call that are meant for it.
    """

    methods: tuple[str, ...]
    setup: Callable[..., Any]
    call: Callable[..., Mapping[str, Any]] = field(default=lambda *names: {})


MORE_METHODS: dict[str, Callable[[], AdapterConfig]] = {
    **METHODS,
    "seq_bn": lambda: SeqBnConfig(reduction_factor=4),
    "prompt_tuning": lambda: PromptTuningConfig(prompt_length=2),
}
KINDS: dict[str, Kind] = {
    **{method: Kind((method,), Stack) for method in MORE_METHODS},
    "stack": Kind(("seq_bn_inv", "lora", "prefix_tuning", "loreft"), Stack),
    "fusion": Kind(("seq_bn", "seq_bn", "seq_bn"), Fuse),
    "fusion in a stack": Kind(("lora", "seq_bn", "seq_bn"), lambda first, *names: Stack(first, Fuse(*names))),
    "split": Kind(("seq_bn", "seq_bn"), lambda *names: Split(*names, splits=[3, 4])),
    "batch split": Kind(("lora", "unipelt"), lambda *names: BatchSplit(*names, batch_sizes=[1, 1])),
    "parallel": Kind(("seq_bn", "lora"), Parallel),
    "average": Kind(("lora", "lora"), lambda *names: Average(*names, weights=[0.25, 0.75])),
    "route": Kind(("lora", "lora"), Route, lambda *names: {"adapter_names": [names[1], names[0]]}),
}


def model_of_cycles() -> nn.Module:
    return generated.init(build("bert", **SMALL)).eval()


@dataclass(frozen=True)
class Memory:
    """
    Args:
        blocks: that Python has allocated, for objects of any kind.
        objects: that the collector of garbage knows.
        tensors: among them.
        resident: bytes of the process that are in memory, 0 where the system does not say.
    """

    blocks: int
    objects: int
    tensors: int
    resident: int


def memory() -> Memory:
    gc.collect()
    blocks = sys.getallocatedblocks()
    kinds = [type(one) for one in gc.get_objects()]
    tensors = sum(issubclass(kind, Tensor) for kind in kinds)
    statm = Path("/proc/self/statm")
    resident = int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0
    return Memory(blocks, len(kinds), tensors, resident)


def cycles(model: nn.Module, count: int, start: int = 0) -> int:
    """So many cycles, one kind after the other. Returns how many tensors they have read from files.

    Raises:
        AssertionError: something is left in the model, what was loaded is not what was saved, or a weight of the model
            itself has changed.
    """
    before, weights = tree(model), _weights(model)
    kinds, read = [*KINDS.values()], 0
    for number in range(start, start + count):
        read += cycle(model, kinds[number % len(kinds)], number)
        assert tree(model) == before, number
        assert _same(weights, _weights(model)), number
    return read


def cycle(model: nn.Module, kind: Kind, number: int) -> int:
    """One life of the adapters of a composition, whose tensors are counted. No two cycles give the same names."""
    names = [f"adapter{number:04}_{position}" for position in range(len(kind.methods))]
    setup, inputs = kind.setup(*names), {**inputs_for("bert"), **kind.call(*names)}
    fusions = [block for block in setup.blocks if isinstance(block, Fuse)]
    for name, method in zip(names, kind.methods, strict=True):
        model.add_adapter(name, config=MORE_METHODS[method]())
    for fusion in fusions:
        model.add_adapter_fusion(fusion)
    _train(model, setup, inputs)
    with tempfile.TemporaryDirectory() as folder:
        expected = call(model, inputs)
        for name in names:
            model.save_adapter(f"{folder}/{name}", name)
        for fusion in fusions:
            model.save_adapter_fusion(f"{folder}/{fusion.name}", fusion)
        _delete(model, names, fusions)
        read = sum(map(_count_tensors, Path(folder).rglob("*.safetensors")))
        for name in names:
            model.load_adapter(f"{folder}/{name}")
        for fusion in fusions:
            model.load_adapter_fusion(f"{folder}/{fusion.name}")
    model.set_active_adapters(setup)
    assert all(map(torch.equal, call(model, inputs), expected)), f"{setup} of cycle {number} is another when loaded"
    _delete(model, names, fusions)
    return read


def _count_tensors(path: Path) -> int:
    with safe_open(path, framework="pt") as file:
        return len(file.keys())


def _train(model: nn.Module, setup: Any, inputs: Mapping[str, Any]) -> None:
    """A step that moves every adapter, with dropout."""
    model.train_adapter(setup)
    model.train()
    before = [_values(model, name) for name in setup.names]
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.01)
    model(**inputs).last_hidden_state.square().mean().backward()
    optimizer.step()
    model.zero_grad()
    model.eval()
    assert all(not _same(old, _values(model, name)) for old, name in zip(before, setup.names, strict=True))


def _values(model: nn.Module, name: str) -> dict[str, Tensor]:
    return {str(number): value.detach().clone() for number, value in enumerate(adapter_parameters(model, name))}


def _delete(model: nn.Module, names: list[str], fusions: list[Fuse]) -> None:
    for fusion in fusions:
        model.delete_adapter_fusion(fusion)
    for name in names:
        model.delete_adapter(name)


def _weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    """To the last bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


OF_SAFETENSORS = 2  # blocks that its version 0.8.0 never gives back, for each tensor that is read


def growth(first: Memory, last: Memory, count: int, read: int) -> str:
    """What has grown over so many cycles, as a sentence, or ""; if each cycle left an object, it would be `count`.

    Args:
        read: how many tensors the cycles have read from files.
    """
    allowed = Memory(OF_SAFETENSORS * read + count // 2, count // 10, 0, first.resident // 20)
    grown = {
        kind: getattr(last, kind) - getattr(first, kind)
        for kind in ("blocks", "objects", "tensors", "resident")
        if getattr(last, kind) - getattr(first, kind) > getattr(allowed, kind)
    }
    return ", ".join(f"{more} more {kind}" for kind, more in grown.items()) + " are left" if grown else ""
