"""Where in a model can adapters sit? The words in which generated modules answer, and how a path becomes a module.

All paths of a `LayerSites` start at the layer; those of an `AdapterStack` start at the model. A model may hold others:
the package of each says where adapters sit in it; `placed` finds these places in an instance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from torch import nn


StackKind = Literal["encoder", "decoder"]
Role = Literal["q", "k", "v", "o", "gate", "up", "down"]


@dataclass(frozen=True)
class AdapterStack:
    """
    One list of layers.

    Args:
        kind: "encoder" (bidirectional) or "decoder".
        layers: path of the list; `stages.*.blocks` stands for such a list in every element of another one.
        owner: path of the module that embeds the input and runs the layers; "" is the model itself.
        entry: path, from the owner, of the module whose output enters the first layer; "" means that only the
            input of the first layer itself is that value.
        config: path of the part of the configuration that the layers are made of.
        packed: all examples are one sequence, without a dimension for the batch.
        joins_rows: an example has several rows, those of one kind behind those of another.
        called_by_heads: some head calls the owner, and never the model.
    """

    kind: StackKind
    layers: str
    owner: str = ""
    entry: str = ""
    config: str = ""
    packed: bool = False
    joins_rows: bool = False
    called_by_heads: bool = False

    def below(self, path: str) -> AdapterStack:
        """The same list, by paths from a model that holds the model at `path`."""
        return replace(self, layers=joined(path, self.layers), owner=joined(path, self.owner))


@dataclass(frozen=True)
class BottleneckSite:
    """
    A residual addition that can take bottleneck adapters.

    Args:
        location: the switch of `BnConfig` that asks for it: mh_adapter, cross_adapter or output_adapter.
        host: path of the module whose forward adds the residual; "" is the layer itself.
        slot: attribute of the host that holds the adapters; "" means that the host is the adapter layer.
        of: the host must be of this class, where a path leads to different modules in different layers.
        needs: path of a module without which the addition never happens, e.g. a cross-attention that only some
            configurations have.
    """

    location: str
    host: str = ""
    slot: str = ""
    of: type[nn.Module] | None = None
    needs: str = ""


@dataclass(frozen=True)
class AttentionSite:
    """An attention whose keys and values can take a prefix; `keys` is the path of the projection that makes keys."""

    path: str
    kind: Literal["self", "cross"] = "self"
    keys: str = ""


@dataclass(frozen=True)
class Projection:
    """
    A linear map that LoRA and (IA)³ can adapt. A tuple of roles says that its output is the concatenation of that
    many parts, in that order.

    Args:
        group: width of the groups of channels each of which has all parts, such as heads: a product of numbers and of
            attributes, by their paths from the layer. "" when all channels are one group.
        widths: those of the parts, in the same way, where they differ; "" is what is left.
    """

    path: str
    roles: Role | tuple[Role, ...]
    group: str = ""
    widths: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[Role, ...]:
        return (self.roles,) if isinstance(self.roles, str) else self.roles


@dataclass(frozen=True)
class LayerSites:
    """All places in one class of layers."""

    bottleneck: tuple[BottleneckSite, ...] = ()
    attention: tuple[AttentionSite, ...] = ()
    projections: tuple[Projection, ...] = ()


def resolve(root: nn.Module, path: str, of: type[nn.Module] | None = None) -> nn.Module | None:
    """The module at `path`, or `None` where this instance has none (or one of another class than `of`)."""
    module: nn.Module | None = root
    for component in filter(None, path.split(".")):
        module = _child(module, component)
        if module is None:
            return None
    return module if of is None or isinstance(module, of) else None


def joined(path: str, name: str) -> str:
    """One path behind another."""
    return f"{path}.{name}" if path and name else path or name


def _child(module: nn.Module, component: str) -> nn.Module | None:
    if component.lstrip("-").isdigit():
        position = int(component)
        return module[position] if -len(module) <= position < len(module) else None
    child = getattr(module, component, None)
    return child if isinstance(child, nn.Module) else None
