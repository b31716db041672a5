"""Prediction head: which token does the decoder write next?"""

from transformers import PreTrainedModel
from transformers.modeling_outputs import Seq2SeqLMOutput

from generated.core.config_names import config_value
from generated.core.heads.language_modeling import LanguageModelingHead


class Seq2SeqLMHead(LanguageModelingHead):
    """Scores the next token of the target text.

    The labels are not shifted here, because the decoder reads them shifted.
    """

    head_type = "seq2seq_lm"
    output_class = Seq2SeqLMOutput

    def __init__(
        self,
        model: PreTrainedModel,
        head_name: str,
        vocab_size: int | None = None,
        layers: int = 1,
        activation_function: str | None = None,
        layer_norm: bool = False,
        bias: bool = False,
        shift_labels: bool = False,
    ):
        super().__init__(head_name)
        self.config = {
            "head_type": self.head_type,
            "vocab_size": vocab_size or config_value(model.config, "vocab_size"),
            "layers": layers,
            "activation_function": activation_function,
            "layer_norm": layer_norm,
            "bias": bias,
            "shift_labels": shift_labels,
            "label2id": None,
        }
        self.build(model)
