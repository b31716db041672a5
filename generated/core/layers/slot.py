"""What do all places for adapters share? They hold adapters by name, and know which of them act now."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from generated.core.composition import AdapterCompositionBlock


@dataclass(frozen=True)
class Place:
    """Where a slot is: number of the layer (-1 for what layers share) and name of the location in it."""

    layer: int
    location: str


class AdapterModules(nn.ModuleDict):
    """The adapters of one place, by name. Every weight of an adapter hangs in one of these."""

    place: Place | None = None


@dataclass
class Borrowed:
    """A module that is used here and belongs elsewhere: held so, it does not become a child of the user."""

    module: nn.Module | None


class AdapterSlot:
    """
    A place where adapters act.

    `active` is what acts, resolved when a setup is activated; a forward reads nothing else. `None` means that the
    forward is the model's own.
    """

    active: Any = None

    @property
    def container(self) -> AdapterModules:
        raise NotImplementedError

    @property
    def held(self) -> Collection[str]:
        """Names of the adapters that are here."""
        return self.container.keys()

    @property
    def layer(self) -> int:
        """Number of the layer; -1 for what layers share, and before the first adapter came."""
        place = self.container.place
        return -1 if place is None else place.layer

    def activate(self, setup: AdapterCompositionBlock | None) -> None:
        self.active = None if setup is None else setup.restricted_to(self.held)

    def forget(self, name: str) -> None:
        """Drop what is known here about an adapter, besides its modules in `container`."""


class AdapterHostMixin:
    """
    A module of the model whose class was exchanged for one that calls slots.

    Subclasses create their slots in `_init_adapter_modules`. A host may be a slot itself.
    """

    def _init_adapter_modules(self) -> None:
        raise NotImplementedError

    def adapter_slots(self) -> Iterator[AdapterSlot]:
        """Those that came with the class; a child such as a projection may be a host of its own."""
        created = self.__dict__.get("_adapter_attributes", ())
        candidates = (self, *(child for name, child in self.named_children() if name in created))
        return (module for module in candidates if isinstance(module, AdapterSlot))


def iter_slots(model: nn.Module) -> Iterator[AdapterSlot]:
    return (module for module in model.modules() if isinstance(module, AdapterSlot))


def iter_containers(model: nn.Module) -> Iterator[tuple[str, AdapterModules]]:
    """All containers below `model` with their paths."""
    return ((path, module) for path, module in model.named_modules() if isinstance(module, AdapterModules))
