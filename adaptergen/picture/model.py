"""What a picture shows, however it is drawn: stacks, their layers, what adds to the stream there, and every hook."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct


HookKind = Literal["bottleneck", "projection", "prefix", "invertible", "prompt", "reft"]
SubLayerKind = Literal["self-attention", "cross-attention", "attention", "feed-forward"]

# Does one sum add a sub-layer's output and that of the one before, which then read the same states?
Parallel = Literal["never", "sometimes", "always"]
PARALLEL: dict[Parallel, str] = {
    "never": "",
    "sometimes": "in one sum with the one above, or after it",
    "always": "in one sum with the one above",
}

# What is said of a class of layers that no stack names.
NOT_FIRST = "another class of layers in these stacks"

# What each kind of hook is for, as legends say it.
LEGEND: dict[HookKind, str] = {
    "bottleneck": "bottleneck adapter",
    "projection": "LoRA, (IA)³",
    "prefix": "prefix",
    "invertible": "invertible adapter",
    "prompt": "prompt",
    "reft": "ReFT",
}


class Method(Struct, frozen=True):
    """Whether the architecture takes a method, and why."""

    name: str
    supported: bool
    because: str


class Hook(Struct, frozen=True):
    """A site where an adapter can act; if `refused` says why not, none can."""

    kind: HookKind
    label: str
    path: str = ""
    because: str = ""
    at: str = ""
    refused: str = ""


class Addition(Struct, frozen=True):
    """Where a sub-layer's output joins the stream, and what is on the way there.

    The output goes through the adapter, then `inner_norm`; after the addition comes `norm`. Both norms are in the
    adapter's call, and only such norms are known here.
    """

    hook: Hook
    inner_norm: str = ""
    norm: str = ""
    condition: str = ""  # when it happens, if not always
    parallel: Parallel = "never"


class SubLayer(Struct, frozen=True):
    """Something that reads the stream and adds to it."""

    kind: SubLayerKind
    path: str
    hooks: tuple[Hook, ...]  # prefix first, then the projections
    addition: Addition


class StackPicture(Struct, frozen=True):
    """A list of layers, with what acts on the states that enter the first of them."""

    model: str  # the class that has the path, if it is a part that can also stand alone; else ""
    kind: str
    path: str
    entry: str
    hooks: tuple[Hook, ...] = ()


class LayerPicture(Struct, frozen=True):
    """A class of layers: drawn once, below all stacks that run it."""

    cls: str
    stacks: tuple[StackPicture, ...]
    sub_layers: tuple[SubLayer, ...]
    exit: Hook


class Part(Struct, frozen=True):
    """A model of another architecture inside, whose own picture shows what is in it."""

    path: str
    made: str  # by which class, of what


class Picture(Struct, frozen=True):
    name: str
    title: str
    source: str
    methods: tuple[Method, ...]
    parts: tuple[Part, ...]
    parts_hooks: tuple[Hook, ...]  # of a model of several models: what acts in one of them, which only a model tells
    layers: tuple[LayerPicture, ...]

    @property
    def refused(self) -> tuple[Method, ...]:
        return tuple(method for method in self.methods if not method.supported)


def hooks_of(picture: Picture) -> Iterator[Hook]:
    """Every site that is drawn, refused or not, in the order in which they are drawn."""
    yield from picture.parts_hooks
    for layer in picture.layers:
        for stack in layer.stacks:
            yield from stack.hooks
        for sub_layer in layer.sub_layers:
            yield from sub_layer.hooks
            yield sub_layer.addition.hook
        yield layer.exit
