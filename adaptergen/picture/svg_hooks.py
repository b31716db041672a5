"""The hooks of an SVG picture: pills beside and below each other."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from adaptergen.picture.canvas import GAP, PILL, pill, pill_width
from adaptergen.picture.model import Hook


def draw_hooks(group: Element, hooks: Sequence[Hook], x: float, y: float, room: float) -> float:
    """Pills beside and below each other; returns where the last line of them ends."""
    left = x
    for hook in hooks:
        width = pill_width(hook.label, hook.path or hook.because, room)
        if left > x and left + width > x + room:
            left, y = x, y + PILL + GAP
        left += draw_hook(group, hook, left, y, room) + GAP
    return y + PILL


def draw_hook(group: Element, hook: Hook, x: float, y: float, room: float) -> float:
    """A hook in its colour, or in grey with the reason."""
    text = hook.path or hook.because
    look = "refused" if hook.refused else str(hook.kind)
    told = f"refused: {hook.refused}" if hook.refused else " · ".join(filter(None, (hook.because, hook.at)))
    drawn = pill(group, x, y, room, look, hook.label, text, told)
    drawn.set("data-refused" if hook.refused else "data-hook", hook.kind)
    return pill_width(hook.label, text, room)
