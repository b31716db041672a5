"""Which adapter methods does the architecture support, and if not, what are users told?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from adaptergen.facts import ModelFacts, Stack, SubModel
from adaptergen.plan import METHODS, MethodSupport
from adaptergen.planning.hooks import place, residual_obstacles
from adaptergen.planning.prefixes import prefix_obstacles
from adaptergen.planning.towers import is_composite, layers_at, stacks_at, support_by_towers, with_sub_models


PLACES = r"\w+_position_mask\b"  # which words stand for something else


def method_support(facts: ModelFacts) -> dict[str, MethodSupport]:
    decide = {
        "bottleneck": _bottleneck,
        "lora": _projections,
        "ia3": _projections,
        "prefix_tuning": _prefix_tuning,
        "invertible": _invertible,
        "reft": _reft,
        "prompt_tuning": _prompt_tuning,
    }
    return {method: decide[method](facts) for method in METHODS}


def _decided(obstacles: Iterator[str], reason: str, at: str) -> MethodSupport:
    refusals = list(dict.fromkeys(obstacles))
    return MethodSupport(supported=not refusals, because="; ".join(refusals) or reason, at=at)


def _bottleneck(facts: ModelFacts) -> MethodSupport:
    additions = sum(len(layer.residuals) for layer in facts.layers)
    return support_by_towers(
        facts, residual_obstacles, f"{additions} residual additions found, each with its sub-layer"
    )


def _prefix_tuning(facts: ModelFacts) -> MethodSupport:
    return support_by_towers(facts, prefix_obstacles, "keys, values and mask are in reach of every attention")


def _projections(facts: ModelFacts) -> MethodSupport:
    roles = {role for layer in facts.layers for projection in layer.projections for role in projection.roles}
    unclear = [reason for layer in facts.layers for reason in layer.unclear]
    found = ", ".join(role for role in ("q", "k", "v", "o", "gate", "up", "down") if role in roles)
    notes = "".join(f"; not {reason}" for reason in unclear)
    is_found = roles or facts.sub_models
    obstacles = iter(()) if is_found else iter(["no linear projection of attention or feed-forward was found"])
    return _decided(obstacles, with_sub_models(facts, f"projections found for {found}{notes}"), layers_at(facts))


def _invertible(facts: ModelFacts) -> MethodSupport:
    entered: tuple[Stack | SubModel, ...] = (*facts.stacks, *facts.sub_models)
    if entered and (picked := entered[0].picked) is not None:
        why = f"what it acts on reaches the results only as numbers ({place(picked)}), which no gradient passes"
        return MethodSupport(supported=False, because=why, at=stacks_at(facts))
    if several := _several_states(facts):
        return MethodSupport(supported=False, because=f"{several}, not the embeddings alone", at=stacks_at(facts))
    if not facts.stacks:
        return MethodSupport(supported=True, because=_OF_PARTS, at=stacks_at(facts))
    first = facts.stacks[0]
    if first.repeated is not None:
        why = f"the loop at {place(first.repeated)} runs the layers several times: not the embeddings alone enter"
        return MethodSupport(supported=False, because=why, at=stacks_at(facts))
    if (turned := _turned(facts).get(first.layer)) is not None:
        return MethodSupport(supported=False, because=turned, at=stacks_at(facts))
    how = f"the output of {first.entry}" if first.entry else "the input of the first layer"
    return MethodSupport(supported=True, because=f"{how} is what the layers see of the embeddings", at=place(first.at))


_OF_PARTS = "the model inside that embeds the words has a first layer"


def _reft(facts: ModelFacts) -> MethodSupport:
    packed = [stack for stack in facts.all_stacks if stack.is_packed]
    why = "; ".join(f"{stack.layer} at {place(stack.at)} gets all examples as one sequence" for stack in packed)
    if packed and len(packed) == len(facts.all_stacks) and not facts.sub_models:
        return MethodSupport(
            supported=False, because=f"{why}, so that positions in it tell nothing", at=layers_at(facts)
        )
    if turned := _turned(facts):
        return MethodSupport(supported=False, because="; ".join(turned.values()), at=layers_at(facts))
    if several := _several_states(facts):
        return MethodSupport(supported=False, because=f"{several}, of which ReFT knows one", at=layers_at(facts))
    reason = with_sub_models(facts, "the hidden states leave every layer")
    return MethodSupport(supported=True, because=f"{reason}; not {why}" if packed else reason, at=layers_at(facts))


def _several_states(facts: ModelFacts) -> str:
    """What to say of layers that take more than one state of each position; "" if there are none."""
    for stack in facts.all_stacks:
        if stack.stacked is not None:
            return f"{stack.layer} takes several states of each position (made at {place(stack.stacked)})"
    return ""


def _turned(facts: ModelFacts) -> dict[str, str]:
    """Classes of layers whose states do not have their channels last, each with what to say of it."""
    turned = (layer.cls for layer in facts.layers if layer.leaves_turned)
    return {cls: f"the channels are not the last axis of what {cls} gives" for cls in turned}


def _prompt_tuning(facts: ModelFacts) -> MethodSupport:
    """A prompt joins what leaves the module with the word embeddings, or the word embeddings that the model takes."""
    return _decided(_prompt_obstacles(facts), "a prompt can stand among the embeddings", stacks_at(facts))


def _prompt_obstacles(facts: ModelFacts) -> Iterator[str]:
    first = next(iter(facts.stacks), None)
    if first is None or is_composite(facts):
        yield "its input is for several models inside, so that a prompt would have to stand in each"
    elif len({stack.kind for stack in facts.stacks}) > 1:
        yield "a generation calls the encoder by itself, so that the decoder cannot know of a prompt"
    elif len(facts.stacks) > 1:
        yield "it has several stacks of layers, and those that do not read the embeddings cannot know of a prompt"
    elif first.told:
        yield f"layers of class {first.layer} are told {first.told} of each word, which a prompt does not have"
    elif mask := next((found for each in facts.forward_parameters if (found := re.match(PLACES, each))), None):
        yield f"{mask[0]} says which of the words are something else, and has no place for a prompt"
    elif first.added is not None:
        yield f"what is added to the layers' output at {place(first.added)} has no place for a prompt"
    elif first.grid is not None:
        yield f"the positions are laid out in a grid at {place(first.grid)}, in which a prompt has no place"
    elif any(each.startswith("inputs_embeds") for each in facts.forward_parameters):
        return
    elif not first.entry:
        yield "no module makes all embeddings, and none can be given"
    elif first.positions:
        yield f"{first.positions} of {first.layer} know nothing of a prompt, and no embeddings can be given"
    elif first.owner:
        yield f"{first.entry} of {first.owner_class} does not make the embeddings, and none can be given"
