"""A picture as a tree for a terminal of 80 columns, with colours that the caller may strip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click
from msgspec import Struct

from adaptergen.picture.model import NOT_FIRST, PARALLEL, Hook, LayerPicture, Picture, StackPicture, SubLayer, hooks_of
from adaptergen.picture.words import columns, plain, shortened, wrapped


WIDTH = 80
COLOURS = {
    "bottleneck": "green",
    "projection": "blue",
    "prefix": "magenta",
    "invertible": "yellow",
    "prompt": "cyan",
    "reft": "red",
}
HOOK, REFUSED, ADDED = "●", "○", "⊕"


class Span(Struct, frozen=True):
    """A piece of a line in one colour."""

    text: str
    colour: str = ""
    bold: bool = False
    dim: bool = False

    def __str__(self) -> str:
        return click.style(self.text, fg=self.colour or None, bold=self.bold or None, dim=self.dim or None)


class Node(Struct, frozen=True):
    """A line of a tree, with what stands below it; the note is broken over as many lines as it needs."""

    spans: tuple[Span, ...]
    note: str = ""
    children: tuple[Node, ...] = ()


def as_tree(picture: Picture) -> str:
    """Every line with its colours; without them it has at most 80 columns."""
    head = (Span(plain(picture.title), bold=True), Span(f"  {plain(picture.name)}"))
    parts = [_parts(picture)] if picture.parts_hooks else []
    root = Node(head, plain(picture.source), (*parts, *map(_layer, picture.layers), *_refused(picture)))
    return "".join(f"{line}\n" for line in _lines(root, "", ""))


def _parts(picture: Picture) -> Node:
    width = max((columns(plain(part.path)) for part in picture.parts), default=0)
    parts = (
        Node((Span(f"{plain(part.path):<{width}}", bold=True), Span(f"  {plain(part.made)}", dim=True)))
        for part in picture.parts
    )
    return Node((Span("several models in one"),), "", (*parts, *_hooks(picture.parts_hooks)))


def _layer(layer: LayerPicture) -> Node:
    stacks = map(_stack, layer.stacks)
    sub_layers = map(_sub_layer, layer.sub_layers)
    note = Span("" if layer.stacks else f"  {NOT_FIRST}", dim=True)
    return Node((Span(plain(layer.cls), bold=True), note), "", (*stacks, *sub_layers, *_hooks((layer.exit,))))


def _stack(stack: StackPicture) -> Node:
    of = f"  in {plain(stack.model)}" if stack.model else ""
    entry = f"  after {plain(stack.entry)}" if stack.entry else ""
    spans = (Span(f"{plain(stack.kind)} "), Span(plain(stack.path)), Span(f"{of}{entry}", dim=True))
    return Node(spans, "", tuple(_hooks(stack.hooks)))


def _sub_layer(sub_layer: SubLayer) -> Node:
    addition = sub_layer.addition
    path = Span(f"  {plain(sub_layer.path)}" if sub_layer.path else "", dim=True)
    hooks = _hooks((*sub_layer.hooks, addition.hook), added=addition.hook)
    return Node((Span(sub_layer.kind), path), "", (*hooks, *_notes(sub_layer)))


def _notes(sub_layer: SubLayer) -> Iterator[Node]:
    addition = sub_layer.addition
    if addition.condition:
        yield Node((Span(plain(addition.condition), dim=True),))
    if addition.inner_norm:
        yield Node((Span("norm "), Span(plain(addition.inner_norm)), Span("  before it is added", dim=True)))
    if addition.norm:
        yield Node((Span("norm "), Span(plain(addition.norm)), Span("  of the sum", dim=True)))
    if addition.parallel != "never":
        yield Node((Span(PARALLEL[addition.parallel], dim=True),))


def _hooks(hooks: Sequence[Hook], added: Hook | None = None) -> Iterator[Node]:
    """Hooks below each other, their paths in one column."""
    width = max((columns(plain(hook.label)) for hook in hooks), default=0)
    for hook in hooks:
        label = plain(hook.label)
        padded = label + " " * (width - columns(label))
        sign = REFUSED if hook.refused else ADDED if hook is added else HOOK
        colour = "" if hook.refused else COLOURS[hook.kind]
        told = "refused" if hook.refused else hook.path or hook.because
        spans = (Span(f"{sign} {padded}", colour, dim=bool(hook.refused)), Span(f"  {plain(told)}", dim=True))
        yield Node(spans)


def _refused(picture: Picture) -> Iterator[Node]:
    """What the sites above that say "refused" are refused for."""
    reasons = {method.because: method.name for method in picture.refused}
    for hook in hooks_of(picture):
        if hook.refused:
            reasons.setdefault(hook.refused, f"{hook.label}, in some layers")
    methods = tuple(Node((Span(f"{REFUSED} {plain(name)}", dim=True),), plain(why)) for why, name in reasons.items())
    if methods:
        yield Node((Span("refused", bold=True),), "", methods)


def _lines(node: Node, first: str, rest: str) -> Iterator[str]:
    """The lines of a tree; `first` stands before the line of the node, `rest` before all that are below it."""
    yield first + "".join(map(str, _fitting(node.spans, WIDTH - columns(first))))
    below = "│  " if node.children else "   "
    for line in wrapped(node.note, WIDTH - columns(rest + below)):
        yield f"{rest}{below}{Span(line, dim=True)}"
    for place, child in enumerate(node.children, 1):
        is_last = place == len(node.children)
        yield from _lines(child, f"{rest}{'└─ ' if is_last else '├─ '}", f"{rest}{'   ' if is_last else '│  '}")


def _fitting(spans: Sequence[Span], room: int) -> Iterator[Span]:
    """Spans cut to fit: each leaves room for a few signs of those after it."""
    for place, span in enumerate(spans):
        later = sum(min(columns(after.text), 12) for after in spans[place + 1 :])
        text = shortened(span.text, max(room - later, 0))
        room -= columns(text)
        yield Span(text, span.colour, span.bold, span.dim)
