"""Do adapters keep what attention promises: the same in every implementation, blind to padding and the future?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from adaptergen.verify.adapters import AdapterForm, add_random
from adaptergen.verify.exact import told_exactly
from adaptergen.verify.inputs import PADDING, parameters, placeholders, words
from adaptergen.verify.outputs import EFFECT, CheckFailed, are_close, call, effect, expect_close, run, unsoftened
from adaptergen.verify.places import core, placed_layers
from adaptergen.verify.subjects import Subject


@told_exactly
def eager_equals_sdpa(subject: Subject, form: AdapterForm) -> None:
    """In all results that are the same in upstream's model."""
    for padded in (False, True):
        eager, sdpa = (_results_at_words(subject, attention, padded, form) for attention in subject.attentions)
        if not _same(eager, sdpa) >= eager.keys():
            first, second = (_results_at_words(subject, attention, padded) for attention in subject.attentions)
            kept = _same(first, second)
            eager, sdpa = ({key: value for key, value in each.items() if key in kept} for each in (eager, sdpa))
        if eager:
            expect_close(sdpa, eager, f"sdpa instead of eager, {'padded' if padded else 'not padded'}")


def _same(first: dict[str, Tensor], second: dict[str, Tensor]) -> set[str]:
    """Results that are close to each other; only eager attention tells its weights."""
    return {key for key, value in first.items() if key in second and are_close(second[key], value)}


def _results_at_words(
    subject: Subject, attention: str, padded: bool, form: AdapterForm | None = None
) -> dict[str, Tensor]:
    """Those of upstream's model, or of one with an adapter."""
    model = subject.initialized(attention) if form else subject.upstream(attention)
    if form:
        add_random(model, subject.case, form)
    inputs = subject.inputs(model, padded=padded)
    return at_words(run(model, inputs), inputs.get("attention_mask"))


def has_two_attentions(subject: Subject) -> bool:
    return len(subject.attentions) > 1


def padding_is_not_seen(subject: Subject, form: AdapterForm) -> None:
    """What stands in a padded position changes nothing anywhere else, if it does not in upstream's model."""
    _expect_as_blind(subject, form, _changes, "padding is seen")


def future_is_not_seen(subject: Subject, form: AdapterForm) -> None:
    """In a causal model, the last words change nothing before them."""
    _expect_as_blind(subject, form, _changes_before, "the future is seen")


@told_exactly
def prefix_is_seen_everywhere(subject: Subject, form: AdapterForm) -> None:
    """Every word, the first one included, sees the prefix, where what reads the words takes one."""
    if not _words_take_prefixes(subject):
        return
    for attention in subject.attentions:
        upstream, model = subject.upstream(attention), subject.initialized(attention)
        add_random(model, subject.case, form)
        inputs = subject.inputs(model, padded=True)
        without, with_prefix = (_last_states(each, inputs) for each in (upstream, model))
        if torch.equal(without, with_prefix):  # these are of another part of the model, if it tells others, too
            results = [run(each, inputs) for each in (upstream, model)]
            told = _told_of_layers(*results)
            without, with_prefix = (unsoftened(each.get(told, without)) for each in results)
        distance = (with_prefix - without).abs().amax(dim=_axis_of_features(without))
        masks = (inputs[name] for name in ("attention_mask", "decoder_attention_mask") if name in inputs)
        mask = next(masks, torch.ones_like(distance)).bool()
        if mask.shape == distance.shape and not bool((distance[mask] > effect(distance)).all()):
            raise CheckFailed(f"{attention}: some words do not see the prefix")


def _told_of_layers(without: Mapping[str, Tensor], with_prefix: Mapping[str, Tensor]) -> str:
    """The result that tells the states of the last layer: under the usual name, or the first that a prefix changes."""
    changed = (key for key, value in without.items() if not torch.equal(value, with_prefix[key]))
    return _USUAL if _USUAL in without else next(changed, "")


_USUAL = "last_hidden_state"


def _words_take_prefixes(subject: Subject) -> bool:
    """Not only what sees or hears, whose prefixes the words before a picture or a sound do not see."""
    base = subject.initialized().base_model
    reading = core(subject.case.runtime, "placed").first_stack(base)
    layers = list(placed_layers(subject.case.runtime, base))
    towers = {layer.placed.tower for layer in layers if layer.stack == reading}
    return any(layer.sites.attention for layer in layers if not towers or layer.placed.tower in towers)


def _axis_of_features(states: Tensor) -> int:
    """The last one, but for pictures that are (batch, channels, height, width), or several of each example."""
    if states.dim() < 4:
        return -1
    channels, height, width = states.shape[-3:]
    return -3 if 1 < channels != height == width else -1


def shows_states(subject: Subject) -> bool:
    """Does the output hold the hidden states of the layers, or logits? That of several towers holds their outputs."""
    model = subject.upstream()
    with torch.no_grad():
        output = call(model, subject.inputs(model, padded=False), output_hidden_states=True)
    return isinstance(output, Mapping) and any(
        output.get(name) is not None for name in ("decoder_hidden_states", "hidden_states", "logits")
    )


def shows_text(subject: Subject) -> bool:
    return reads_text(subject) and shows_states(subject)


def reads_text(subject: Subject) -> bool:
    taken = parameters(subject.cls)  # what sees alone may call its main input as a text is called by default
    return (subject.cls.main_input_name == "input_ids" and "input_ids" in taken) or "decoder_input_ids" in taken


def _last_states(model: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
    """Of the last layer, or what a head makes of them where it returns nothing else."""
    with torch.no_grad():
        output = call(model, inputs, output_hidden_states=True)
    states = output.get("decoder_hidden_states", output.get("hidden_states"))
    last: Tensor | Sequence[Tensor] = states[-1] if states is not None else output["logits"]
    while not isinstance(last, Tensor):  # of each of several stacks
        last = last[-1]
    return last.detach()


def _changes(subject: Subject, model: nn.Module) -> list[str]:
    """Results at words that differ when the tokens at padded places do."""
    inputs = subject.inputs(model, padded=True)
    name, mask = words(inputs)
    other = {**inputs, name: torch.where(_at_tokens(mask, inputs[name]) == 0, _word(model, 5), inputs[name])}
    first, second = (at_words(run(model, each), mask) for each in (inputs, other))
    return [key for key in first if (first[key] - second[key]).abs().max() > EFFECT]


def _word(model: nn.Module, token: int) -> int:
    """A token, or one that follows it, that stands for nothing else."""
    others = placeholders(model) if isinstance(model, PreTrainedModel) else []
    return next(each for each in count(token) if each not in others)


def _at_tokens(mask: Tensor, tokens: Tensor) -> Tensor:
    """The mask for each token, where each position has several, side by side or in rows of their own."""
    if tokens.dim() > mask.dim():
        return mask[..., None]
    return mask.repeat_interleave(tokens.shape[0] // mask.shape[0], dim=0)


def _changes_before(subject: Subject, model: nn.Module) -> list[str]:
    """Results per word, before the last two, that differ when these do."""
    inputs = subject.inputs(model, padded=False)
    key = "decoder_input_ids" if "decoder_input_ids" in inputs else "input_ids"
    tokens, along = inputs[key].clone(), words(inputs)[1].dim() - 1
    length = tokens.shape[along]
    tokens.narrow(along, length - PADDING, PADDING).fill_(_word(model, 6))
    results = []
    for given in (inputs, {**inputs, key: tokens}):
        states = _last_states(model, given)
        results.append(states[..., : length - PADDING, :] if states.shape[-2] == length else states[..., :0, :])
    difference = (results[0] - results[1]).abs()
    return ["hidden states"] if difference.numel() and difference.max() > EFFECT else []


def _expect_as_blind(
    subject: Subject, form: AdapterForm, changes: Callable[[Subject, nn.Module], list[str]], what: str
) -> None:
    """Nothing changes in the model with an adapter, where nothing does in upstream's."""
    for attention in subject.attentions:
        upstream, model = subject.upstream(attention), subject.initialized(attention)
        add_random(model, subject.case, form)
        changed = [] if changes(subject, upstream) else changes(subject, model)
        if changed:
            raise CheckFailed(f"{attention}: {what} in {', '.join(changed)}")


def at_words(results: dict[str, Tensor], mask: Tensor | None) -> dict[str, Tensor]:
    """Results per word at the words, without those at padding, which mean nothing."""
    if mask is None:
        return results
    return {key: _zero_padding(value, mask) for key, value in results.items()}


def _zero_padding(value: Tensor, mask: Tensor) -> Tensor:
    if value.dim() > 1 and mask.dim() == 2 and value.shape[1] > mask.shape[1]:  # something stands before the words
        mask = functional.pad(mask, (value.shape[1] - mask.shape[1], 0), value=1)
    if value.shape[: mask.dim()] != mask.shape:
        return value
    return value * mask.reshape(mask.shape + (1,) * (value.dim() - mask.dim())).to(value.dtype)
