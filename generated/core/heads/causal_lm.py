"""Prediction head: which token comes next?"""

from transformers import PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithCrossAttentions

from generated.core.config_names import config_value
from generated.core.heads.language_modeling import LanguageModelingHead, embedding_width


class CausalLMHead(LanguageModelingHead):
    """Scores the next token at every position; labels are the input itself and are shifted here."""

    head_type = "causal_lm"
    output_class = CausalLMOutputWithCrossAttentions

    def __init__(
        self,
        model: PreTrainedModel,
        head_name: str,
        vocab_size: int | None = None,
        embedding_size: int | None = None,
        layers: int = 1,
        activation_function: str | None = None,
        layer_norm: bool = False,
        bias: bool = False,
        shift_labels: bool = True,
        dropout_prob: float | None = None,
    ):
        super().__init__(head_name)
        self.config = {
            "head_type": self.head_type,
            "vocab_size": vocab_size or config_value(model.config, "vocab_size"),
            "embedding_size": embedding_size or embedding_width(model.config),
            "layers": layers,
            "activation_function": activation_function,
            "layer_norm": layer_norm,
            "bias": bias,
            "shift_labels": shift_labels,
            "label2id": None,
            "dropout_prob": dropout_prob,
        }
        self.build(model)
