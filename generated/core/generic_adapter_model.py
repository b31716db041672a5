"""What is the adapter model of a base class for which no adapter model was generated?

Several base classes may share a modeling file, and people derive classes of their own; `generated.init` takes them
all. Their adapter model is made when it is asked for: the heads follow from what the base model reads and returns.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import torch
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.generation import GenerationMixin

from generated.core.auto import adapter_model_over
from generated.core.flexible_heads import ModelWithFlexibleHeadsAdaptersMixin
from generated.core.heads.encoder_decoder import EncoderDecoderHeadsMixin
from generated.core.heads.sentence import SentenceSource
from generated.core.init import init
from generated.core.integrations import load_integration, package_of
from generated.core.placed import present_stacks


OF_TEXTS = ("classification", "multilabel_classification", "multiple_choice", "question_answering", "tagging")
OF_ENCODERS = (*OF_TEXTS, "dependency_parsing", "masked_lm")
OF_DECODERS = (*OF_TEXTS, "causal_lm")
OF_BOTH = ("classification", "multilabel_classification", "question_answering", "seq2seq_lm")
OF_IMAGES = ("image_classification",)
OF_OTHERS = ("classification", "multilabel_classification")
TARGETS = {
    "question_answering": ("start_positions", "end_positions"),
    "dependency_parsing": ("word_starts", "labels_arcs", "labels_rels"),
}


@dataclass(frozen=True)
class Traits:
    """What tells the adapter models of two base classes apart.

    Attributes:
        stacks: kinds of the stacks of layers, in order.
        reads: name of the argument that holds the input.
        has_pooler: the base model returns a pooled output.
    """

    stacks: tuple[str, ...]
    reads: str
    has_pooler: bool
    lm_scale: ClassVar[float] = 1.0
    logit_softcap: ClassVar[float | None] = None

    @classmethod
    def of(cls, base_class: type[PreTrainedModel], config: PreTrainedConfig) -> Traits:
        """
        Raises:
            UnsupportedModelError: no adapters were generated for it.
        """
        with torch.device("meta"):
            model = init(base_class(copy.deepcopy(config)))
        stacks = tuple(dict.fromkeys(stack.kind for stack in present_stacks(model)))
        return cls(stacks, model.main_input_name, getattr(model, "pooler", None) is not None)

    @property
    def head_types(self) -> tuple[str, ...]:
        if self.reads == "pixel_values":
            return OF_IMAGES
        if len(self.stacks) > 1:
            return OF_BOTH
        if self.reads != "input_ids":
            return OF_OTHERS
        return OF_DECODERS if self.stacks == ("decoder",) else OF_ENCODERS

    @property
    def sentence_source(self) -> SentenceSource:
        if self.has_pooler:
            return "pooler"
        if len(self.stacks) > 1:
            return "last_eos"
        return "last_token" if self.stacks == ("decoder",) else "first_token"

    def bases(self, pretrained: type[PreTrainedModel]) -> tuple[type, ...]:
        """Of the adapter model, given the class that all models of the modeling file derive from."""
        both = (EncoderDecoderHeadsMixin,) if len(self.stacks) > 1 else ()
        generation = (GenerationMixin,) if "decoder" in self.stacks else ()
        return (*both, ModelWithFlexibleHeadsAdaptersMixin, pretrained, *generation)


@cache
def generic_adapter_model(base_class: type[PreTrainedModel], traits: Traits) -> type[PreTrainedModel]:
    """A class with adapters and flexible heads over `base_class`, called `<Base>AdapterModel`."""
    prefix = base_class.base_model_prefix or "model"
    relative = _relative(base_class) or traits
    parameters = _parameters(base_class, relative.head_types)
    _, *names = [parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]

    class AdapterModel(*traits.bases(_pretrained_class(base_class))):
        head_types = relative.head_types
        sentence_source = relative.sentence_source
        lm_scale = relative.lm_scale
        logit_softcap = relative.logit_softcap
        config_class = base_class.config_class
        base_model_prefix = prefix
        main_input_name = base_class.main_input_name

        def __init__(self, config: PreTrainedConfig):
            super().__init__(config)
            setattr(self, prefix, base_class(config))
            self.post_init()

        def forward(self, *args: Any, head: str | None = None, **kwargs: Any) -> Any:
            return self.forward_base_and_head(head, **dict(zip(names, args, strict=False)), **kwargs)

        def __reduce_ex__(self, protocol: int) -> tuple[Any, ...]:
            """Found again by what it was made from, because no module holds it."""
            _, _, *state = super().__reduce_ex__(max(protocol, 2))
            return (_rebuild, (base_class, traits), *state)

    AdapterModel.forward.__signature__ = inspect.Signature(parameters)
    AdapterModel.__name__ = AdapterModel.__qualname__ = f"{base_class.__name__.removesuffix('Model')}AdapterModel"
    AdapterModel.__doc__ = f"`{base_class.__name__}` with adapters and any number of prediction heads."
    return AdapterModel


def _rebuild(base_class: type[PreTrainedModel], traits: Traits) -> PreTrainedModel:
    cls = generic_adapter_model(base_class, traits)
    return cls.__new__(cls)


def _pretrained_class(base_class: type[PreTrainedModel]) -> type[PreTrainedModel]:
    """The class from which all models of the modeling file derive: it initialises weights, and has no forward."""
    above = [cls for cls in base_class.__mro__ if issubclass(cls, PreTrainedModel) and cls is not PreTrainedModel]
    return above[-1]


def _relative(base_class: type[PreTrainedModel]) -> type[PreTrainedModel] | None:
    """The adapter model that was generated for a class that `base_class` derives from."""
    integration = load_integration(package_of(base_class))
    found = integration.counterpart(base_class)
    return adapter_model_over(found[0]) if found is not None else None


def _parameters(base_class: type[PreTrainedModel], head_types: Sequence[str]) -> list[inspect.Parameter]:
    """Those of the base model's forward, and the targets of the heads: the Trainer keeps the columns named here."""
    own = inspect.signature(base_class.forward).parameters.values()
    named = [parameter for parameter in own if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    targets = ["labels", *(name for kind in head_types for name in TARGETS.get(kind, ()))]
    keyword_only = inspect.Parameter.KEYWORD_ONLY
    return [
        *named,
        *(inspect.Parameter(name, keyword_only, default=None) for name in (*targets, "head")),
        inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD),
    ]
