"""How do the weights of a model take up an adapter, and give it back?

While an adapter is merged, the model computes with plain matrices what it computed with the adapter. The weights from
before are kept beside them, so that `reset` restores every bit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from torch import nn

from generated.core.configuration import LoRAConfig
from generated.core.errors import AdapterError, UnsupportedMethodError
from generated.core.layers.lora import LoRALinearMixin, stores_matrix
from generated.core.layers.slot import iter_slots, paths_of


def merge(model: nn.Module, name: str) -> None:
    """
    Let the weights of a base model take up an adapter of the LoRA family. Does nothing if they have.

    Raises:
        UnknownAdapterError: there is no adapter of this name.
        UnsupportedMethodError: it is of another method, has gates, or weights that it adapts are no plain matrices.
        AdapterError: another adapter is merged, or acts together with this one. The model is as before.
    """
    config = model.adapters_config
    config.require(name)
    merged = merged_adapter(model)
    if merged == name:
        return
    if merged is not None:
        raise AdapterError(f"the adapter {merged!r} is merged already; call `reset_adapter()` before merging {name!r}")
    active = config.active_setup
    if active is not None and name in active.names and active.leaves != (name,):
        raise AdapterError(f"{name!r} acts in {active!r}; activate it alone, or nothing, before it is merged")
    linears = [linear for linear in _linears(model) if name in linear.loras]
    _refuse_unmergeable(model, name, linears)
    try:
        for linear in linears:
            linear.merge(name)
    except BaseException:
        reset(model)
        raise


def reset(model: nn.Module) -> None:
    """
    Give the weights their values from before an adapter was merged into them.

    Raises:
        AdapterError: the weights were offloaded since, and can no longer be changed.
    """
    linears = [linear for linear in _linears(model) if linear.merged is not None]
    if any(linear.weight.is_meta for linear in linears):
        raise AdapterError(
            f"{linears[0].merged.name!r} was merged before the weights were offloaded, and cannot be taken out of "
            "them; call `accelerate.hooks.remove_hook_from_submodules(model)` first"
        )
    for linear in linears:
        linear.unmerge()


def merged_adapter(model: nn.Module) -> str | None:
    """Name of the adapter that the weights of a base model have taken up."""
    return next((linear.merged.name for linear in _linears(model) if linear.merged is not None), None)


def _refuse_unmergeable(model: nn.Module, name: str, linears: list[LoRALinearMixin]) -> None:
    config = model.adapters_config[name]
    foreign = [type(part).__name__ for part in config.parts if not isinstance(part, LoRAConfig)]
    if foreign:
        raise UnsupportedMethodError(
            f"{name!r} cannot be merged: {', '.join(foreign)} adds modules, and not to weights; only LoRA, (IA)³ and "
            "their relatives can be merged"
        )
    if any(part.use_gating for part in config.parts):
        raise UnsupportedMethodError(f"{name!r} cannot be merged: its gates depend on the input")
    paths = paths_of(model)
    stored_otherwise = [paths[linear] for linear in linears if not stores_matrix(linear)]
    if stored_otherwise:
        raise UnsupportedMethodError(
            f"{name!r} cannot be merged: {stored_otherwise[0]} is quantised, sharded or offloaded; load the model "
            "without that, or keep the adapter active"
        )
    users = Counter(id(weight) for module in model.modules() for weight in module._parameters.values())
    tied = [paths[linear] for linear in linears if users[id(linear.weight)] > 1]
    if tied:
        raise UnsupportedMethodError(
            f"{name!r} cannot be merged: another module uses the weight of {tied[0]}, too, and would change with it"
        )


def _linears(model: nn.Module) -> Iterator[LoRALinearMixin]:
    return (slot for slot in iter_slots(model) if isinstance(slot, LoRALinearMixin))
