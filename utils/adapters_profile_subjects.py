"""What `adapters_profile_checks.py` looks at: tiny models of each type, tokens for them, and what was found."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import adapters
import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    GemmaConfig,
    GPTNeoConfig,
    GPTNeoXConfig,
    OPTConfig,
    PretrainedConfig,
    PreTrainedModel,
)


TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
SIZES = {"vocab_size": 96, "hidden_size": 32, "max_position_embeddings": 64, **TOKENS}
LAYERS = {"num_hidden_layers": 3, "num_attention_heads": 4}
CONFIGS: dict[str, Callable[[], PretrainedConfig]] = {
    "gpt_neo": lambda: GPTNeoConfig(
        **SIZES, num_layers=3, attention_types=[[["global", "local", "global"], 1]], num_heads=4, window_size=24
    ),
    "opt": lambda: OPTConfig(**SIZES, **LAYERS, ffn_dim=48, word_embed_proj_dim=32),
    "gpt_neox": lambda: GPTNeoXConfig(**SIZES, **LAYERS, intermediate_size=48, tie_word_embeddings=False),
    # Heads of another width than the model's, of which two share keys
    "gemma": lambda: GemmaConfig(**SIZES, **LAYERS, intermediate_size=48, head_dim=16, num_key_value_heads=2),
}
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {  # other forwards of the same architecture
    "opt": {"norm after": {"do_layer_norm_before": False}},
    "gpt_neox": {"sequential": {"use_parallel_residual": False}},
}
ENCODERS = ("esm", "ernie")


def generated_tests(name: str) -> Any:
    """The test module of a model, with stand-ins for what only the library's repository has beside it."""
    folder = Path(adapters.__file__).parents[1] / "tests" / "test_methods"
    stood_in = {
        "tests": {"__path__": [str(folder.parent)]},
        "tests.test_methods": {"__path__": [str(folder)]},
        "tests.test_methods.base": {"TextAdapterTestBase": type("TextAdapterTestBase", (), {})},
        "tests.test_methods.generator": {"generate_method_tests": lambda base, **_: {base.__name__: base}},
        "tests.test_methods.method_test_impl": {"__path__": []},
        "tests.test_methods.method_test_impl.utils": {
            "make_config": lambda cls, **sizes: staticmethod(lambda: cls(**sizes))
        },
    }
    for module, names in stood_in.items():
        sys.modules[module] = types.ModuleType(module)
        vars(sys.modules[module]).update(names)
    found = importlib.import_module(f"tests.test_methods.test_on_{name}")
    return next(value for key, value in vars(found).items() if key.endswith("AdapterTestBase") and key[:4] != "Text")


@dataclass(frozen=True)
class Found:
    model: str
    attention: str
    check: str
    value: float | str
    is_right: bool


@dataclass(frozen=True)
class Subject:
    """A model type with one implementation of attention, and tokens for it."""

    name: str
    attention: str
    variant: str = ""

    @property
    def config(self) -> PretrainedConfig:
        config = CONFIGS[self.name]() if self.name in CONFIGS else generated_tests(self.name).config()
        for key, value in VARIANTS.get(self.name, {}).get(self.variant, {}).items():
            setattr(config, key, value)
        config._attn_implementation = self.attention
        return config

    @property
    def language_model(self) -> Any:
        return AutoModelForMaskedLM if self.name in ENCODERS else AutoModelForCausalLM

    @property
    def shown(self) -> str:
        return f"{self.name} ({self.variant})" if self.variant else self.name

    def made(self, auto: Any) -> PreTrainedModel:
        """Always with the same weights; larger than usual, so that nothing is hidden by rounding."""
        torch.manual_seed(0)
        model = auto.from_config(self.config, attn_implementation=self.attention).eval()
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.data.mul_(4)
        return model

    def found(self, check: str, value: float | str, is_right: bool) -> Found:
        return Found(self.shown, self.attention, check, value, is_right)

    def at_most(self, check: str, value: float, bound: float) -> Found:
        return self.found(check, value, value <= bound)


def batches() -> dict[str, dict[str, Tensor]]:
    torch.manual_seed(1)
    ids = torch.randint(3, 96, (3, 12))
    mask = torch.ones_like(ids)
    mask[0, :4] = mask[2, :7] = 0  # padded on the left, as for generation
    return {
        "plain": {"input_ids": ids},
        "padded": {"input_ids": ids * mask, "attention_mask": mask},
    }
