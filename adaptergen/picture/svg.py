"""A picture as SVG: the stream of states runs down on the left, what adds to it stands beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from adaptergen.picture.canvas import GAP, PILL, Words, box, number, paragraph, pill, pill_width, text_at
from adaptergen.picture.layout import INSIDE, MARGIN, RIGHT, SMALL, STEP, TITLE, WIDTH
from adaptergen.picture.model import LEGEND, Method, Picture
from adaptergen.picture.style import IN_PAGE, style_in_page, style_of_file
from adaptergen.picture.svg_hooks import draw_hooks
from adaptergen.picture.svg_layers import draw_layer
from adaptergen.picture.words import plain


def as_svg(picture: Picture) -> str:
    """A document that stands alone: no script, no font, nothing from elsewhere."""
    return f"{tostring(_drawn(picture, style_of_file()), encoding='unicode')}\n"


def as_part_of_page(picture: Picture) -> str:
    """The same as a part of an HTML page: its names clash with none there, and where it is wider it can be moved."""
    root = _drawn(picture, style_in_page(), names=f"picture-of-{picture.name}-")
    root.set("class", IN_PAGE)
    frame = Element("div", {"class": f"{IN_PAGE}-frame", "tabindex": "0", "role": "group", "aria-label": "Picture"})
    frame.append(root)
    return tostring(frame, encoding="unicode", method="html")


def _drawn(picture: Picture, style: str, names: str = "") -> Element:
    title, desc = f"{names}title", f"{names}desc"
    root = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img", "aria-labelledby": f"{title} {desc}"})
    SubElement(root, "title", {"id": title}).text = plain(f"Where adapters sit in {picture.title}")
    SubElement(root, "desc", {"id": desc}).text = plain(_description(picture))
    SubElement(root, "style").text = style
    ground = box(root, 0, 0, WIDTH, 0, "ground", 0)
    y = _legend(root, _header(root, picture))
    if picture.parts_hooks:
        y = _parts(root, picture, y)
    for layer in picture.layers:
        y = draw_layer(root, layer, y)
    height = _methods(root, picture.methods, y) + MARGIN
    ground.set("height", number(height))
    root.attrib.update({"viewBox": f"0 0 {WIDTH} {number(height)}", "width": str(WIDTH), "height": number(height)})
    return root


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
    draw_hooks(root, picture.parts_hooks, left, y + height - INSIDE - PILL, room)
    return y + height + STEP


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
