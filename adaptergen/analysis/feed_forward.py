"""Which linear calls of a branch make its feed-forward, which takes each position for itself?

down(act(up(x)))                        up, down
down(act(gate(x)) * up(x))              gate, up, down
out(conv(b * x) * c)                    none: positions are mixed
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from adaptergen.analysis.additions import CONVOLUTIONS, Addition, is_weighted
from adaptergen.analysis.attention import PRODUCTS
from adaptergen.facts import Role
from adaptergen.tracing.graph import (
    between,
    depends_on,
    derives_from,
    is_dropout,
    is_linear,
    is_linear_call,
    is_norm,
    module_of,
    reached,
    walk,
)
from adaptergen.tracing.values import Call, Config, Constant, Operation, Value


ACTIVATIONS = frozenset(
    ("gelu", "relu", "silu", "swish", "tanh", "sigmoid", "softplus", "leaky_relu", "elu", "mish", "glu", "erf")
)
GATE_MODULES = tuple(f"torch.nn.{kind}" for kind in ("Sigmoid", "Softmax", "Tanh"))
GATES = frozenset(("sigmoid", "softmax", "tanh"))
CONVOLVING = frozenset(("conv1d", "conv2d", "conv3d"))
SAMPLING = frozenset(("grid_sample",))


def feed_forwards(ends: Sequence[tuple[Call, Addition]]) -> Iterator[tuple[Role, Call]]:
    """
    The roles in those branches of a layer that are feed-forwards, given the last call of each.

    One with a convolution in it is a feed-forward where the layer has no other, as in vision transformers that know
    positions by it alone; beside another it mixes positions, as an attention does.
    """
    inside = [(down, addition, between(down.first, addition.stream).values()) for down, addition in ends]
    alike = [each for each in inside if _is_feed_forward(each[0], each[2])]
    plain = [each for each in alike if not any(map(_convolves, each[2]))]
    for down, addition, _ in plain or alike:
        yield from _roles(down, addition)


def _is_feed_forward(down: Call, inside: Collection[Value]) -> bool:
    if not any(map(is_activation, inside)) or any(map(_mixes_positions, inside)):
        return False
    maps = [value for value in inside if isinstance(value, Call) and is_linear_call(value)]
    return not maps or not all(_is_unlike(_width(call, 0), _width(down, 1)) for call in maps)


def _mixes_positions(value: Value) -> bool:
    """A product of states with states, unlike one with weights, or states read at other positions."""
    if not isinstance(value, Operation):
        return False
    return value.name in SAMPLING or (value.name in PRODUCTS and not is_weighted(value))


def _convolves(value: Value) -> bool:
    module = module_of(value)
    if module is not None:
        return derives_from(module, CONVOLUTIONS)
    return isinstance(value, Operation) and value.name in CONVOLVING


def _roles(down: Call, addition: Addition) -> Iterator[tuple[Role, Call]]:
    """What has more than two maps before the last has no clear roles but `down`."""
    inner = [c for c in reached(down.first, is_linear_call, stop=addition.stream) if isinstance(c, Call)]
    if not inner:
        return
    yield "down", down
    if len(inner) == 1:
        yield "up", inner[0]
    elif len(inner) == 2:
        activated = [call for call in inner if _is_activated(down.first, call)]
        if len(activated) == 1:
            yield from (("gate" if call in activated else "up", call) for call in inner)


def _width(call: Call, side: int) -> Value | None:
    """How wide the input (0) or the output (1) of a linear module is made, if one is called."""
    module = module_of(call)
    names = ("in_features", "out_features")
    if module is None or not derives_from(module, ("torch.nn.Linear",)):
        return None
    return module.args[side] if len(module.args) > side else module.kwargs.get(names[side])


def _is_unlike(taken: Value | None, made: Value | None) -> bool:
    """Is what is made known to be another number of the configuration than what is taken?"""
    if not isinstance(taken, Config):
        return False
    return isinstance(made, Operation) or (isinstance(made, Config) and made.path != taken.path)


def _is_activated(product: Value, call: Call) -> bool:
    """Does the call reach the product of gate and up through an activation?"""
    factors = next(filter(_is_product, walk(product)), None)
    if factors is None:
        return False
    sides = [side for side in factors.parts() if depends_on(side, call)]
    return any(is_activation(value) and depends_on(value, call) for side in sides for value in walk(side))


def gates_of(addition: Addition) -> frozenset[int]:
    """
    What tells how much of the other factor of a product a branch takes.

    sigmoid(gate(x)) * down(…)              a share
    coefficient(x).unsqueeze(-1) * down(…)  one number for all channels
    """
    inside = between(addition.branch, addition.stream).values()
    factors = [factor for value in inside if _is_product(value) for factor in value.parts()]
    shares = (gate for factor in factors for gate in reached(factor, lambda v: _is_gate(v) or is_linear_call(v)))
    gates = (*filter(_is_gate, shares), *filter(_is_one_number, factors))
    return frozenset(map(id, gates))


def _is_one_number(factor: Value) -> bool:
    """Was a last axis of one made for it, so that it is one number for all channels of the other factor?"""
    match factor:
        case Operation(name="unsqueeze", args=(_, Constant(value=-1))):
            return True
    return False


def _is_product(value: Value) -> bool:
    return isinstance(value, Operation) and value.name == "mul"


def _is_gate(value: Value) -> bool:
    module = module_of(value)
    if module is not None:
        return derives_from(module, GATE_MODULES)
    return isinstance(value, Operation) and value.name in GATES


def is_activation(value: Value) -> bool:
    """A call of an activation function or module: neither linear, nor a norm, nor dropout."""
    if isinstance(value, Operation):
        return value.name in ACTIVATIONS
    if not isinstance(value, Call) or value.result is not None:
        return False
    instance = module_of(value)
    return instance is None or not (is_linear(instance) or is_norm(instance) or is_dropout(instance))
