"""Configuration of the ALiBi decoder."""

from transformers import PretrainedConfig


class AlibiConfig(PretrainedConfig):
    model_type = "alibi_decoder"

    def __init__(
        self,
        d_model=2048,
        n_heads=16,
        n_layers=24,
        expansion_ratio=4,
        max_seq_len=2048,
        vocab_size=50368,
        resid_pdrop=0.0,
        emb_pdrop=0.0,
        attn_pdrop=0.0,
        alibi_bias_max=8,
        bias=False,
        use_cache=True,
        init_std=0.02,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        **kwargs,
    ):
        self.d_model = d_model
        self.n_heads = n_heads
        self.n_layers = n_layers
        self.expansion_ratio = expansion_ratio
        self.max_seq_len = max_seq_len
        self.vocab_size = vocab_size
        self.resid_pdrop = resid_pdrop
        self.emb_pdrop = emb_pdrop
        self.attn_pdrop = attn_pdrop
        self.alibi_bias_max = alibi_bias_max
        self.bias = bias
        self.use_cache = use_cache
        self.init_std = init_std
        super().__init__(bos_token_id=bos_token_id, eos_token_id=eos_token_id, pad_token_id=pad_token_id, **kwargs)

    @property
    def hidden_size(self):
        return self.d_model

    @property
    def num_attention_heads(self):
        return self.n_heads

    @property
    def num_hidden_layers(self):
        return self.n_layers
