"""How is a number that a shape is made of written, in a method of the module that it belongs to?

self.num_heads * (self.qk_dim + self.v_dim)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from adaptergen.tracing.values import Attribute, Choice, Config, Constant, Instance, Operation, Sum, Value, is_whole


Size = str  # an expression of `self`; "" where it cannot be told
UNKNOWN: Size = ""
OPEN: Size = "-1"  # as views have it

_OPAQUE = "#"

_SIGNS = {"mul": "*", "FloorDivide": "//", "sub": "-"}


def size_of(value: Value, module: Instance, inner: Callable[[Value], Size]) -> Size:
    """The expression; `inner` tells the sizes that it is made from."""
    match value:
        case Constant(value=bool()):
            return UNKNOWN
        case Constant(value=int(number)):
            return str(number)
        case Attribute(owner=Instance() as owner, name=name):
            return _attribute(owner, name, module)
        case Config(path=path) if path:
            return _held(value, module) or _configured(path, module)
        case Sum():
            return total([inner(value.left), inner(value.right)])
        case Operation(name="mul" | "FloorDivide" | "sub" as name, args=(left, right)):
            return _combined(inner(left), _SIGNS[name], inner(right))
    return _held(value, module)


def _attribute(owner: Instance, name: str, module: Instance) -> Size:
    """`self.name`, or `self.child.name` of a module below it."""
    if owner.path == module.path and owner.class_name == module.class_name:
        return f"self.{name}"
    prefix = f"{module.path}." if module.path else ""
    child = owner.path.removeprefix(prefix)
    if owner.making.path and owner.path.startswith(prefix) and all(map(str.isidentifier, child.split("."))):
        return f"self.{child}.{name}"
    return UNKNOWN


def _configured(path: str, module: Instance) -> Size:
    """`self.config.name`, if the module keeps the configuration that has it."""
    owner, _, name = path.rpartition(".")
    for attribute, kept in (module.making.attributes or {}).items():
        if isinstance(kept, Config) and kept.path == owner and is_whole(owner):
            return f"self.{attribute}.{name}"
    return UNKNOWN


def _held(value: Value, module: Instance) -> Size:
    """The attribute under which the module holds the value, if it does."""
    if isinstance(value, Choice) or type(value) is Value:
        return UNKNOWN
    held = module.making.attributes or {}
    return next((f"self.{name}" for name, kept in held.items() if kept is value), UNKNOWN)


def opaque(number: int) -> Size:
    """A size of which only is known where else it stands."""
    return f"{_OPAQUE}{number}"


def is_known(size: Size) -> bool:
    return size not in (UNKNOWN, OPEN) and _OPAQUE not in size


def written(size: Size) -> Size:
    """The size if it can be written where the module is known."""
    return size if is_known(size) else UNKNOWN


def cut(size: Size, part: str) -> Size:
    """The size of `: n` or `n :` of a dimension: what is left over is remembered, so that both together are whole."""
    lower, _, upper = (text.strip() for text in part.partition(":"))
    if bool(lower) == bool(upper) or not size:
        return UNKNOWN
    return f"{_OPAQUE}{upper}" if upper else f"{size} - {_OPAQUE}{lower}"


def between(lower: Size, upper: Size) -> Size:
    """What `upper` adds to `lower`, if it is written as a sum that begins with it."""
    return upper.removeprefix(f"{lower} + ") if lower and upper.startswith(f"{lower} + ") else UNKNOWN


def within(whole: Size, lower: Size | None, upper: Size | None) -> Size:
    """How long a slice of a dimension is, if both are multiples of one size; None is an end that is not written."""
    parts = [_multiple(size) for size in (lower, upper, whole) if size is not None]
    first, last = 0 if lower is None else parts[0][0], parts[-1 if upper is None else -2][0]
    same = len({base for _, base in parts}) == 1 and is_known(parts[-1][1])
    if not same or not 0 <= first < last <= parts[-1][0]:
        return UNKNOWN
    return parts[-1][1] if last - first == 1 else f"{last - first} * {parts[-1][1]}"


def _multiple(size: Size) -> tuple[int, Size]:
    """(3, `self.width`) for `3 * self.width`."""
    factor, sign, base = size.partition(" * ")
    return (int(factor), base) if sign and factor.isdigit() and " " not in base else (1, size)


def total(sizes: Iterable[Size]) -> Size:
    known = list(sizes)
    match known:
        case [first, second] if first and second.endswith(f" - {first}"):
            return second.removesuffix(f" - {first}")
    return " + ".join(known) if all(known) else UNKNOWN


def multiplied(sizes: Iterable[Size]) -> Size:
    known = [size for size in sizes if size != "1"]
    if not known:
        return "1"
    return " * ".join(map(_in_parentheses, known)) if len(known) > 1 and all(known) else known[0]


def rest(factors: Iterable[Size], by: Iterable[Size]) -> Size:
    """A product divided by others, those that are in both left out."""
    left = list(factors)
    others = []
    for size in by:
        if size in left:
            left.remove(size)
        else:
            others.append(size)
    return divided(multiplied(left), multiplied(others))


def divided(size: Size, by: Size) -> Size:
    """`3 * x` divided by `3` is `x`, `(x // y)` divided by `3` is `x // (y * 3)`."""
    if size == by and size:
        return "1"
    factor = _in_parentheses(by)
    for rest in (size.removeprefix(f"{factor} * "), size.removesuffix(f" * {factor}")) if by else ():
        if rest != size and not any(sign in rest for sign in (" + ", " - ", " // ")):
            return rest
    if by == "1":
        return size
    whole, _, earlier = size.partition(" // ")
    if (
        earlier
        and whole.count("(") == whole.count(")")
        and not any(sign in earlier for sign in (" // ", " + ", " - "))
    ):
        return _combined(whole, "//", multiplied([earlier.strip("()"), by]))
    return _combined(size, "//", by)


def _combined(left: Size, sign: str, right: Size) -> Size:
    return f"{_in_parentheses(left)} {sign} {_in_parentheses(right)}" if left and right else UNKNOWN


def _in_parentheses(size: Size) -> Size:
    return f"({size})" if " " in size else size
