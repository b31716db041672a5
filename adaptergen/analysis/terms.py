"""How is a number of channels written as a sum of products of attributes, from the layer on?

self.num_heads * self.head_dim + self.head_dim      ("self_attn.head_dim", "self_attn.head_dim * self_attn.num_heads")
"""

from __future__ import annotations

from collections.abc import Iterable

from adaptergen.tracing.values import Attribute, Call, Config, Constant, Instance, Operation, Sum, Value


MANY = 100  # more than anybody cuts a width into
Terms = tuple[str, ...]  # sorted, and so are the factors of each product


def terms_of(value: Value, call: Call) -> Terms | None:
    """None where it is not such a sum; `call` is in the method of a module that may keep the configuration."""
    match value:
        case Constant(value=bool()):
            return None
        case Constant(value=int(number)) if number > 0:
            return (str(number),)
        case Attribute(owner=Instance() as owner, name=name):
            return (f"{owner.path}.{name}".lstrip("."),)
        case Config():
            return _of_configuration(value, call)
        case Sum():
            left, right = terms_of(value.left, call), terms_of(value.right, call)
            return tuple(sorted((*left, *right))) if left and right else None
        case Operation(name="mul", args=(first, second)):
            left, right = terms_of(first, call), terms_of(second, call)
            return tuple(sorted(_times(a, b) for a in left for b in right)) if left and right else None
    return None


def product(factors: Iterable[Terms | None]) -> str:
    """The product of numbers that are single terms, "" if one of them is not."""
    known = list(factors)
    single = [terms[0] for terms in known if terms is not None and len(terms) == 1]
    if not single or len(single) != len(known):
        return ""
    made = single[0]
    for factor in single[1:]:
        made = _times(made, factor)
    return made


def between(lower: Terms | None, upper: Terms | None) -> str | None:
    """What `upper` is more than `lower`, if that is a single product; "" for all that is left."""
    if upper is None:
        return ""
    rest = _one_by_one(upper)
    for term in _one_by_one(lower or ()):
        if term not in rest:
            return None
        rest.remove(term)
    if len(set(rest)) != 1:
        return None
    return rest[0] if len(rest) == 1 else _times(str(len(rest)), rest[0])


def _one_by_one(terms: Terms) -> list[str]:
    """`self.head_dim`, twice, for `2 * self.head_dim`."""
    found: list[str] = []
    for term in terms:
        number, _, factor = term.partition(" * ")
        times = int(number) if factor and number.isdigit() else 0
        found += [factor] * times if 0 < times < MANY else [term]
    return found


def _times(left: str, right: str) -> str:
    return " * ".join(sorted((*left.split(" * "), *right.split(" * "))))


def _of_configuration(value: Config, call: Call) -> Terms | None:
    module = call.at.instance
    kept = (module.making.attributes or {}).get("config") if module else None
    if module is None or not isinstance(kept, Config) or not value.path:
        return None
    prefix = f"{kept.path}." if kept.path else ""
    name = value.path.removeprefix(prefix)
    is_own = value.path.startswith(prefix) and "." not in name
    return (f"{module.path}.config.{name}".lstrip("."),) if is_own else None
