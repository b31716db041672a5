"""Which settings does the verification try where a planned place is not built by default?"""

from __future__ import annotations

from types import ModuleType

import pytest
from transformers import DeepseekV3Config, HubertConfig, PreTrainedConfig, Qwen2MoeConfig, T5Config, Wav2Vec2Config
from transformers.models.deepseek_v3 import modeling_deepseek_v3
from transformers.models.hubert import modeling_hubert
from transformers.models.qwen2_moe import modeling_qwen2_moe
from transformers.models.t5 import modeling_t5
from transformers.models.wav2vec2 import modeling_wav2vec2

from adaptergen.verify.switches import SIZE, switches


@pytest.mark.parametrize(
    ("config", "modeling", "expected"),
    [
        (T5Config(), modeling_t5, {"tie_word_embeddings": False}),
        (DeepseekV3Config(), modeling_deepseek_v3, {"q_lora_rank": None, "attention_bias": True}),
        (Qwen2MoeConfig(), modeling_qwen2_moe, {"mlp_only_layers": [0]}),
        (Wav2Vec2Config(), modeling_wav2vec2, {"adapter_attn_dim": SIZE}),
        (HubertConfig(), modeling_hubert, {"adapter_attn_dim": SIZE, "do_stable_layer_norm": True}),
    ],
)
def test_settings(config: PreTrainedConfig, modeling: ModuleType, expected: dict[str, object]) -> None:
    found = dict(switches(config, modeling))

    assert expected.items() <= found.items()
    assert all(found[name] != getattr(config, name, None) for name in found)
