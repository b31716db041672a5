"""Which adapters hold the same A and B? For LoRA of several tasks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from torch import Tensor, nn

from generated.core import lifecycle
from generated.core.errors import AdapterConfigError, AdapterExistsError, UnknownAdapterError
from generated.core.layers.lora import LowRank, MultiTaskLowRank
from generated.core.layers.sharding import is_sharded


SHARED = ("lora_A", "lora_B")


def share(model: nn.Module, names: Sequence[str], group: str, reference: str) -> None:
    """
    Let adapters of the base model `model` use the A and B of one of them, and be trained together.

    Raises:
        UnknownAdapterError: one of them is missing.
        AdapterExistsError: there is a group of this name.
        AdapterConfigError: they are not LoRA or MTL-LoRA of the same configuration, or `reference` is none of them;
            the model is offloaded or sharded.
    """
    config = model.adapters_config
    config.require(*names)
    if group in config.shared_parameters:
        raise AdapterExistsError(f"there is a group {group!r} already; call `unshare_parameters` first")
    if reference not in names or len(set(names)) < 2:
        raise AdapterConfigError(f"at least two adapters share parameters, and {reference!r} must be one of them")
    if any(config[name] != config[reference] for name in names):
        raise AdapterConfigError(f"{', '.join(names)} have different configurations and cannot share parameters")
    modules = {name: _modules(model, name) for name in names}
    if any(own.keys() != modules[reference].keys() for own in modules.values()):
        raise AdapterConfigError(f"{', '.join(names)} sit in different places and cannot share parameters")
    _refuse_sharded(model)
    _refuse_offloaded(modules)
    for path, source in modules[reference].items():
        for own in modules.values():
            for key in SHARED:
                setattr(own[path], key, getattr(source, key))
    config.shared_parameters[group] = tuple(names)


def unshare(model: nn.Module, group: str) -> None:
    """
    Give each adapter of a group its own copy of what they shared.

    Raises:
        UnknownAdapterError: there is no such group.
        AdapterConfigError: the model is sharded.
    """
    config = model.adapters_config
    if group not in config.shared_parameters:
        known = ", ".join(config.shared_parameters) or "none"
        raise UnknownAdapterError(f"no adapters share parameters as {group!r}; groups: {known}")
    _refuse_sharded(model)
    for name in config.shared_parameters.pop(group):
        for module in _modules(model, name).values() if name in config else ():
            for key in SHARED:
                setattr(module, key, _copy(getattr(module, key)))


def with_copies(state: Mapping[str, Tensor], keys: Collection[str]) -> dict[str, Tensor]:
    """A state dict in which adapters that share tensors have one each under these keys, as files need it."""
    seen: set[int] = set()
    separate = dict(state)
    for key in (key for key in state if key in keys):
        address = state[key].data_ptr()
        if address in seen:
            separate[key] = state[key].clone()
        seen.add(address)
    return separate


def _refuse_sharded(model: nn.Module) -> None:
    """FSDP would bring each adapter what was its own."""
    if is_sharded(model):
        raise AdapterConfigError(
            "the model is sharded by FSDP, so which parameters are shared can no longer change; do this before "
            "`fully_shard`"
        )


def _refuse_offloaded(modules: Mapping[str, Mapping[str, nn.Module]]) -> None:
    """Hooks of accelerate would bring each adapter what was its own."""
    for name, own in modules.items():
        if any(parameter.is_meta for module in own.values() for parameter in module.parameters()):
            raise AdapterConfigError(
                f"{name!r} is offloaded and cannot share parameters; call `share_parameters` before the model is "
                "spread over devices"
            )


def _copy(parameter: nn.Parameter) -> nn.Parameter:
    own = nn.Parameter(parameter.detach().clone(), requires_grad=parameter.requires_grad)
    own._is_hf_initialized = True
    return own


def _modules(model: nn.Module, name: str) -> dict[str, nn.Module]:
    modules = {path: container[name] for path, container in lifecycle.adapter_modules(model, name)}
    if not all(isinstance(module, LowRank | MultiTaskLowRank) for module in modules.values()):
        raise AdapterConfigError(f"{name!r} has no A and B to share; only LoRA and MTL-LoRA do")
    return modules
