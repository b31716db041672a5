"""Case configuration"""

from ...configuration_utils import PreTrainedConfig


class CaseConfig(PreTrainedConfig):
    model_type = "case"
    attribute_map = {"hidden_size": "d_model", "num_attention_heads": "num_heads", "num_hidden_layers": "num_layers"}

    vocab_size: int = 1000
    d_model: int = 64
    d_kv: int = 8
    d_ff: int = 256
    num_layers: int = 4
    num_heads: int = 8
    num_buckets: int = 32
    dropout_rate: float = 0.1
    pad_token_id: int | None = 0
