"""Prediction heads: one kind per file, all built from the flat dictionary that `head_config.json` stores."""

from typing import Any

from transformers import PreTrainedModel

from generated.core.heads.base import PredictionHead
from generated.core.heads.causal_lm import CausalLMHead
from generated.core.heads.classification import ClassificationHead
from generated.core.heads.dependency_parsing import BiaffineParsingHead, DependencyParsingOutput
from generated.core.heads.division import parse_heads_from_composition
from generated.core.heads.image_classification import ImageClassificationHead
from generated.core.heads.language_modeling import LanguageModelingHead
from generated.core.heads.masked_lm import BertStyleMaskedLMHead
from generated.core.heads.multilabel_classification import MultiLabelClassificationHead
from generated.core.heads.multiple_choice import MultipleChoiceHead
from generated.core.heads.outputs import MultiHeadOutput
from generated.core.heads.question_answering import QuestionAnsweringHead
from generated.core.heads.seq2seq_lm import Seq2SeqLMHead
from generated.core.heads.tagging import TaggingHead


MODEL_HEAD_MAP: dict[str, type[PredictionHead]] = {
    head_class.head_type: head_class
    for head_class in (
        ClassificationHead,
        MultiLabelClassificationHead,
        TaggingHead,
        MultipleChoiceHead,
        QuestionAnsweringHead,
        BiaffineParsingHead,
        ImageClassificationHead,
        BertStyleMaskedLMHead,
        CausalLMHead,
        Seq2SeqLMHead,
    )
}


def make_head(
    head_class: type[PredictionHead], model: PreTrainedModel, name: str, config: dict[str, Any]
) -> PredictionHead:
    """The head that the entry `config` of a `head_config.json` describes, with new weights.

    Raises:
        TypeError: `config` has a key that this kind of head does not know.
    """
    arguments = {key: value for key, value in config.items() if key not in ("head_type", "label2id")}
    if config.get("label2id") and not config.get("id2label"):
        arguments["id2label"] = {index: label for label, index in config["label2id"].items()}
    return head_class(model, name, **arguments)


__all__ = [
    "MODEL_HEAD_MAP",
    "BertStyleMaskedLMHead",
    "BiaffineParsingHead",
    "CausalLMHead",
    "ClassificationHead",
    "DependencyParsingOutput",
    "ImageClassificationHead",
    "LanguageModelingHead",
    "MultiHeadOutput",
    "MultiLabelClassificationHead",
    "MultipleChoiceHead",
    "PredictionHead",
    "QuestionAnsweringHead",
    "Seq2SeqLMHead",
    "TaggingHead",
    "make_head",
    "parse_heads_from_composition",
]
