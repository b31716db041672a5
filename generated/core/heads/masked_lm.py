"""Prediction head: which token is behind the mask?"""

from transformers import PreTrainedModel
from transformers.modeling_outputs import MaskedLMOutput

from generated.core.config_names import config_value
from generated.core.heads.language_modeling import LanguageModelingHead, embedding_width


class BertStyleMaskedLMHead(LanguageModelingHead):
    """Scores the token at every position; labels are -100 except where a token was masked."""

    head_type = "masked_lm"
    output_class = MaskedLMOutput

    def __init__(
        self,
        model: PreTrainedModel,
        head_name: str,
        vocab_size: int | None = None,
        embedding_size: int | None = None,
        layers: int = 2,
        activation_function: str | None = "gelu",
        layer_norm: bool = True,
        bias: bool = True,
        shift_labels: bool = False,
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
        }
        self.build(model)
