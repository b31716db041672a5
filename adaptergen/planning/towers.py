"""Which parts of a model take a method? Towers are made of configurations of their own, and need not be alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from adaptergen.facts import Layer, ModelFacts
from adaptergen.plan import MethodSupport
from adaptergen.planning.hooks import place, residual_obstacles
from adaptergen.planning.prefixes import no_scores, prefix_obstacles


Obstacles = Callable[[Layer], Iterator[str]]
_OBSTACLES: Mapping[str, Obstacles] = {"bottleneck": residual_obstacles, "prefix_tuning": prefix_obstacles}


def support_by_towers(facts: ModelFacts, obstacles: Obstacles, reason: str) -> MethodSupport:
    """
    A method is supported where one tower takes it; the others are named. A tower takes it as a whole, or without its
    layers that have no attention.
    """
    refused = _refusals(facts, obstacles)
    told = list(dict.fromkeys(reason for reasons in refused.values() for reason in reasons))
    if facts.layers and len(refused) == len(_configs(facts)):
        return MethodSupport(supported=False, because="; ".join(told), at=layers_at(facts))
    if refused:
        left_out = "; ".join(f"not {_tower(config)}: {'; '.join(refused[config])}" for config in sorted(refused))
        reason = f"{reason}; {left_out}"
    for layer in _left_out(facts, obstacles):
        if not set(layer.configs) <= refused.keys():
            reason = f"{reason}; not {layer.cls}, in which no attention was found{_and_why(layer, obstacles)}"
    return MethodSupport(supported=True, because=with_sub_models(facts, reason), at=layers_at(facts))


def _and_why(layer: Layer, obstacles: Obstacles) -> str:
    """What else keeps a method out of a layer without attention."""
    reasons = dict.fromkeys(reason for reason in obstacles(layer) if reason != no_scores(layer))
    return f": {'; '.join(reasons)}" if reasons else ""


def with_sub_models(facts: ModelFacts, reason: str) -> str:
    """Models of other architectures inside decide for themselves."""
    if not facts.sub_models:
        return reason
    inside = f"as the models in {', '.join(model.path for model in facts.sub_models)} take it"
    return f"{reason}, and {inside}" if facts.layers else inside


def layers_that_take(method: str, facts: ModelFacts, methods: Mapping[str, MethodSupport]) -> tuple[Layer, ...]:
    """The layers in which a method has places: those of the towers that take it, or all where a person says so."""
    decided = methods[method]
    if not decided.supported or decided.by == "hand":
        return facts.layers if decided.supported else ()
    refused, left_out = _refusals(facts, _OBSTACLES[method]), _left_out(facts, _OBSTACLES[method])
    taking = (layer for layer in facts.layers if not set(layer.configs) <= refused.keys())
    return tuple(layer for layer in taking if layer not in left_out)


def _refusals(facts: ModelFacts, obstacles: Obstacles) -> dict[str, list[str]]:
    """Configuration of a tower → why it does not take a method."""
    refused: dict[str, list[str]] = {}
    left_out = _left_out(facts, obstacles)
    for layer in facts.layers:
        reasons = [] if layer in left_out else list(obstacles(layer))
        for config in layer.configs if reasons else ():
            refused.setdefault(config, []).extend(reasons)
    return {config: list(dict.fromkeys(reasons)) for config, reasons in refused.items()}


def _left_out(facts: ModelFacts, obstacles: Obstacles) -> tuple[Layer, ...]:
    """Layers without attention that cannot take a method, next to layers of the same tower that can."""
    taking = {config for layer in facts.layers if not any(obstacles(layer)) for config in layer.configs}
    without = (layer for layer in facts.layers if not layer.has_attention and set(layer.configs) <= taking)
    return tuple(layer for layer in without if any(obstacles(layer)))


def _configs(facts: ModelFacts) -> set[str]:
    return {config for layer in facts.layers for config in layer.configs}


def _tower(config: str) -> str:
    """Paths of configurations are in lower case, names of classes are not."""
    if not config:
        return "the other layers"
    return f"the layers of {f'config.{config}' if config.islower() else config}"


def is_composite(facts: ModelFacts) -> bool:
    """Does it consist of several towers, or of other models?"""
    return bool(facts.sub_models) or len(_configs(facts)) > 1


def is_encoder_decoder(facts: ModelFacts) -> bool:
    """Two stacks of one configuration, or of a configuration that says so."""
    says_so = facts.config_defaults.get("is_encoder_decoder") == "True"
    return len({stack.kind for stack in facts.stacks}) == 2 and (says_so or not is_composite(facts))


def layers_at(facts: ModelFacts) -> str:
    return place(facts.layers[0].at if facts.layers else facts.sub_models[0].at)


def stacks_at(facts: ModelFacts) -> str:
    stack = next(iter(facts.all_stacks), None)
    return place(stack.at if stack else facts.sub_models[0].at)
