"""How wide are keys and values where a prefix joins them, how many heads do keys have, and how wide is the input?

A width is an attribute of the module, or how it follows from attributes.
"""

from __future__ import annotations

from adaptergen.analysis.layout import Channels, Even, channels
from adaptergen.analysis.shape_steps import Shape
from adaptergen.analysis.shapes import VIEWS, Shapes
from adaptergen.analysis.sizes import Size, divided, is_known, written
from adaptergen.facts import HeadWidths
from adaptergen.tracing.graph import is_linear_call, reached
from adaptergen.tracing.values import Attribute, Instance, Operation, Sequence, Sum, Value


def find_widths(query: Value, key: Value, value: Value, module: Instance) -> HeadWidths:
    """The widths of keys and values as they are joined by a prefix. Queries are as wide as keys."""
    shapes = Shapes(module)
    of_key, of_value = shapes.of(key), shapes.of(value)
    head_dim = _last(of_key) or _last(shapes.of(query)) or _viewed_width(key, module)
    if len(of_key) > 2 and not _last(of_key) and is_known(of_key[-2]) and of_key[-2] != head_dim:
        head_dim = ""  # it may be the length that comes last
    value_dim = _last(of_value)
    value_dim = "" if value_dim == head_dim else value_dim
    if not _shares_projection(query, key, value):
        return HeadWidths(head_dim, value_dim, _heads(of_key) if len(_made_by(key)) > 1 else "")
    heads = _heads(of_key) or _heads(of_value) or _heads_of_rows(key, shapes)
    return HeadWidths(head_dim if heads else "", value_dim, heads)


def has_flat_heads(key: Value, module: Instance) -> bool:
    """Are keys (batch · heads, length, width)?"""
    return len(Shapes(module).of(key)) == 3


def has_length_last(state: Value, other: Value, module: Instance) -> bool:
    """Does nothing tell the last dimension of a state, while the one before is a width that the other one has, too?"""
    shapes = Shapes(module)
    shape, widths = shapes.of(state), shapes.of(other)[-2:]
    return len(shape) > 2 and not is_known(shape[-1]) and is_known(shape[-2]) and shape[-2] in widths


def has_heads_behind(key: Value, module: Instance) -> bool:
    """Are keys (batch, length, heads, width)?"""
    shape = Shapes(module).of(key)
    return len(shape) == 4 and not is_known(shape[1]) and is_known(shape[2]) and is_known(shape[3])


def _heads(shape: Shape) -> Size:
    """The second of four dimensions, or of five with windows, or what the first of three is more than the batch."""
    if len(shape) in (4, 5):
        return written(shape[1]) if shape[1] != "1" else ""
    batch, _, heads = shape[0].partition(" * ") if len(shape) == 3 else ("", "", "")
    return written(heads) if not is_known(batch) else ""


def _heads_of_rows(key: Value, shapes: Shapes) -> Size:
    """How many heads `(length, -1, width)` has, which is viewed so at once and later is the one row of a batch."""
    shape, views = shapes.of(key), _views(key)
    sources = {shapes.of(view.first) for view in views}
    if len(shape) != 4 or shape[0] != "1" or {len(shapes.of(view)) for view in views} != {3} or len(sources) != 1:
        return ""
    source = sources.pop()
    return written(divided(source[0], shape[-1])) if len(source) == 1 and is_known(shape[-1]) else ""


def _last(shape: tuple[Size, ...]) -> Size:
    return written(shape[-1]) if shape else ""


def _shares_projection(query: Value, key: Value, value: Value) -> bool:
    """Does the projection that makes the keys make more than keys, and not in equal parts of its output?"""
    return bool(_made_by(key) & (_made_by(query) | _made_by(value)))


def _made_by(state: Value) -> set[str]:
    """The paths of projections that make the state, but for those of which it is one of several equal parts."""
    made = channels(state)
    return {call.callee.path for call, part in made if isinstance(call.callee, Instance) and not _is_equal(part)}


def _is_equal(part: Channels) -> bool:
    return isinstance(part, Even) and not part.group


def _viewed_width(key: Value, module: Instance) -> Size:
    """The attribute that ends the last shape which the projected keys are viewed in."""
    for view in _views(key):
        match _dimensions(view.args[1:]):
            case (*_, Attribute(owner=Instance() as owner, name=name)) if owner.path == module.path:
                return f"self.{name}"
    return ""


def _views(key: Value) -> list[Operation]:
    """Views of the projected keys, the last first."""
    found: list[Operation] = []
    queue, seen = [key], set[int]()
    for value in queue:
        if id(value) in seen or is_linear_call(value):
            continue
        seen.add(id(value))
        if isinstance(value, Operation) and value.name in VIEWS and reached(value, is_linear_call):
            found.append(value)
        queue.extend(value.parts())
    return found


def _dimensions(shape: tuple[Value, ...]) -> tuple[Value, ...]:
    """`(…, heads, head_dim)` of one sequence, of a sum of shapes, or of separate arguments."""
    match shape:
        case (Sequence(items=items),):
            return items
        case (Sum(right=right),):
            return _dimensions((right,))
    return shape
