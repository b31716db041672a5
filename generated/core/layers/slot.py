"""What do all places for adapters share? They hold adapters by name, and know which of them act now."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from generated.core.composition import AdapterCompositionBlock, Fuse, Route, Split, routing_block
from generated.core.composition.base import BATCH, run_child
from generated.core.errors import UnsupportedCompositionError
from generated.core.layers import states
from generated.core.sites import joined


if TYPE_CHECKING:
    from generated.core.forward_inputs import ForwardInputs
    from generated.core.records import AdapterRecords


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
    A place where adapters act, and what blocks of a setup need of it.

    `active` is what acts, resolved when a setup is activated; a forward reads nothing else. `None` means that the
    forward is the model's own. `alone` stands for the only adapter that acts, where nothing has to be composed.
    `inputs` is what is known of the call of the model. `routes_alike` says that the adapters of an active `Route`
    differ in their weights alone; `keeps_examples_apart`, that something active looks at the positions of an example,
    such as a gate that is the mean over them.
    """

    active: AdapterCompositionBlock | None = None
    inputs: ForwardInputs | None = None
    alone: Any = None
    routes_alike: bool = False
    supported_blocks: ClassVar[tuple[type[AdapterCompositionBlock], ...]] = ()
    always_reads_inputs: ClassVar[bool] = False
    keeps_examples_apart: bool = False

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

    def _init_slot(self) -> None:
        """Let the instance have what it gets when a setup is activated, so that all of it goes with the class."""
        self.active = self.inputs = self.alone = None
        self.routes_alike = self.keeps_examples_apart = False

    def activate(self, setup: AdapterCompositionBlock | None, inputs: ForwardInputs | None = None) -> None:
        """
        Raises:
            UnsupportedCompositionError: a block in it means nothing at this kind of place.
        """
        self.inputs = inputs
        self.active = None if setup is None else setup.restricted_to(self.held)
        for block in self.active.blocks if self.active is not None else ():
            if not isinstance(block, self.supported_blocks) and len(block) > 1:
                supported = ", ".join(cls.__name__ for cls in self.supported_blocks)
                raise UnsupportedCompositionError(f"{block!r} means nothing to {self.kind}, which can do {supported}")

        route = routing_block(self.active)
        self.routes_alike = route is not None and self._are_alike(route.children)
        self.keeps_examples_apart = self.active is not None and self._looks_at_positions(self.active)
        only = None if self.active is None else self.active.only
        self.alone = None if only is None else self._acting_alone(only)

    def run(self, state: Any) -> Any:
        """
        Let what is active act on a state. Tokens that the model has made flat, (batch · length, …), are put back into
        their examples where that matters.
        """
        examples = self.inputs.call.examples if self.keeps_examples_apart and states.is_flat(state) else None
        if examples is None:
            return self.active.run(self, state)
        return states.flat(self.active.run(self, states.apart(state, examples)))

    def _acting_alone(self, name: str) -> Any:
        """What is called where nothing but this adapter acts; `None` if more has to be done than that."""
        module = self.container[name]
        return Borrowed(module) if getattr(module, "acts_alone", False) else None

    def _looks_at_positions(self, setup: AdapterCompositionBlock) -> bool:
        if any(isinstance(block, Split) for block in setup.blocks):
            return True
        adapters = (self.container[name] for name in setup.names if name in self.container)
        return any(getattr(adapter, "gate", None) is not None for adapter in adapters)

    def _are_alike(self, children: Sequence[str | AdapterCompositionBlock | None]) -> bool:
        """Can the weights of these adapters be stacked, so that each row picks its own?"""
        if not all(isinstance(child, str) and child in self.container for child in children):
            return False
        first, *others = (self.container[child] for child in children)
        return hasattr(first, "can_be_stacked_with") and all(map(first.can_be_stacked_with, (first, *others)))

    @property
    def kind(self) -> str:
        """What sits here, as people call it."""
        raise NotImplementedError

    @property
    def reads_inputs(self) -> bool:
        """Does what is active want to know of the call of the model?"""
        return self.always_reads_inputs or self.keeps_examples_apart

    @property
    def activation(self) -> tuple[AdapterCompositionBlock | None, Any, bool, bool]:
        """What `activate` decides, to be set again when something else could not be activated."""
        return self.active, self.alone, self.routes_alike, self.keeps_examples_apart

    @activation.setter
    def activation(self, decided: tuple[AdapterCompositionBlock | None, Any, bool, bool]) -> None:
        self.active, self.alone, self.routes_alike, self.keeps_examples_apart = decided

    def forget(self, name: str) -> None:
        """Drop what is known here about an adapter, besides its modules in `container`."""

    def rename(self, name: str, new_name: str) -> None:
        """Know an adapter by another name, as `container` does."""

    def run_adapter(self, name: str, state: Any) -> Any:
        raise NotImplementedError

    def finish(self, name: str | None, state: Any) -> Any:
        return state

    def fuse(self, block: Fuse, state: Any) -> Any:
        raise UnsupportedCompositionError(f"{block!r} means nothing to {self.kind}")

    def route(self, block: Route, state: Any, *, is_last: bool) -> Any:
        """Every child that is needed sees all rows; each row is taken from its child."""
        routing = self.inputs.routing(block, state.size(BATCH))
        children = (None, *(block[child] for child in routing.children))
        parts = [run_child(child, self, state, is_last=is_last) for child in children]
        return state.choose(parts, routing.index + 1 if routing.goes is None else (routing.index + 1) * routing.goes)

    def record_gate(self, name: str, scores: Tensor) -> None:
        """Keep the scores of a gate, (batch, 1, gates), if the caller asked for them."""
        if self.records is not None:
            self.records.add_gate(name, self.container.place, scores)

    @property
    def records(self) -> AdapterRecords | None:
        """Where the running call collects what gates and fusions decide, if it does."""
        return None if self.inputs is None else self.inputs.call.records


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


def named_places(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """All modules with their paths, but for what is in containers of adapters, however many that are."""
    found: set[nn.Module] = set()
    waiting = [("", model)]
    while waiting:
        path, module = waiting.pop()
        if module in found:
            continue
        found.add(module)
        yield path, module
        if not isinstance(module, AdapterModules):
            waiting += [(joined(path, name), child) for name, child in reversed(list(module.named_children()))]


def paths_of(model: nn.Module) -> dict[nn.Module, str]:
    return {module: path for path, module in named_places(model)}


def iter_slots(model: nn.Module) -> Iterator[AdapterSlot]:
    return (module for _, module in named_places(model) if isinstance(module, AdapterSlot))


def iter_containers(model: nn.Module) -> Iterator[tuple[str, AdapterModules]]:
    """All containers below `model` with their paths."""
    return ((path, module) for path, module in named_places(model) if isinstance(module, AdapterModules))
