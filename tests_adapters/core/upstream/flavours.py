"""As what is a class of an architecture put to transformers' tests?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import islice

import torch
from transformers import PreTrainedModel

from adaptergen.verify.adapters import AdapterForm
from adaptergen.verify.subjects import ModelCase, Subject
from tests_adapters.core.upstream.classes import finished, forms_together, with_adapters


class Kind(StrEnum):
    """What is tested of the class: with flexible heads, after `init`, after `init` and with adapters that act."""

    ADAPTER_MODEL = "adapter model"
    INITIALIZED = "after init"
    ADAPTED = "with adapters"
    UPSTREAM = "upstream"


@dataclass(frozen=True, eq=False)
class Flavour:
    """
    A class, as one kind of model.

    Args:
        subject: the class of upstream, in its usual role; for the adapter model, the base class.
    """

    subject: Subject
    kind: Kind

    @property
    def label(self) -> str:
        return f"{self.model_class.__name__}, {self.kind}"

    @property
    def case(self) -> ModelCase:
        return self.subject.case

    @cached_property
    def model_class(self) -> type[PreTrainedModel]:
        """The class that the tests get."""
        match self.kind:
            case Kind.ADAPTER_MODEL:
                return self.case.adapter_model_class
            case Kind.INITIALIZED:
                return finished(self.subject.cls, self.case.runtime.init)
            case Kind.ADAPTED:
                return finished(self.subject.cls, self._with_adapters)
            case Kind.UPSTREAM:  # as the others, it is no class that tests know
                return finished(self.subject.cls, lambda model: model)

    @cached_property
    def forms(self) -> tuple[AdapterForm, ...]:
        """Of the adapters that act in it; to find them, models are made, with values in any case."""
        with torch.device("cpu"):
            return forms_together(self.subject)

    def _with_adapters(self, model: PreTrainedModel) -> PreTrainedModel:
        return with_adapters(self.case.runtime, self.forms, model)

    @cached_property
    def controls(self) -> tuple[Flavour, ...]:
        """Classes of upstream that are like it: its own, and for the adapter model one with a head around it."""
        heads = (each for each in self.case.subjects if each.cls is not self.subject.cls and not each.is_part)
        around = islice(heads, 1) if self.kind is Kind.ADAPTER_MODEL else ()
        return tuple(Flavour(each, Kind.UPSTREAM) for each in (self.subject, *around))


def flavours(case: ModelCase, *, everything: bool) -> Iterator[Flavour]:
    """The adapter model; and, if everything is asked for, each class of upstream after `init`, and with adapters."""
    yield Flavour(case.base, Kind.ADAPTER_MODEL)
    if everything:
        for subject in case.subjects:
            if not subject.overrides:
                yield Flavour(subject, Kind.INITIALIZED)
                yield Flavour(subject, Kind.ADAPTED)
