"""How do adapters come, act and go? All of it on the base model: a model with a head hands over to it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from itertools import count

import torch
from torch import Tensor, nn

from generated.core import merging
from generated.core.composition import AdapterCompositionBlock, Fuse, Setup, parse_composition
from generated.core.configuration import AdapterConfig, LoRAConfig
from generated.core.errors import AdapterConfigError, AdapterError, AdapterExistsError, UnsupportedMethodError
from generated.core.layers.fusion import FusionModules
from generated.core.layers.invertible import InvertibleAdapters
from generated.core.layers.slot import AdapterModules, iter_containers, iter_slots, named_places
from generated.core.methods import METHODS, Target, methods_of
from generated.core.placed import placed_projections
from generated.core.sites import Projection
from generated.core.towers import refuse_blocks_of_examples, unsupported_methods, warn_of_left_out


def add_adapter(
    model: nn.Module,
    name: str,
    config: AdapterConfig,
    overwrite_ok: bool = False,
    projections: frozenset[Projection] | None = None,
    complete: Callable[[], None] | None = None,
) -> None:
    """
    Add an adapter to the base model `model`. If anything goes wrong, the model is as before.

    Args:
        projections: see `Target`.
        complete: what else has to succeed, called when the new adapter is in its places.

    Raises:
        AdapterExistsError: the name is taken, and may not be overwritten.
        UnsupportedMethodError: the architecture cannot take this method, or has no place for it.
        AdapterError: the model is being built without values, and its adapters would be, too.
    """
    if torch.empty(0).is_meta:
        raise AdapterError(
            f"adapter {name!r} would be made without values, on the device 'meta', as in `from_pretrained` before the "
            "weights come; add adapters to the model that it returns"
        )
    _check_name(name)
    if name in model.adapters_config and not overwrite_ok:
        raise AdapterExistsError(f"the model has an adapter {name!r} already; pass overwrite_ok=True to replace it")
    refuse_unsupported(model, config)
    make_room = _standing_aside if name in model.adapters_config else _removed_on_error
    with make_room(model, name):
        _place(model, name, config, projections)
        if complete is not None:
            complete()


def _roles(model: nn.Module, part: AdapterConfig) -> str:
    """Which projections are asked for, and which there are."""
    if not isinstance(part, LoRAConfig):
        return ""
    present = {role for placed in placed_projections(model) for role in placed.projection.parts}
    wanted, known = (", ".join(sorted(roles)) or "none" for roles in (part.roles, present))
    return f" (projections that it names: {wanted}; that are known: {known})"


def delete_adapter(model: nn.Module, name: str) -> None:
    """Remove an adapter, its fusions, and everything that only it needed. What is active goes on without it."""
    config = model.adapters_config
    config.require(name)
    _remove(model, name)
    del config.adapters[name]
    for fusion in [fusion for fusion, mixed in config.fusions.items() if name in mixed.adapters]:
        remove_fusion(model, fusion)
    activate(model, still_there(model, config.active_setup), config.skip_layers)


def still_there(model: nn.Module, setup: AdapterCompositionBlock | None) -> AdapterCompositionBlock | None:
    """What is left of a setup when adapters and fusions have gone: nothing, if a mixture in it has no weights."""
    config = model.adapters_config
    left = None if setup is None else setup.restricted_to(config.adapters)
    blocks = left.blocks if left is not None else ()
    mixtures = (block.name for block in blocks if isinstance(block, Fuse) and len(block) > 1)
    return left if all(name in config.fusions for name in mixtures) else None


def remove_fusion(model: nn.Module, name: str) -> None:
    """Take the weights of a fusion out of `model`, and its name."""
    for fusions in (module for _, module in named_places(model) if isinstance(module, FusionModules)):
        if name in fusions:
            del fusions[name]
    del model.adapters_config.fusions[name]


def activate(model: nn.Module, setup: Setup | None, skip_layers: Collection[int] | None = None) -> None:
    """
    Let a composition of adapters act, and nothing else.

    Raises:
        UnknownAdapterError: the model has not all of them.
        UnsupportedCompositionError: the setup cannot be run here; nothing has changed.
        TypeError: `skip_layers` is no list.
    """
    if isinstance(skip_layers, int | str):
        raise TypeError(f"skip_layers is a list of layer numbers, such as [1], not {skip_layers!r}")
    config = model.adapters_config
    block = parse_composition(setup)
    skipped = frozenset(skip_layers or ())
    if block is not None:
        config.require(*block.names)
    refuse_blocks_of_examples(model, block)
    inputs = model.forward_inputs
    before = [(slot, slot.activation) for slot in iter_slots(model)]
    try:
        for slot, _ in before:
            slot.activate(None if block is None or slot.layer in skipped else block, inputs)
    except BaseException:
        for slot, activation in before:
            slot.activation = activation
        raise
    config.active_setup, config.skip_layers = block, skipped
    inputs.prepare_for(block, any(slot.active is not None and slot.reads_inputs for slot, _ in before))


def adapter_modules(model: nn.Module, name: str) -> Iterator[tuple[str, AdapterModules]]:
    """The containers that hold something of an adapter, with their paths from `model`."""
    return ((path, container) for path, container in iter_containers(model) if name in container)


def adapter_parameters(model: nn.Module, name: str) -> Iterator[nn.Parameter]:
    for _, container in adapter_modules(model, name):
        yield from container[name].parameters()


def adapter_tensors(model: nn.Module, name: str) -> dict[str, Tensor]:
    """All tensors of an adapter by their names in the state dict of `model`. They share memory with the model."""
    tensors: dict[str, Tensor] = {}
    for path, container in adapter_modules(model, name):
        tensors |= container[name].state_dict(prefix=f"{path}.{name}.")
    return tensors


def locate_adapter(model: nn.Module, name: str) -> dict[int, dict[str, nn.Module]]:
    """The modules of an adapter as {layer: {location: module}}; -1 holds what layers share."""
    model.adapters_config.require(name)
    found: dict[int, dict[str, nn.Module]] = {}
    for _, container in adapter_modules(model, name):
        location = found.setdefault(container.place.layer, {})
        earlier = location.get(container.place.location)
        location[container.place.location] = _together(earlier, container[name])
    return dict(sorted(found.items()))


def refuse_unsupported(model: nn.Module, config: AdapterConfig) -> None:
    """
    Raises:
        UnsupportedMethodError: the plan of the architecture rules out a method that `config` asks for.
    """
    unsupported = unsupported_methods(model)
    for method in (method for part in config.parts for method in methods_of(part)):
        if method.name in unsupported:
            raise UnsupportedMethodError(
                f"{type(model).__name__} cannot take {method.name}: {unsupported[method.name]}"
            )
        warn_of_left_out(model, method.name)


def _place(model: nn.Module, name: str, config: AdapterConfig, projections: frozenset[Projection] | None) -> None:
    for part in config.parts:
        target = Target(model, name, part, projections)
        if not sum(method.add(target) for method in methods_of(part)):
            raise UnsupportedMethodError(
                f"{type(part).__name__} of adapter {name!r} has no place in {type(model).__name__}: no layer has "
                f"a site that it switches on{_roles(model, part)}, so it would never act; check its switches and "
                "leave_out"
            )
    model.adapters_config.adapters[name] = config


@contextmanager
def _removed_on_error(model: nn.Module, name: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        _remove(model, name)
        model.adapters_config.adapters.pop(name, None)
        raise


@contextmanager
def _standing_aside(model: nn.Module, name: str) -> Iterator[None]:
    """
    An adapter makes room for another of its name, and comes back if that one does not fit. What is active stays so:
    with the new adapter, or as it was.
    """
    config = model.adapters_config
    setup, skipped, former = config.active_setup, config.skip_layers, config[name]
    aside = next(other for other in map(f"{name}__{{}}".format, count()) if other not in config)
    _rename(model, name, aside)
    try:
        yield
        _refuse_other_places(model, name)
        activate(model, setup, skipped)
    except BaseException:
        _remove(model, name)
        _rename(model, aside, name)
        config.adapters[name] = former
        activate(model, setup, skipped)
        raise
    _remove(model, aside)


def _refuse_other_places(model: nn.Module, name: str) -> None:
    """
    Raises:
        AdapterError: mixtures of a new adapter are not where it meets the others.
    """
    slots = [slot for slot in iter_slots(model) if hasattr(slot, "adapter_fusion_layer")]
    for fusion, mixed in model.adapters_config.fusions.items():
        meets = (len(slot.held & set(mixed.adapters)) > 1 for slot in slots)
        is_mixed = (fusion in slot.adapter_fusion_layer for slot in slots)
        if name in mixed.adapters and list(meets) != list(is_mixed):
            raise AdapterError(
                f"the fusion {fusion!r} mixes {name!r}, and the new adapter sits in other places; delete the fusion "
                "first, or use another name"
            )


def _rename(model: nn.Module, name: str, new_name: str) -> None:
    for _, container in list(adapter_modules(model, name)):
        renamed = {new_name if key == name else key: module for key, module in container.items()}
        container.clear()
        container.update(renamed)
    for slot in iter_slots(model):
        slot.rename(name, new_name)


def _remove(model: nn.Module, name: str) -> None:
    if merging.merged_adapter(model) == name:
        merging.reset(model)
    for _, container in list(adapter_modules(model, name)):
        del container[name]
    for slot in iter_slots(model):
        slot.forget(name)
    for method in METHODS:
        method.tidy(model)


def _check_name(name: str) -> None:
    containers = (AdapterModules(), InvertibleAdapters())
    if not is_weight_name(name) or any(hasattr(container, name) for container in containers):
        raise AdapterConfigError(
            f"{name!r} cannot name an adapter: it becomes part of weight names and of paths, so it must be a text "
            "that is not empty, holds no dot, begins and ends with no slash, and is no attribute of torch modules"
        )


def is_weight_name(name: object) -> bool:
    """Can it be a part of the names of weights, and of a path? Slashes make folders."""
    return isinstance(name, str) and "." not in name and all(name.split("/"))


def _together(earlier: nn.Module | None, module: nn.Module) -> nn.Module:
    if earlier is None:
        return module
    return nn.ModuleList([*earlier, module] if type(earlier) is nn.ModuleList else [earlier, module])
