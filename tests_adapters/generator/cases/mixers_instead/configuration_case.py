"""Case configuration"""

from ...configuration_utils import PreTrainedConfig


class CaseConfig(PreTrainedConfig):
    model_type = "case"

    vocab_size: int = 1000
    hidden_size: int = 64
    intermediate_size: int = 256
    num_hidden_layers: int = 4
    layer_types: tuple[str, ...] = ("attention", "convolution", "attention", "linear_attention")
    num_attention_heads: int = 8
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    pad_token_id: int | None = None
