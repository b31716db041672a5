"""Configuration of the fused encoder, with the names of GPT-2."""

from transformers import PretrainedConfig


class FusedEncoderConfig(PretrainedConfig):
    model_type = "fused_encoder"

    def __init__(
        self,
        vocab_size=30528,
        n_positions=2048,
        n_embd=768,
        n_layer=12,
        n_head=12,
        n_inner=3072,
        activation_function="gelu",
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        layer_norm_epsilon=1e-12,
        initializer_range=0.02,
        type_vocab_size=2,
        rotary_emb_base=1000,
        qkv_proj_bias=True,
        pad_token_id=0,
        **kwargs,
    ):
        self.vocab_size = vocab_size
        self.n_positions = n_positions
        self.n_embd = n_embd
        self.n_layer = n_layer
        self.n_head = n_head
        self.n_inner = n_inner
        self.activation_function = activation_function
        self.resid_pdrop = resid_pdrop
        self.embd_pdrop = embd_pdrop
        self.attn_pdrop = attn_pdrop
        self.layer_norm_epsilon = layer_norm_epsilon
        self.initializer_range = initializer_range
        self.type_vocab_size = type_vocab_size
        self.rotary_emb_base = rotary_emb_base
        self.qkv_proj_bias = qkv_proj_bias
        super().__init__(pad_token_id=pad_token_id, **kwargs)
