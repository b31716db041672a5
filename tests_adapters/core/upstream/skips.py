"""Which of transformers' tests say nothing of a model with adapters? By a property of what is tested, with the reason.

Tests that upstream's own class does not pass either, with the same tiny model, are not listed: `outcomes.py` finds
them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from msgspec.structs import replace
from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer

from adaptergen.verify.exact import exact_model
from generated.core.flexible_heads import ModelWithFlexibleHeadsAdaptersMixin
from generated.core.whole_model import WholeModelAdaptersMixin
from tests_adapters.core.upstream.flavours import Flavour, Kind


@dataclass(frozen=True)
class Skip:
    """
    Args:
        tests: names of transformers' tests, with `*`.
        applies: to which models.
        reason: as people read it.
    """

    tests: tuple[str, ...]
    applies: Callable[[Flavour], bool]
    reason: str

    def is_about(self, test: str) -> bool:
        return any(fnmatchcase(test, each) for each in self.tests)


def _is_adapter_model(flavour: Flavour) -> bool:
    return flavour.kind is Kind.ADAPTER_MODEL


def _has_no_head(flavour: Flavour) -> bool:
    return issubclass(flavour.model_class, ModelWithFlexibleHeadsAdaptersMixin)


def _is_whole(flavour: Flavour) -> bool:
    return issubclass(flavour.model_class, WholeModelAdaptersMixin)


def _has_adapters(flavour: Flavour) -> bool:
    return flavour.kind is Kind.ADAPTED


def _has_adapters_and_leaves_out(flavour: Flavour) -> bool:
    return flavour.kind is Kind.ADAPTED and flavour.subject.cls._keys_to_ignore_on_save is not None


def _shares_states(flavour: Flavour) -> bool:
    """Does a layer get, as a keyword, what an earlier one has computed with gradients?"""
    if not flavour.subject.runs:
        return False
    found: list[str] = []

    def look(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        found.extend(name for name, value in kwargs.items() if isinstance(value, Tensor) and value.grad_fn is not None)

    model = flavour.subject.upstream().train()
    for module in model.modules():
        if isinstance(module, GradientCheckpointingLayer):
            module.register_forward_pre_hook(look, with_kwargs=True)
    with torch.enable_grad():
        model(**flavour.subject.inputs(model, padded=True))
    return bool(found)


def _sees_what_it_predicts(flavour: Flavour) -> bool:
    """Does it write text, though in this role its words see those that follow?"""
    return _has_adapters(flavour) and flavour.subject.cls.can_generate() and not flavour.subject.generates


def _gives_a_constant_sum(flavour: Flavour) -> bool:
    """Is the sum of what a new model gives the same whatever it reads, as if a norm has centred it?"""
    if not (_has_adapters(flavour) and flavour.subject.runs):
        return False
    subject = replace(flavour.subject, exact=True)
    model = exact_model(subject.cls._from_config(subject.config))
    try:
        words = model.get_input_embeddings()
    except NotImplementedError:
        return False
    with torch.enable_grad():
        model(**subject.inputs(model, padded=False))[0].sum().backward()
    gradient = getattr(getattr(words, "weight", None), "grad", None)
    return gradient is not None and float(gradient.abs().max()) < ROUNDING


def _is_its_own_base(flavour: Flavour) -> bool:
    """Is the base model of such a model after `init` the model itself, and before it a part?"""
    if flavour.kind is Kind.ADAPTER_MODEL:
        return False
    model = flavour.subject.initialized()
    return model.base_model is model and hasattr(model, model.base_model_prefix)


ROUNDING = 1e-12  # of a gradient in float64

SKIPS = (
    Skip(
        ("test_training", "test_training_gradient_checkpointing*"),
        _has_no_head,
        "a model with flexible heads has no loss before it is given a head; the suite trains it with each kind",
    ),
    Skip(
        ("test_eager_matches_sdpa_inference_*_output_attentions",),
        _has_no_head,
        "the test looks for attentions among the annotations of `**kwargs`, which are those of no one base model",
    ),
    Skip(
        ("test_moe_models_record_router_logits",),
        _is_adapter_model,
        "the test reads the file that the class is written in, which is not transformers' own",
    ),
    Skip(
        ("test_encoder_decoder_loss_no_double_shift", "test_training", "test_training_gradient_checkpointing*"),
        _is_whole,
        "the test knows the classes that have a loss by their names",
    ),
    Skip(
        ("test_training_gradient_checkpointing_use_reentrant_true",),
        _shares_states,
        "reentrant checkpoints go back through what layers share once for each layer, without end: upstream's, too",
    ),
    Skip(
        ("test_enable_input_require_grads_with_gradient_checkpointing",),
        _gives_a_constant_sum,
        "the test follows the gradient of a sum of states that a norm has centred: it is zero but for rounding",
    ),
    Skip(
        ("test_training_overfit",),
        _sees_what_it_predicts,
        "the test has a text written by a model that has learned to predict words which it saw",
    ),
    Skip(
        ("test_correct_missing_keys",),
        _is_its_own_base,
        "`base_model` of a base model is the model itself, also where a part of it has that name in transformers",
    ),
    Skip(
        ("test_save_load_keys_to_ignore_on_save",),
        _has_adapters_and_leaves_out,
        "adapters are left out of checkpoints beside what the class names itself: they are in folders of their own",
    ),
    Skip(
        ("test_init_weights_can_init_buffers",),
        _has_adapters,
        "adapters get their values when they are added, not by `_init_weights` of the model",
    ),
    Skip(
        ("test_model_weights_reload_no_missing_tied_weights",),
        _has_adapters,
        "adapters are in folders of their own: a checkpoint without them lacks nothing",
    ),
)


def reason_to_skip(test: str, flavour: Flavour) -> str | None:
    """Why this test is not run, or None if it is."""
    return next((skip.reason for skip in SKIPS if skip.is_about(test) and skip.applies(flavour)), None)
