"""Are models right that `adaptergen add-model --profile adapters` wrote into a copy of `adapters`?

    python utils/adapters_profile_checks.py gpt_neo opt gpt_neox

Run by `utils/prove_adapters_profile.py` in an environment with `adapters` and the transformers that it pins, with the
copy in front of the installed package. Prints one JSON object a line: model, attention, check, what was measured, and
whether it is as it must be. Weights are random, and nothing but `adapters` itself adds, trains, saves and loads.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from tempfile import TemporaryDirectory
from typing import Any

import adapters
import torch
from adapters import AutoAdapterModel
from adapters.composition import BatchSplit, Parallel
from adapters.head_utils import STATIC_TO_FLEX_HEAD_MAP
from adapters_profile_subjects import ENCODERS, VARIANTS, Found, Subject, batches, generated_tests
from torch import Tensor
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    DynamicCache,
    PreTrainedModel,
)


SAME, CLOSE = 0.0, 1e-5  # the same numbers; the same up to the order of sums of single precision
STEPS = 12
ONLY_EAGER = ("gpt_neo", "ernie")
ADAPTERS = {
    "seq_bn": "seq_bn",
    "double_seq_bn": "double_seq_bn",
    "par_bn": "par_bn",
    "seq_bn_inv": "seq_bn_inv",
    "compacter": "compacter[reduction_factor=4]",
    "lora": "lora[r=4,alpha=4,attn_matrices=['q','k','v','o'],intermediate_lora=True,output_lora=True]",
    "ia3": "ia3",
    "prefix_tuning": "prefix_tuning[prefix_length=5]",
    "prefix_tuning_flat": "prefix_tuning_flat[prefix_length=5]",
    "mam": "mam",
    "unipelt": "unipelt",
    "noreft": "noreft[suffix_positions=2]",  # the projection of `loreft` is nothing after a step, on any model
}
HEADS = {
    "causal_lm": AutoModelForCausalLM,
    "masked_lm": AutoModelForMaskedLM,
    "classification": AutoModelForSequenceClassification,
    "tagging": AutoModelForTokenClassification,
    "question_answering": AutoModelForQuestionAnswering,
}


def output(model: PreTrainedModel, batch: dict[str, Tensor], **more: Any) -> Tensor:
    """What a model returns first, where nothing is padding."""
    with torch.no_grad():
        returned = model(**batch, **more)[0]
    mask = batch.get("attention_mask")
    return returned if mask is None or returned.dim() < 3 else returned * mask.unsqueeze(-1)


def difference(first: Tensor, second: Tensor) -> float:
    return (first - second).abs().max().item()


def randomised(model: PreTrainedModel, name: str) -> None:
    """Weights of an adapter that do something, as trained ones; its bottlenecks may begin as nothing."""
    torch.manual_seed(2)
    for key, parameter in adapter_parameters(model, name).items():
        if "parametrizations" not in key:  # those are bound to be orthogonal
            parameter.data.normal_(std=0.2)


def adapter_parameters(model: PreTrainedModel, name: str) -> dict[str, Tensor]:
    return {key: value for key, value in model.named_parameters() if f".{name}." in f"{key}."}


def unchanged(subject: Subject) -> Iterator[Found]:
    """Without adapters a model computes what it did; the cache is filled; AutoAdapterModel is the same model."""
    for auto in (AutoModel, *HEADS.values()):
        if not _has(auto, subject):
            continue
        plain, adapted = subject.made(auto), subject.made(auto)
        adapters.init(adapted)
        worst = max(difference(output(plain, batch), output(adapted, batch)) for batch in batches().values())
        bound = CLOSE if subject.name == "gpt_neox" else SAME  # where two sums become one after the other
        yield subject.at_most(f"without adapters: {type(plain).__name__}", worst, bound)
    base = subject.made(AutoModel)
    flexible = subject.made(AutoAdapterModel)
    flexible.base_model.load_state_dict(base.state_dict(), strict=False)
    worst = difference(output(base, batches()["plain"]), output(flexible, batches()["plain"]))
    yield subject.at_most("AutoAdapterModel without a head", worst, CLOSE)
    if subject.name in ENCODERS:
        return
    cached = flexible(batches()["plain"]["input_ids"][:, :7], use_cache=True).past_key_values
    yield subject.found("cache after 7 tokens", cached.get_seq_length(), cached.get_seq_length() == 7)


def acts_and_is_saved(subject: Subject, name: str, config: str) -> Iterator[Found]:
    """An adapter has an effect, alone gets gradients, learns, and is what it was after it is loaded."""
    model = subject.made(subject.language_model)
    plain = {key: output(model, batch) for key, batch in batches().items()}
    adapters.init(model)
    model.add_adapter("a", config=config)
    randomised(model, "a")
    model.train_adapter("a")
    model.eval()
    acted = {key: output(model, batch) for key, batch in batches().items()}
    effect = min(difference(acted[key], plain[key]) for key in plain)
    yield subject.found(f"{name}: effect", effect, effect > 1e-3)

    losses, touched, others = trained(model)
    yield subject.found(
        f"{name}: loss after {STEPS} steps", f"{losses[0]:.4f} → {losses[-1]:.4f}", losses[-1] < losses[0]
    )
    missed = sorted(set(adapter_parameters(model, "a")) - touched)
    yield subject.found(f"{name}: weights without gradient", ", ".join(missed) or 0, not missed)
    yield subject.found(f"{name}: other weights with gradient", ", ".join(sorted(others)) or 0, not others)

    with TemporaryDirectory() as folder:
        model.save_adapter(folder, "a")
        twin = subject.made(subject.language_model)
        adapters.init(twin)
        twin.load_adapter(folder, load_as="b", set_active=True)
    worst = max(difference(output(model, batch), output(twin.eval(), batch)) for batch in batches().values())
    yield subject.at_most(f"{name}: saved and loaded under another name", worst, SAME)

    model.delete_adapter("a")
    base, as_before = model.base_model, subject.made(subject.language_model).base_model
    worst = max(difference(output(base, batch), output(as_before, batch)) for batch in batches().values())
    yield subject.at_most(f"{name}: after it is deleted", worst, CLOSE)


def trained(model: PreTrainedModel) -> tuple[list[float], set[str], set[str]]:
    """The losses, the adapter's weights that got a gradient, and any others."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=5e-3)
    batch = batches()["plain"]
    losses, touched, others = [], set(), set()
    for _ in range(STEPS):
        loss = model(**batch, labels=batch["input_ids"]).loss
        loss.backward()
        losses.append(loss.item())
        with_gradient = {
            key for key, value in model.named_parameters() if value.grad is not None and value.grad.abs().max() > 0
        }
        touched |= with_gradient & set(adapter_parameters(model, "a"))
        others |= {key for key in with_gradient - touched if key.startswith(f"{model.base_model_prefix}.")}
        optimizer.step()
        optimizer.zero_grad()
    return losses, touched, others


def generates(subject: Subject, name: str, config: str) -> Found:
    """Token by token with a cache is what the whole sequence gives at once, for padded rows, too."""
    model = subject.made(AutoModelForCausalLM)
    adapters.init(model)
    model.add_adapter("a", config=config, set_active=True)
    randomised(model, "a")
    model.eval()
    batch = batches()["padded"]
    tell = {"max_new_tokens": 8, "min_new_tokens": 8, "do_sample": False, "return_dict_in_generate": True}
    with_cache, without = (
        model.generate(**batch, **tell, use_cache=use_cache, output_logits=True) for use_cache in (True, False)
    )
    worst = max(difference(a, b) for a, b in zip(with_cache.logits, without.logits, strict=True))
    return subject.found(
        f"{name}: logits of 8 new tokens, with cache and without",
        worst,
        worst <= 1e-3 and torch.equal(with_cache.sequences, without.sequences),
    )


def prefix_reference(subject: Subject) -> Iterator[Found]:
    """Prefixes are what upstream computes when its own cache begins with the same keys and values."""
    plain, model = subject.made(AutoModel), subject.made(AutoModel)
    adapters.init(model)
    model.add_adapter("a", config=ADAPTERS["prefix_tuning"], set_active=True)
    randomised(model, "a")
    model.eval()
    (states,) = model.prefix_tuning.prefix_tunings["a"](3).values()
    for key, batch in batches().items():
        cache = DynamicCache()
        for layer, (keys, values) in enumerate(states):
            cache.update(keys.detach(), values.detach(), layer)
        ids, mask = batch["input_ids"], batch.get("attention_mask", torch.ones_like(batch["input_ids"]))
        own_positions = (
            (mask.cumsum(-1) - 1).clamp(min=0) if key == "padded" else torch.arange(ids.shape[-1]).expand_as(ids)
        )
        extended = torch.cat([mask.new_ones(3, 5), mask], dim=-1)
        tell = {"position_ids": own_positions, "use_cache": True}
        expected = output(plain, {"input_ids": ids}, attention_mask=extended, past_key_values=cache, **tell)
        given = output(model, batch, position_ids=own_positions, use_cache=True)
        worst = difference(expected * mask.unsqueeze(-1), given * mask.unsqueeze(-1))
        yield subject.at_most(f"prefix is a cache that begins with it, {key}", worst, 1e-4)


def prefix_is_causal(subject: Subject) -> Iterator[Found]:
    """With a prefix a token sees all that is before it, and nothing after it."""
    model = subject.made(AutoModel)
    adapters.init(model)
    model.add_adapter("a", config=ADAPTERS["prefix_tuning"], set_active=True)
    randomised(model, "a")
    ids = batches()["plain"]["input_ids"]
    changed = ids.clone()
    changed[:, 4] = (changed[:, 4] + 1 - 3) % 93 + 3
    moved = (output(model, {"input_ids": ids}) - output(model, {"input_ids": changed})).abs().amax((0, 2))
    yield subject.found("prefix: a token moves the next ones", moved[5:].min().item(), moved[5:].min().item() > 1e-4)
    yield subject.at_most("prefix: a token moves earlier ones", moved[:4].max().item(), SAME)


def unequal_prefixes(subject: Subject) -> Found:
    """Examples of one batch with prefixes of different lengths are as if they were alone."""
    model = subject.made(AutoModel)
    adapters.init(model)
    for name, length in (("long", 6), ("short", 2)):
        model.add_adapter(name, config=f"prefix_tuning[prefix_length={length}]")
        randomised(model, name)
    model.eval()
    worst = 0.0
    for batch in batches().values():
        model.set_active_adapters(BatchSplit("long", "short", batch_sizes=[1, 2]))
        together = output(model, batch)
        alone = []
        for name, rows in (("long", slice(0, 1)), ("short", slice(1, 3))):
            model.set_active_adapters(name)
            alone.append(output(model, {key: value[rows] for key, value in batch.items()}))
        worst = max(worst, difference(together, torch.cat(alone)))
    return subject.at_most("prefixes of 6 and 2 positions in one batch, and alone", worst, 1e-4)


def roles_of_lora(subject: Subject) -> Iterator[Found]:
    """LoRA on one of queries, keys and values changes its channels alone, also where one projection has all."""
    base = subject.made(AutoModel)
    adapters.init(base)
    projections = {key: module for key, module in base.named_modules() if key.endswith(tuple(ROLES))}
    for role in "qkv":
        base.add_adapter(role, config=f"lora[r=4,attn_matrices=['{role}']]", set_active=True)
        randomised(base, role)
        moved = {found for key, module in projections.items() for found in moved_by(base, key, module)}
        yield subject.found(f"lora on {role} moves", "".join(sorted(moved)), moved == {role})
        before = output(base, batches()["plain"])
        base.merge_adapter(role)
        yield subject.at_most(f"lora on {role}, merged", difference(before, output(base, batches()["plain"])), 1e-4)
        base.reset_adapter()
        base.set_active_adapters(None)


ROLES = {
    "q_proj": "q",
    "k_proj": "k",
    "v_proj": "v",
    ".query": "q",
    ".key": "k",
    ".value": "v",
    "query_key_value": "qkv",
}


def moved_by(base: PreTrainedModel, key: str, module: torch.nn.Module) -> Iterator[str]:
    """The roles of a projection whose channels the active adapter changes; fused ones have them by head."""
    active = base.active_adapters
    states = torch.randn(2, 5, module.in_features)
    with torch.no_grad():
        with_adapter = module(states)
        base.set_active_adapters(None)
        moved = (with_adapter - module(states)).abs().amax((0, 1)) > 0
        base.set_active_adapters(active)
    roles = next(roles for end, roles in ROLES.items() if key.endswith(end))
    by_role = moved.view(4, len(roles), -1).any(-1).any(0) if len(roles) > 1 else moved.any()[None]
    yield from (role for role, is_moved in zip(roles, by_role, strict=True) if is_moved)


def parallel_is_refused(subject: Subject) -> Found:
    """The block that repeats the batch inside of the model says that it is not supported."""
    model = subject.made(AutoModel)
    adapters.init(model)
    for name in "ab":
        model.add_adapter(name, config="seq_bn")
    try:
        model.set_active_adapters(Parallel("a", "b"))
    except ValueError as error:
        return subject.found("Parallel", str(error), "support" in str(error))
    return subject.found("Parallel", "is taken", is_right=False)


def heads_convert(subject: Subject) -> Iterator[Found]:
    """A checkpoint with a fixed head is loaded with a flexible one that returns the same."""
    for kind, auto in HEADS.items():
        if not _has(auto, subject):
            continue
        static = subject.made(auto)
        if type(static).__name__ not in STATIC_TO_FLEX_HEAD_MAP:
            continue
        with TemporaryDirectory() as folder:
            static.save_pretrained(folder)
            loaded = AutoAdapterModel.from_pretrained(folder, attn_implementation=subject.attention).eval()
        worst = max(difference(output(static, batch), output(loaded, batch)) for batch in batches().values())
        yield subject.at_most(f"fixed head as flexible one: {kind}", worst, CLOSE)


def flexible_heads_learn(subject: Subject) -> Iterator[Found]:
    """An adapter with its own head on an AutoAdapterModel learns, is saved with the head, and loaded with it."""
    model = subject.made(AutoAdapterModel)
    model.add_adapter("a", config="seq_bn")
    model.add_classification_head("a", num_labels=3)
    model.train_adapter("a")
    batch, labels = batches()["padded"], torch.tensor([0, 1, 2])
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], lr=5e-3)
    losses = []
    for _ in range(STEPS):
        loss = model(**batch, labels=labels).loss
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
        optimizer.zero_grad()
    yield subject.found("classification head: loss", f"{losses[0]:.4f} → {losses[-1]:.4f}", losses[-1] < losses[0])
    model.eval()
    with TemporaryDirectory() as folder:
        model.save_adapter(folder, "a", with_head=True)
        twin = subject.made(AutoAdapterModel)
        twin.load_adapter(folder, set_active=True)
    worst = difference(output(model, batch), output(twin.eval(), batch))
    yield subject.at_most("classification head: saved and loaded with its adapter", worst, SAME)


def _has(auto: Any, subject: Subject) -> bool:
    is_for_encoders = auto is AutoModelForMaskedLM
    wrong = auto is AutoModelForCausalLM if subject.name in ENCODERS else is_for_encoders
    return not wrong and type(subject.config) in auto._model_mapping


def tests_are_for(name: str) -> Found:
    """The configuration of the generated test module makes a model that takes what the library's tests give it."""
    torch.manual_seed(0)
    model = AutoAdapterModel.from_config(generated_tests(name).config())
    model.add_adapter("a", config="mam", set_active=True)
    model.add_classification_head("a", num_labels=2)
    logits = model(torch.randint(0, 5000, (3, 64))).logits
    is_right = logits.shape == (3, 2) and type(model).__name__ in dir(adapters)
    return Found(
        name, model.config._attn_implementation, "its test module's model takes (3, 64) tokens", len(logits), is_right
    )


def all_checks(name: str) -> Iterator[Found]:
    for attention in ("eager",) if name in ONLY_EAGER else ("eager", "sdpa"):
        subject = Subject(name, attention)
        yield from unchanged(subject)
        for variant in VARIANTS.get(name, {}):
            yield from unchanged(Subject(name, attention, variant))
            yield from acts_and_is_saved(Subject(name, attention, variant), "double_seq_bn", "double_seq_bn")
        for method, config in ADAPTERS.items():
            yield from acts_and_is_saved(subject, method, config)
        if name not in ENCODERS:
            for method in ("double_seq_bn", "lora", "prefix_tuning"):
                yield generates(subject, method, ADAPTERS[method])
            yield from prefix_reference(subject)
            yield from prefix_is_causal(subject)
        yield unequal_prefixes(subject)
        yield from roles_of_lora(subject)
        yield parallel_is_refused(subject)
        yield tests_are_for(name)
        yield from heads_convert(subject)
        yield from flexible_heads_learn(subject)


def main(names: list[str]) -> int:
    wrong = 0
    for name in names:
        for found in all_checks(name):
            wrong += not found.is_right
            print(json.dumps(asdict(found)), flush=True)
    return 2 if wrong else 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main(sys.argv[1:]))
