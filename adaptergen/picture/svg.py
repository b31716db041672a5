"""A picture as SVG: the stream of states runs down on the left, what adds to it stands beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from adaptergen.picture.canvas import GAP, PILL, Words, box, line, number, paragraph, pill, pill_width, text_at, text_width
from adaptergen.picture.model import LEGEND, NOT_FIRST, PARALLEL, Addition, Hook, LayerPicture, Method, Picture, StackPicture, SubLayer
from adaptergen.picture.style import STYLE
from adaptergen.picture.words import plain


WIDTH = 920
MARGIN = 40
RIGHT = WIDTH - MARGIN
STREAM = MARGIN + 46  # where the stream is
BRANCH = STREAM + 54  # where what stands beside it begins
INSIDE = 18  # between a box and what is in it
ROOM = RIGHT - INSIDE - BRANCH  # for a box beside the stream
STEP = 24  # between things below each other
NODE = 9  # radius of an addition
TITLE, TEXT, SMALL = 17, 13.5, 12.5  # sizes of letters


def as_svg(picture: Picture) -> str:
    """A document that stands alone: no script, no font, nothing from elsewhere."""
    root = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img", "aria-labelledby": "title desc"})
    SubElement(root, "title", {"id": "title"}).text = plain(f"Where adapters sit in {picture.title}")
    SubElement(root, "desc", {"id": "desc"}).text = plain(_description(picture))
    SubElement(root, "style").text = STYLE
    ground = box(root, 0, 0, WIDTH, 0, "ground", 0)
    y = _legend(root, _header(root, picture))
    if picture.parts_hooks:
        y = _parts(root, picture, y)
    for layer in picture.layers:
        y = _layer(root, layer, y)
    height = _methods(root, picture.methods, y) + MARGIN
    ground.set("height", number(height))
    root.attrib.update({"viewBox": f"0 0 {WIDTH} {number(height)}", "width": str(WIDTH), "height": number(height)})
    return f"{tostring(root, encoding='unicode')}\n"


def _description(picture: Picture) -> str:
    """What it shows, for those who do not see it."""
    layers = "; ".join(
        f"{layer.cls}: {', '.join(sub_layer.kind for sub_layer in layer.sub_layers) or 'nothing that is understood'}"
        for layer in picture.layers
    )
    taken = ", ".join(method.name for method in picture.methods if method.supported) or "none"
    refused = "; ".join(f"{method.name}, because {method.because}" for method in picture.refused) or "none"
    return f"Layers: {layers or 'those of the models inside'}. Methods: {taken}. Refused: {refused}."


def _header(root: Element, picture: Picture) -> float:
    room = RIGHT - MARGIN
    text_at(root, MARGIN, MARGIN + 24, 26, room, Words(picture.title, "strong"))
    text_at(root, MARGIN, MARGIN + 50, SMALL, room, Words(f"{picture.name} · {picture.source}", "soft", mono=True))
    return MARGIN + 74


def _legend(root: Element, y: float) -> float:
    entries = [(name, str(kind)) for kind, name in LEGEND.items()]
    x: float = MARGIN
    for name, look in (*entries, ("norm in the adapter's call", "norm"), ("refused", "refused")):
        width = pill_width(name, "", RIGHT - MARGIN)
        if x + width > RIGHT:
            x, y = MARGIN, y + PILL + GAP
        pill(root, x, y, width, look, name, "", name)
        x += width + GAP
    return y + PILL + STEP


def _parts(root: Element, picture: Picture, y: float) -> float:
    """What is true of a model of several models, in a card of its own."""
    height = 2 * INSIDE + 30 + len(picture.parts) * 22 + PILL
    box(root, MARGIN, y, RIGHT - MARGIN, height, "card", 14)
    left, room = MARGIN + INSIDE, RIGHT - MARGIN - 2 * INSIDE
    text_at(root, left, y + INSIDE + 13, TITLE, room, Words("Several models in one", "strong"))
    for row, part in enumerate(picture.parts):
        made = Words(f"{part.made}, with a picture of its own", "soft", mono=True)
        text_at(root, left, y + INSIDE + 38 + row * 22, SMALL, room, Words(part.path, "", mono=True), made)
    _hooks(root, picture.parts_hooks, left, y + height - INSIDE - PILL, room)
    return y + height + STEP


def _layer(root: Element, layer: LayerPicture, y: float) -> float:
    """The stacks that run it, and below them the card of the layer, with the stream through both."""
    group = SubElement(root, "g", {"class": "layer"})
    stream = SubElement(group, "g")  # below everything else
    start = y
    for stack in layer.stacks:
        y = _stack(group, stack, y)
    card = box(stream, MARGIN, y, RIGHT - MARGIN, 0, "card", 14)
    top = y
    text_at(group, BRANCH, y + 31, TITLE, ROOM, Words(layer.cls, "strong"), Words("" if layer.stacks else NOT_FIRST, "soft"))
    y += 52
    fork = y
    for sub_layer in layer.sub_layers:
        fork = fork if sub_layer.addition.parallel == "always" else y
        y = _sub_layer(group, sub_layer, y, fork)
    line(group, f"M{STREAM} {number(y + PILL / 2)}H{BRANCH}", "tie")
    _hooks(group, (layer.exit,), BRANCH, y, ROOM)
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
    return _hooks(group, stack.hooks, BRANCH, y + 28, ROOM) + STEP - 6


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
    bottom = _hooks(group, sub_layer.hooks, left, y + 40, room) + INSIDE - 4 if sub_layer.hooks else y + 44
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
    x += _pill(group, addition.hook, x, top, ROOM / 2)
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


def _hooks(group: Element, hooks: Sequence[Hook], x: float, y: float, room: float) -> float:
    """Pills beside and below each other; returns where the last line of them ends."""
    left = x
    for hook in hooks:
        width = pill_width(hook.label, hook.path or hook.because, room)
        if left > x and left + width > x + room:
            left, y = x, y + PILL + GAP
        left += _pill(group, hook, left, y, room) + GAP
    return y + PILL


def _pill(group: Element, hook: Hook, x: float, y: float, room: float) -> float:
    """A hook in its colour, or in grey with the reason."""
    text = hook.path or hook.because
    look = "refused" if hook.refused else str(hook.kind)
    told = f"refused: {hook.refused}" if hook.refused else " · ".join(filter(None, (hook.because, hook.at)))
    drawn = pill(group, x, y, room, look, hook.label, text, told)
    drawn.set("data-refused" if hook.refused else "data-hook", hook.kind)
    return pill_width(hook.label, text, room)


def _methods(root: Element, methods: Sequence[Method], y: float) -> float:
    """All methods with the reasons: what is greyed above is explained here."""
    top, name_room = y, 150
    card = box(root, MARGIN, y, RIGHT - MARGIN, 0, "card", 14)
    left, x = MARGIN + INSIDE + 18, MARGIN + INSIDE + 18 + name_room
    text_at(root, MARGIN + INSIDE, y + 31, TITLE, name_room, Words("Methods", "strong"))
    y += 62
    for method, lines in _reasons(methods, RIGHT - INSIDE - x):
        group = SubElement(root, "g", {"class": "method" if method.supported else "method refused"})
        mark = {"cx": number(left - 13), "cy": number(y - 4.5), "r": "4.5"}
        SubElement(group, "circle", {**mark, "class": "yes" if method.supported else "no"})
        text_at(group, left, y, SMALL, name_room - 10, Words(method.name, "strong", mono=True))
        for place, words in enumerate(lines):
            text_at(group, x, y + 18 * place, SMALL, RIGHT - INSIDE - x, Words(words, "soft"))
        y += 18 * max(len(lines), 1) + 8
    y += INSIDE - 16
    card.set("height", number(y - top))
    return y


def _reasons(methods: Sequence[Method], room: float) -> Iterator[tuple[Method, list[str]]]:
    for method in methods:
        words = method.because if method.supported else f"refused: {method.because}"
        yield method, paragraph(words, room, SMALL)
