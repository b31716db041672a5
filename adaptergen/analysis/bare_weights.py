"""Which weights of a feed-forward are parameters of its own, and no linear modules, as those of fused experts are?

hidden = F.linear(hidden, self.gate_up_proj[expert])
                          ^^^^^^^^^^^^^^^^^ (experts, out, in)
"""

from __future__ import annotations

from adaptergen.analysis.additions import MULTIPLICATIONS, VIEWS, additions
from adaptergen.analysis.blocks import TracedLayer
from adaptergen.tracing.graph import walk
from adaptergen.tracing.values import Attribute, Instance, Item, Operation, Value


def bare_weights(layer: TracedLayer) -> tuple[str, ...]:
    """Their paths from the layer. Modules that multiply by their own `weight` are not meant: routers are such."""
    found: dict[str, None] = {}
    for addition in additions(layer):
        for made in walk(addition.branch, stop=addition.stream):
            if isinstance(made, Operation) and made.name in MULTIPLICATIONS:
                found.update((path, None) for argument in made.args for path in _parameter(argument))
    return tuple(found)


def _parameter(value: Value) -> tuple[str, ...]:
    match value:
        case Attribute(owner=Instance() as owner, name=name, value=None) if name not in ("weight", "bias"):
            return (f"{owner.path}.{name}".lstrip("."),)
        case Item(value=inner):
            return _parameter(inner)
        case Operation(name=name, args=(inner, *_)) if name in VIEWS:
            return _parameter(inner)
    return ()
