"""What is a prediction head?

A stack of layers built from a flat dictionary. The dictionary is all that `head_config.json` stores, and the position
of a layer in the stack is its name in the weights file: `heads.NAME.<position>.weight`. Both are fixed by the
AdapterHub format.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from generated.core.config_names import config_value
from generated.core.heads.outputs import head_output, is_sequence_to_sequence
from generated.core.layers.linear import activation
from generated.core.methods.base import weight_placement


class PredictionHead(nn.Sequential):
    """A head called `name`; as a module it maps features to predictions.

    Subclasses set `config` and call `build`. A head of one's own does the same, returns its loss and predictions from
    `forward`, and is added with `add_prediction_head`, or made known as a type with `register_custom_head`.

    Attributes:
        reads_sentence: whether it predicts from one vector per sequence (`cls_output`) or from all tokens
            (`outputs[0]`).
        output_class: what its `forward` returns.
        seq2seq_output_class: the same on a model with encoder and decoder, if that differs.
        is_tied: whether the weight of its last layer is the weight of the model's input embeddings.
    """

    head_type: ClassVar[str]
    reads_sentence: ClassVar[bool] = False
    output_class: ClassVar[type[ModelOutput]]
    seq2seq_output_class: ClassVar[type[ModelOutput] | None] = None
    is_tied: bool = False

    def __init__(self, name: str):
        super().__init__()
        self.name = name
        self.config: dict[str, Any] = {}

    def build(self, model: PreTrainedModel) -> None:
        """Create and initialise the layers that `config` describes, for the width, type and device of `model`."""
        self.create_layers(model.config)
        initialise(self, model.config)
        device, dtype = weight_placement(model.base_model, model)
        self.to(device=device, dtype=dtype)
        self.train(model.training)

    def create_layers(self, config: PreTrainedConfig) -> None:
        """Put the layers into the stack, by their position."""
        for position, layer in enumerate(self.layers(config)):
            self.add_module(str(position), layer)

    def layers(self, config: PreTrainedConfig) -> list[nn.Module]:
        """Dropout and linear per layer, an activation between two layers; only the last layer can be without bias."""
        width, dropout = config_value(config, "hidden_size"), self.dropout_probability(config)
        outputs = self.config.get("num_labels", 1 if "num_choices" in self.config else width)
        modules: list[nn.Module] = []
        for _ in range(self.config["layers"] - 1):
            modules += [nn.Dropout(dropout), nn.Linear(width, width), *activations(self.config["activation_function"])]
        return [*modules, nn.Dropout(dropout), nn.Linear(width, outputs, bias=self.config.get("bias", True))]

    def dropout_probability(self, config: PreTrainedConfig) -> float:
        """The head's own dropout, else the classifier dropout of the model, else its hidden dropout."""
        own = self.config.get("dropout_prob")
        usual = (config_value_or_none(config, name) for name in ("classifier_dropout", "hidden_dropout_prob"))
        return next((probability for probability in (own, *usual) if probability is not None), 0.0)

    def finish(self, outputs: ModelOutput, return_dict: bool, **predictions: Any) -> ModelOutput | tuple[Any, ...]:
        """The output of the head's task, with what the base model returned besides."""
        output_class = self.output_class
        if self.seq2seq_output_class is not None and is_sequence_to_sequence(outputs):
            output_class = self.seq2seq_output_class
        output = head_output(output_class, outputs, **predictions)
        return output if return_dict else output.to_tuple()

    def get_label_names(self) -> list[str]:
        """Names of the forward arguments that hold the targets."""
        return ["labels"]

    def argument_names(self) -> tuple[str, ...]:
        """Names of the arguments of the model's `forward` that are meant for this head and not for the base model."""
        return tuple(self.get_label_names())

    def get_output_embeddings(self) -> nn.Module | None:
        """The layer that projects onto the vocabulary; `None` for heads without one."""
        return None


class LabelHead(PredictionHead):
    """A head that predicts logits and compares them with `labels`."""

    def logits(self, features: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """Predictions from (batch, hidden) sentence vectors or (batch, length, hidden) states."""
        return super().forward(features)

    def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """How far `logits` are from `labels`."""
        raise NotImplementedError

    def forward(
        self,
        outputs: ModelOutput,
        cls_output: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        return_dict: bool = False,
        labels: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> ModelOutput | tuple[Any, ...]:
        """Predict from the base model's `outputs`.

        Args:
            cls_output: (batch, hidden) sentence vectors, for heads that read one vector per sequence.
            labels: targets; a loss is returned if they are given.
        """
        logits = self.logits(cls_output if self.reads_sentence else outputs[0], **kwargs)
        loss = None if labels is None else self.loss(logits, labels.to(logits.device))
        return self.finish(outputs, return_dict, loss=loss, logits=logits)


def activations(name: str | None) -> list[nn.Module]:
    """The activation as a list of no or one module, because without an activation the later positions move up."""
    return [activation(name)] if name else []


def label_ids(id2label: Mapping[int | str, str] | Sequence[str] | None, count: int) -> dict[str, int]:
    """Label name to id; `LABEL_0`, `LABEL_1`, … where the labels have no names."""
    names = id2label or [f"LABEL_{index}" for index in range(count)]
    names = names if isinstance(names, Mapping) else dict(enumerate(names))
    return {label: int(index) for index, label in names.items()}


def config_value_or_none(config: PreTrainedConfig, name: str) -> Any:
    """The value called `name` in most configurations; `None` if this one has no such value."""
    try:
        return config_value(config, name)
    except AttributeError:
        return None


@torch.no_grad()
def initialise(head: nn.Module, config: PreTrainedConfig) -> None:
    """Normal weights with the model's own spread, zero biases, identity norms.

    The modules are marked, so that transformers does not initialise them again with the model around them.
    """
    spread = config_value_or_none(config, "initializer_range") or config_value_or_none(config, "init_std") or 0.02
    for module in head.modules():
        if isinstance(module, nn.Linear):
            module.weight.normal_(mean=0.0, std=spread)
            if module.bias is not None:
                module.bias.zero_()
        module._is_hf_initialized = True
    for parameter in head.parameters():
        parameter._is_hf_initialized = True
