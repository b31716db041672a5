"""Transformers' tests of one class, as a `unittest` case."""

from __future__ import annotations

import inspect
import unittest
from collections.abc import Iterator
from functools import cache, lru_cache

from tests_adapters.core.upstream.flavours import Flavour
from tests_adapters.core.upstream.modules import upstream_module
from tests_adapters.core.upstream.tester import TinyModelTester


MIXINS = {
    "test_modeling_common": "ModelTesterMixin",
    "test_training_mixin": "TrainingTesterMixin",
    "test_tensor_parallel_mixin": "TensorParallelTesterMixin",
    "test_expert_parallel_mixin": "ExpertParallelTesterMixin",
    "test_fsdp_mixin": "FSDPTesterMixin",
}
GENERATION = ("generation.test_utils", "GenerationTesterMixin")


@cache
def mixins() -> tuple[type, ...]:
    """The classes with the tests that transformers runs on every model."""
    return tuple(getattr(upstream_module(module), name) for module, name in MIXINS.items())


@lru_cache(maxsize=8)  # tests of a class follow each other
def test_case(flavour: Flavour) -> type[unittest.TestCase]:
    """The case of a class. Its name is a model's, as transformers' tests know it."""
    cls, tester = flavour.model_class, TinyModelTester(flavour.subject, flavour.model_class)
    config = tester.get_config()
    bases = (*_generation(cls), *mixins(), unittest.TestCase)
    members = {
        "all_model_classes": (cls,),
        "model_tester": tester,
        "is_encoder_decoder": config.is_encoder_decoder,
        "has_attentions": bool(tester.tensors("attentions")),
        "test_resize_embeddings": tester.has_words,
        "_is_composite": bool(config.sub_configs),
    }
    return type(f"{flavour.case.base.cls.__name__}Test", bases, members)


def _generation(cls: type) -> Iterator[type]:
    if cls.can_generate():
        module, name = GENERATION
        yield getattr(upstream_module(module), name)


@cache
def test_names() -> tuple[str, ...]:
    """The tests that run on this machine, whatever the class is."""
    return tuple(name for name, reason in _all_tests() if reason is None)


@cache
def left_out() -> tuple[tuple[str, str], ...]:
    """The others, with the reason that transformers gives: they need an accelerator, say."""
    return tuple((name, reason) for name, reason in _all_tests() if reason is not None)


def _all_tests() -> Iterator[tuple[str, str | None]]:
    module, name = GENERATION
    every = type("Every", (getattr(upstream_module(module), name), *mixins()), {})
    for name, test in inspect.getmembers(every, callable):
        if name.startswith("test_"):
            is_skipped = getattr(test, "__unittest_skip__", False)
            yield name, test.__unittest_skip_why__ if is_skipped else None
