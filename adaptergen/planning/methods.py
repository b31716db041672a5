"""Which adapter methods does the architecture support, and if not, what are users told?"""

from __future__ import annotations

from collections.abc import Iterator

from adaptergen.facts import ModelFacts
from adaptergen.plan import METHODS, MethodSupport
from adaptergen.planning.hooks import place, prefix_obstacles, residual_obstacles


def method_support(facts: ModelFacts) -> dict[str, MethodSupport]:
    decide = {
        "bottleneck": _bottleneck,
        "lora": _projections,
        "ia3": _projections,
        "prefix_tuning": _prefix_tuning,
        "invertible": _invertible,
    }
    return {method: decide[method](facts) for method in METHODS}


def _decided(obstacles: Iterator[str], reason: str, at: str) -> MethodSupport:
    refusals = list(dict.fromkeys(obstacles))
    return MethodSupport(supported=not refusals, because="; ".join(refusals) or reason, at=at)


def _bottleneck(facts: ModelFacts) -> MethodSupport:
    additions = sum(len(layer.residuals) for layer in facts.layers)
    obstacles = (reason for layer in facts.layers for reason in residual_obstacles(layer))
    return _decided(obstacles, f"{additions} residual additions found, each with its sub-layer", _layers_at(facts))


def _prefix_tuning(facts: ModelFacts) -> MethodSupport:
    obstacles = (reason for layer in facts.layers for reason in prefix_obstacles(layer))
    return _decided(obstacles, "keys, values and mask are in reach of every attention", _layers_at(facts))


def _projections(facts: ModelFacts) -> MethodSupport:
    roles = {role for layer in facts.layers for projection in layer.projections for role in projection.roles}
    unclear = [reason for layer in facts.layers for reason in layer.unclear]
    found = ", ".join(role for role in ("q", "k", "v", "o", "gate", "up", "down") if role in roles)
    notes = "".join(f"; not {reason}" for reason in unclear)
    obstacles = iter(()) if roles else iter(["no linear projection of attention or feed-forward was found"])
    return _decided(obstacles, f"projections found for {found}{notes}", _layers_at(facts))


def _invertible(facts: ModelFacts) -> MethodSupport:
    first = facts.stacks[0]
    how = f"the output of {first.entry}" if first.entry else "the input of the first layer"
    return MethodSupport(supported=True, because=f"{how} is what the layers see of the embeddings", at=place(first.at))


def _layers_at(facts: ModelFacts) -> str:
    return place(facts.layers[0].at)
