"""What is a method, seen from the model? And where do new weights live?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

import torch
from torch import nn

from generated.core.configuration import AdapterConfig
from generated.core.errors import AdapterConfigError
from generated.core.layers.lora.projection import is_of_learning_type
from generated.core.layers.slot import AdapterHostMixin, AdapterModules, Place, named_places
from generated.core.sites import Projection
from generated.core.swap import is_swapped, restore


@dataclass(frozen=True)
class Target:
    """
    What is to be added to a model.

    Args:
        model: the base model.
        name: name of the new adapter.
        config: its configuration.
        projections: the only projections to adapt, where stored weights say so instead of the configuration.
    """

    model: nn.Module
    name: str
    config: AdapterConfig
    projections: frozenset[Projection] | None = None

    def leaves_out(self, layer: int) -> bool:
        return layer in (self.config.get("leave_out") or ())


@dataclass(frozen=True)
class AdapterMethod:
    """
    One method.

    Args:
        name: as in the `methods` tables of a plan.
        is_wanted: does a configuration ask for it?
        add: put a new adapter into the model; returns the number of places.
        tidy: take out of the model what no adapter of this method needs any more.
    """

    name: str
    is_wanted: Callable[[AdapterConfig], bool]
    add: Callable[[Target], int]
    tidy: Callable[[nn.Module], None]


def install(target: Target, container: AdapterModules, place: Place, module: nn.Module, host: nn.Module) -> None:
    """
    Put an adapter module into its container, on the device and in the type of `host`.

    Raises:
        AdapterConfigError: the adapter is there already: two parts of a union meet.
    """
    if target.name in container:
        raise AdapterConfigError(
            f"two parts of adapter {target.name!r} meet in one place: {place.location} of "
            f"{f'layer {place.layer}' if place.layer >= 0 else 'the model'}; make one part of them"
        )
    device, dtype = weight_placement(host, target.model)
    module.to(device=device, dtype=_own_dtype(target.config) or dtype)
    module.train(host.training)
    mark_initialized(module)
    container.place = place
    container[target.name] = module


def install_shared(target: Target, module: nn.Module) -> None:
    """Hang what all modules of an adapter share on the model itself."""
    if not hasattr(target.model, "shared_parameters"):
        target.model.shared_parameters = AdapterModules()
    install(target, target.model.shared_parameters, Place(-1, "parameters"), module, target.model)


def mark_initialized(module: nn.Module) -> None:
    """transformers draws the weights of all modules anew that lack this mark, whenever it initialises a model."""
    for part in (*module.modules(), *module.parameters(), *module.buffers()):
        part._is_hf_initialized = True


def weight_placement(host: nn.Module, model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """
    Device and type for new weights in `host`: those of its own weights. Offloaded weights are on "meta", so the
    device is the one they are brought to; quantised ones are integers, and may be buffers, so the type is that of
    what the model keeps as it is.
    """
    weight = next(chain(host.parameters(), host.buffers(), model.parameters()))
    dtype = weight.dtype if isinstance(weight, nn.Parameter) and is_of_learning_type(weight) else _model_dtype(model)
    if weight.device.type != "meta":
        return weight.device, dtype
    hooks = (getattr(module, "_hf_hook", None) for module in host.modules())
    devices = (getattr(hook, "execution_device", None) for hook in hooks)
    return torch.device(next((device for device in devices if device is not None), "cpu")), dtype


@contextmanager
def drawn_from(seed: int | None) -> Iterator[None]:
    """Draw random numbers from `seed` without disturbing the generators of the caller."""
    if seed is None:
        yield
        return
    # Without an accelerator, `torch.manual_seed` keeps a note of each call, with its stack, for when there is one.
    sow = torch.manual_seed if torch.accelerator.is_available() else torch.default_generator.manual_seed
    with torch.random.fork_rng():
        sow(seed)
        yield


def restore_vacant_hosts(model: nn.Module) -> None:
    """Give their own class back to all modules in whose slots no adapter is left, and drop what nobody shares."""
    if hasattr(model, "shared_parameters") and not model.shared_parameters:
        del model.shared_parameters
    for _, module in list(named_places(model)):
        if isinstance(module, AdapterHostMixin) and is_swapped(module) and not _holds_adapters(module):
            restore(module)


def _holds_adapters(host: AdapterHostMixin) -> bool:
    return any(slot.held for slot in host.adapter_slots())


def _own_dtype(config: AdapterConfig) -> torch.dtype | None:
    name = config.get("dtype")
    return getattr(torch, name) if name else None


def _model_dtype(model: nn.Module) -> torch.dtype:
    kept = next((weight.dtype for weight in model.parameters() if is_of_learning_type(weight)), None)
    return kept or getattr(model.config, "dtype", None) or torch.get_default_dtype()
