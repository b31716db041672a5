"""One class of layers as SVG: the stacks that run it, and its sub-layers along the stream."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

from adaptergen.picture.canvas import PILL, Words, box, line, number, pill, pill_width, text_at, text_width
from adaptergen.picture.layout import BRANCH, INSIDE, MARGIN, NODE, RIGHT, ROOM, SMALL, STEP, STREAM, TEXT, TITLE
from adaptergen.picture.model import NOT_FIRST, PARALLEL, Addition, LayerPicture, StackPicture, SubLayer
from adaptergen.picture.svg_hooks import draw_hook, draw_hooks
from adaptergen.picture.words import plain


def draw_layer(root: Element, layer: LayerPicture, y: float) -> float:
    """The stacks that run it, and below them the card of the layer, with the stream through both."""
    group = SubElement(root, "g", {"class": "layer"})
    stream = SubElement(group, "g")  # below everything else
    start = y
    for stack in layer.stacks:
        y = _stack(group, stack, y)
    card = box(stream, MARGIN, y, RIGHT - MARGIN, 0, "card", 14)
    top = y
    note = Words("" if layer.stacks else NOT_FIRST, "soft")
    text_at(group, BRANCH, y + 31, TITLE, ROOM, Words(layer.cls, "strong"), note)
    y += 52
    fork = y
    for sub_layer in layer.sub_layers:
        fork = fork if sub_layer.addition.parallel == "always" else y
        y = _sub_layer(group, sub_layer, y, fork)
    line(group, f"M{STREAM} {number(y + PILL / 2)}H{BRANCH}", "tie")
    draw_hooks(group, (layer.exit,), BRANCH, y, ROOM)
    y += PILL + INSIDE
    card.set("height", number(y - top))
    first = start + 8 if layer.stacks else top + 20
    line(stream, f"M{STREAM} {number(first)}V{number(y + 12)}", "stream")
    line(stream, f"M{STREAM - 5} {number(y + 6)}L{STREAM} {number(y + 13)}L{STREAM + 5} {number(y + 6)}", "stream")
    return y + 12 + STEP


def _stack(group: Element, stack: StackPicture, y: float) -> float:
    """A list of layers, and what acts on what enters it."""
    SubElement(group, "circle", {"cx": str(STREAM), "cy": number(y + 9), "r": "5", "class": "dot"})
    path = f"{stack.path} in {stack.model}" if stack.model else stack.path
    words = f"{path} · after {stack.entry}" if stack.entry else path
    kind = Words(stack.kind.capitalize(), "strong")
    text_at(group, BRANCH, y + 14, TEXT, ROOM, kind, Words(words, "soft", mono=True))
    if not stack.hooks:
        return y + 34
    line(group, f"M{STREAM} {number(y + 28 + PILL / 2)}H{BRANCH}", "tie")
    return draw_hooks(group, stack.hooks, BRANCH, y + 28, ROOM) + STEP - 6


def _sub_layer(group: Element, sub_layer: SubLayer, y: float, fork: float) -> float:
    """A box that reads the stream above, or what is read at `fork`, and adds to it below, through an adapter."""
    left, room = BRANCH + INSIDE, ROOM - 2 * INSIDE
    frame = box(group, BRANCH, y, ROOM, 0, "box")
    start = STREAM if fork == y else STREAM + 27
    line(group, f"M{start} {number(fork + 22)}V{number(y + 22)}H{BRANCH - 2}")
    _arrow(group, BRANCH - 1, y + 22, 1)
    SubElement(group, "circle", {"cx": str(start), "cy": number(fork + 22), "r": "3.5", "class": "dot"})
    condition = sub_layer.addition.condition
    needed = min(text_width(plain(condition), SMALL) + STEP, room / 2) if condition else 0
    kind = Words(sub_layer.kind.capitalize(), "strong")
    text_at(group, left, y + 27, TEXT, room - needed, kind, Words(sub_layer.path, "soft", mono=True))
    text_at(group, left + room, y + 27, SMALL, needed, Words(condition, "soft"), end=True)
    bottom = draw_hooks(group, sub_layer.hooks, left, y + 40, room) + INSIDE - 4 if sub_layer.hooks else y + 44
    frame.set("height", number(bottom - y))
    return _addition(group, sub_layer, bottom)


def _addition(group: Element, sub_layer: SubLayer, y: float) -> float:
    """The way back to the stream, from right to left: adapter, inner norm, addition; below it the norm of the sum."""
    addition = sub_layer.addition
    top = y + 16
    middle = top + PILL / 2
    way = SubElement(group, "g")  # below the pills
    x: float = BRANCH
    if addition.inner_norm:
        x += _norm(group, addition.inner_norm, x, top, "normalises what is added") + STEP
    x += draw_hook(group, addition.hook, x, top, ROOM / 2)
    line(way, f"M{number(x + 22)} {number(y)}V{number(middle)}H{STREAM + NODE + 1}")
    _arrow(way, STREAM + NODE + 1, middle, -1)
    _plus(group, middle)
    _margin_notes(group, addition, x + 38, middle + 4.2)
    y = top + PILL
    if addition.norm:
        _norm(group, addition.norm, STREAM - 22, y + 12, "normalises the sum")
        y += 12 + PILL
    return y + STEP


def _margin_notes(group: Element, addition: Addition, x: float, y: float) -> None:
    """Why there is no adapter, or what is added with it; and at the right edge the line of upstream's file."""
    at = addition.hook.at
    told = addition.hook.refused or PARALLEL[addition.parallel]
    short = f"line {at.rpartition(':')[2]}"
    room = RIGHT - INSIDE - x
    needed = text_width(plain(told), SMALL) + STEP if told else 0
    fitting = next((text for text in (at, short) if needed + text_width(text, SMALL, mono=True) <= room), "")
    end = text_width(fitting, SMALL, mono=True) + STEP if at and fitting else 0
    look = "none" if addition.hook.refused else "soft"
    text_at(group, x, y, SMALL, room - end, Words(told, look))
    if end:
        text_at(group, RIGHT - INSIDE, y, SMALL, end, Words(fitting, "soft", mono=True), end=True)


def _norm(group: Element, name: str, x: float, y: float, told: str) -> float:
    room = ROOM / 2 - STEP
    pill(group, x, y, room, "norm", "norm", name, f"{name} {told}, in the adapter's call")
    return pill_width("norm", name, room)


def _plus(group: Element, y: float) -> None:
    SubElement(group, "circle", {"cx": str(STREAM), "cy": number(y), "r": str(NODE), "class": "plus"})
    line(group, f"M{STREAM - 4} {number(y)}h8M{STREAM} {number(y - 4)}v8", "sign")


def _arrow(group: Element, x: float, y: float, way: int) -> None:
    line(group, f"M{x - 6 * way} {number(y - 4)}L{x} {number(y)}L{x - 6 * way} {number(y + 4)}")
