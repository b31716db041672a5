"""Tiny configs of the architectures that the tests of the heads run on."""

from transformers import (
    BartConfig,
    BertConfig,
    DistilBertConfig,
    GPT2Config,
    GPTNeoConfig,
    LlamaConfig,
    T5Config,
    ViTConfig,
)


VOCABULARY, WIDTH, LAYERS, HEADS, POSITIONS = 50, 16, 2, 2, 32

BART = BartConfig(
    vocab_size=VOCABULARY,
    d_model=WIDTH,
    encoder_layers=LAYERS,
    decoder_layers=LAYERS,
    encoder_attention_heads=HEADS,
    decoder_attention_heads=HEADS,
    encoder_ffn_dim=2 * WIDTH,
    decoder_ffn_dim=2 * WIDTH,
    max_position_embeddings=POSITIONS,
)
BERT = BertConfig(
    vocab_size=VOCABULARY,
    hidden_size=WIDTH,
    num_hidden_layers=LAYERS,
    num_attention_heads=HEADS,
    intermediate_size=2 * WIDTH,
    max_position_embeddings=POSITIONS,
)
DISTILBERT = DistilBertConfig(
    vocab_size=VOCABULARY,
    dim=WIDTH,
    n_layers=LAYERS,
    n_heads=HEADS,
    hidden_dim=2 * WIDTH,
    max_position_embeddings=POSITIONS,
)
GPT2 = GPT2Config(
    vocab_size=VOCABULARY,
    n_embd=WIDTH,
    n_layer=LAYERS,
    n_head=HEADS,
    n_positions=POSITIONS,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=0,
)
GPT_NEO = GPTNeoConfig(
    vocab_size=VOCABULARY,
    hidden_size=WIDTH,
    num_layers=LAYERS,
    num_heads=HEADS,
    attention_types=[[["global", "local"], 1]],
    window_size=4,
    max_position_embeddings=POSITIONS,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=0,
)
LLAMA = LlamaConfig(
    vocab_size=VOCABULARY,
    hidden_size=WIDTH,
    num_hidden_layers=LAYERS,
    num_attention_heads=HEADS,
    num_key_value_heads=1,
    intermediate_size=2 * WIDTH,
    max_position_embeddings=POSITIONS,
    pad_token_id=0,
)
T5 = T5Config(
    vocab_size=VOCABULARY,
    d_model=WIDTH,
    d_kv=WIDTH // HEADS,
    d_ff=2 * WIDTH,
    num_layers=LAYERS,
    num_heads=HEADS,
    decoder_start_token_id=0,
)
VIT = ViTConfig(
    hidden_size=WIDTH,
    num_hidden_layers=LAYERS,
    num_attention_heads=HEADS,
    intermediate_size=2 * WIDTH,
    image_size=8,
    patch_size=4,
)
