"""The promises that every generated model keeps. A generated test module says only which model it is about.

class BertAdapterModelTest(AdapterModelTests):
    case = BERT
"""

from __future__ import annotations

from typing import ClassVar

from transformers import PreTrainedConfig, PreTrainedModel

from adaptergen.verify.subjects import ModelCase
from tests_adapters.core.heads.conversion_suite import ClassConversionSuite
from tests_adapters.core.suite.batches import BatchTests
from tests_adapters.core.suite.embeddings import EmbeddingTests
from tests_adapters.core.suite.files import FileTests
from tests_adapters.core.suite.flexible_heads import AdapterModelTests
from tests_adapters.core.suite.forms import thorough
from tests_adapters.core.suite.handling import HandlingTests
from tests_adapters.core.suite.methods import MethodTests


__all__ = ["AdapterModelTests", "AdapterTests", "ClassConversionTests", "ModelCase"]


class AdapterTests(MethodTests, HandlingTests, FileTests, BatchTests, EmbeddingTests):
    """Every class of the architecture, in every role that it can have, with every adapter method."""


@thorough
class ClassConversionTests(ClassConversionSuite):
    """Classes with a fixed head, and the flexible heads that equal them."""

    case: ClassVar[ModelCase]

    @property
    def adapter_model(self) -> type[PreTrainedModel]:
        return self.case.adapter_model_class

    @property
    def config(self) -> PreTrainedConfig:
        return self.case.tiny_config()
