"""Case configuration"""

from ...configuration_utils import PreTrainedConfig


class CaseConfig(PreTrainedConfig):
    model_type = "case"
    attribute_map = {"num_attention_heads": "num_heads", "num_hidden_layers": "num_layers"}

    vocab_size: int = 1000
    max_position_embeddings: int = 512
    hidden_size: int = 64
    intermediate_size: int = 256
    num_layers: int = 4
    num_heads: int = 8
    hidden_act: str = "gelu"
    embed_dropout: float = 0.0
    attention_dropout: float = 0.1
    pad_token_id: int | None = None
