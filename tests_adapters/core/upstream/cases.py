"""Transformers' tests of one class, as a `unittest` case."""

from __future__ import annotations

import inspect
import unittest
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import ClassVar

from transformers import PreTrainedModel

from adaptergen.verify.subjects import ModelCase
from tests_adapters.core.upstream.flavours import Flavour
from tests_adapters.core.upstream.modules import is_left_out, upstream_module
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
    own = _tests_of_model(flavour.case)
    bases, members = ((own,), {}) if own is not None else _bases_and_members(flavour)
    name = f"{flavour.case.base.cls.__name__}Test"
    return type(name, (_OverOneClass, *bases), {**members, "tested_class": flavour.model_class})


class _OverOneClass:
    """What is tested is one class, whichever the tests of a model list."""

    tested_class: ClassVar[type[PreTrainedModel]]

    def setUp(self) -> None:
        super().setUp()
        self.all_model_classes = (self.tested_class,)


def _bases_and_members(flavour: Flavour) -> tuple[tuple[type, ...], dict[str, object]]:
    """Transformers' mixins over a tiny model of ours."""
    cls, tester = flavour.model_class, TinyModelTester(flavour.subject, flavour.model_class)
    config = tester.get_config()
    members = {
        "model_tester": tester,
        "is_encoder_decoder": config.is_encoder_decoder,
        "has_attentions": bool(tester.tensors("attentions")),
        "test_resize_embeddings": tester.has_words,
        "_is_composite": bool(config.sub_configs),
    }
    return (*_generation(cls), *mixins(), unittest.TestCase), members


def _tests_of_model(case: ModelCase) -> type[unittest.TestCase] | None:
    """Transformers' own tests of the model, `<Model>ModelTest`, if they are at hand: a checkout has them."""
    folder, modeling = case.base.cls.__module__.split(".")[-2:]
    name = f"models.{folder}.test_{modeling}"
    if is_left_out(name):
        return None
    module = upstream_module(name)
    found = (each for each in vars(module).values() if _is_of_model(each) and each.__module__ == module.__name__)
    return next(found, None)


def _is_of_model(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, unittest.TestCase) and issubclass(value, mixins()[0])


def _generation(cls: type) -> Iterator[type]:
    if cls.can_generate():
        module, name = GENERATION
        yield getattr(upstream_module(module), name)


def test_names(case: ModelCase) -> tuple[str, ...]:
    """
    The tests of a model that can be run on this machine, whatever the class is.

    Raises:
        NotAtHand: there are no tests of transformers.
    """
    return _names(_tests_of_model(case))


@cache
def _names(own: type[unittest.TestCase] | None) -> tuple[str, ...]:
    module, name = GENERATION
    tests = own or type("Every", (getattr(upstream_module(module), name), *mixins()), {})
    return tuple(
        name
        for name, test in inspect.getmembers(tests, callable)
        if name.startswith("test_") and not getattr(test, "__unittest_skip__", False)
    )
