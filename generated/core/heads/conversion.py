"""How does the one head of a transformers class become one head of an adapter model?

    static module            position in the flexible head
    (none)                   0    dropout
    classifier.weight        1    linear
    classifier.bias

Which module goes where is data (`StaticHead`, one per transformers class); this file is the arithmetic: names, labels,
vocabulary.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedConfig

from generated.core.config_names import config_value
from generated.core.heads.errors import HeadConversionError


@dataclass(frozen=True)
class FromConfig:
    """A value that the model's config knows: the first of `names` that is set there, else `default`."""

    names: tuple[str, ...]
    default: Any = None

    def read(self, config: PreTrainedConfig) -> Any:
        values = (getattr(config, name, None) for name in self.names)
        return next((value for value in values if value is not None), self.default)


@dataclass(frozen=True)
class StaticHead:
    """How the head of one transformers class is built from the layers of a flexible head.

    Attributes:
        config: the flexible head's config; values may be `FromConfig`.
        modules: for each position of the flexible head the name of the static module with its weights, `None` for a
            position without.
        output_bias: name of a tensor that the static class adds to the logits, if it keeps the bias of the last layer
            apart.
    """

    config: Mapping[str, Any]
    modules: tuple[str | None, ...]
    output_bias: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Modules and tensors of the static class that belong to the head."""
        return tuple(name for name in (*self.modules, self.output_bias) if name)


@dataclass(frozen=True)
class Labels:
    """What a checkpoint says about its labels; `None` where it says nothing."""

    label2id: Mapping[str, int] | None = None
    num_labels: int | None = None
    problem_type: str | None = None

    @classmethod
    def of(cls, config: PreTrainedConfig) -> "Labels":
        return cls(config.label2id, config.num_labels, config.problem_type)


def convert_head(
    static: StaticHead, tensors: Mapping[str, torch.Tensor], labels: Labels, config: PreTrainedConfig
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """The config and the weights (`<position>.<parameter>`) of the flexible head that equals a static one.

    Args:
        tensors: the static head's weights under the names of its class; a projection tied to the input embeddings may
            be absent.
        config: the model's config.

    Raises:
        HeadConversionError: a weight has no place in the flexible head, or the task has no head type.
    """
    weights = _place_modules(static, tensors)
    head_config = {
        key: value.read(config) if isinstance(value, FromConfig) else value for key, value in static.config.items()
    }
    _place_output_bias(static, tensors, head_config, weights)
    _place_zero_biases(static, head_config, weights)
    if head_config["head_type"].endswith("_lm"):
        head_config["vocab_size"] = _output_size(static, weights) or config_value(config, "vocab_size")
    else:
        _name_labels(head_config, labels, _output_size(static, weights))
    return head_config, weights


def _place_modules(static: StaticHead, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    positions = {f"{module}.": f"{index}." for index, module in enumerate(static.modules) if module}
    weights = {}
    for name, tensor in tensors.items():
        if name == static.output_bias:
            continue
        module = next((module for module in positions if name.startswith(module)), None)
        if module is None:
            raise HeadConversionError(f"'{name}' belongs to none of the head's modules ({', '.join(static.names)})")
        weights[positions[module] + name.removeprefix(module)] = tensor
    return weights


def _place_output_bias(
    static: StaticHead,
    tensors: Mapping[str, torch.Tensor],
    head_config: dict[str, Any],
    weights: dict[str, torch.Tensor],
) -> None:
    """Give the output bias to a last layer without one of its own, unless it is nothing but zeros."""
    last = f"{len(static.modules) - 1}.bias"
    if static.output_bias not in tensors or last in weights:
        return
    bias = tensors[static.output_bias].flatten()
    if head_config.get("bias") or bias.any():
        head_config["bias"] = True
        weights[last] = bias


def _place_zero_biases(static: StaticHead, head_config: Mapping[str, Any], weights: dict[str, torch.Tensor]) -> None:
    """Where a static module has no bias and the flexible one has, it is zero."""
    for position, module in enumerate(static.modules):
        is_last = position == len(static.modules) - 1
        weight = weights.get(f"{position}.weight")
        if module and weight is not None and (not is_last or head_config.get("bias", True)):
            weights.setdefault(f"{position}.bias", weight.new_zeros(weight.shape[0]))


def _output_size(static: StaticHead, weights: Mapping[str, torch.Tensor]) -> int | None:
    """Rows of the last layer, `None` if neither its weight nor its bias was saved."""
    last = len(static.modules) - 1
    rows = (weights[name].shape[0] for name in (f"{last}.weight", f"{last}.bias") if name in weights)
    return next(rows, None)


def _name_labels(head_config: dict[str, Any], labels: Labels, outputs: int | None) -> None:
    """Fill in the number of labels, their names, and the kind of classification."""
    if head_config["head_type"] == "multiple_choice":
        head_config["num_choices"] = labels.num_labels or 2
        return
    count = outputs or labels.num_labels or 2
    head_config["num_labels"] = count
    if labels.label2id and len(labels.label2id) == count:
        head_config["label2id"] = dict(labels.label2id)
    if labels.problem_type == "regression" and count > 1:
        raise HeadConversionError(f"a regression with {count} outputs has no flexible head")
    if labels.problem_type == "multi_label_classification" and head_config["head_type"] == "classification":
        head_config["head_type"] = "multilabel_classification"
    if labels.problem_type == "multi_label_classification" and head_config["head_type"] == "image_classification":
        head_config["multilabel"] = True
