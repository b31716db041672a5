"""Case configuration, as transformers 4.57 has them."""

from ...configuration_utils import PretrainedConfig


class CaseConfig(PretrainedConfig):
    model_type = "case"
    attribute_map = {"num_attention_heads": "num_heads", "num_hidden_layers": "num_layers"}

    def __init__(
        self,
        vocab_size=1000,
        max_position_embeddings=512,
        hidden_size=64,
        num_layers=24,
        attention_types=[[["global", "local"], 12]],
        num_heads=8,
        intermediate_size=None,
        resid_dropout=0.0,
        attention_dropout=0.0,
        classifier_dropout=0.1,
        eos_token_id=999,
        **kwargs,
    ):
        self.vocab_size = vocab_size
        self.max_position_embeddings = max_position_embeddings
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.intermediate_size = intermediate_size
        self.resid_dropout = resid_dropout
        self.attention_dropout = attention_dropout
        self.classifier_dropout = classifier_dropout
        self.attention_types = attention_types
        super().__init__(eos_token_id=eos_token_id, **kwargs)
