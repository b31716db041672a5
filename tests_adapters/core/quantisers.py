"""Quantised models as people load them: `from_pretrained` with a configuration of a library that may not be there."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    BertForSequenceClassification,
    BitsAndBytesConfig,
    LlamaForSequenceClassification,
    PreTrainedModel,
    TorchAoConfig,
)

import generated
from generated import AutoAdapterModel
from tests_adapters.core.zoo import build


CLASSES = {"llama": LlamaForSequenceClassification, "bert": BertForSequenceClassification}
SIX = ("lora", "dora", "ia3", "seq_bn", "prefix_tuning", "loreft")
LABELS = 32  # a quantised map of fewer rows cannot be called by bitsandbytes on some CPUs
SIZES = {"hidden_size": 64, "intermediate_size": 128, "num_labels": LABELS}  # four bits come in blocks of 64


def _torchao(name: str) -> TorchAoConfig:
    from torchao import quantization

    return TorchAoConfig(getattr(quantization, name)())


def _four_bits(**options: Any) -> BitsAndBytesConfig:
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", **options)


SCHEMES: dict[str, tuple[str, Callable[[], Any]]] = {
    "torchao int8": ("torchao", lambda: _torchao("Int8WeightOnlyConfig")),
    "torchao float8": ("torchao", lambda: _torchao("Float8WeightOnlyConfig")),
    "torchao int8 activations": ("torchao", lambda: _torchao("Int8DynamicActivationInt8WeightConfig")),
    "bitsandbytes int8": ("bitsandbytes", lambda: BitsAndBytesConfig(load_in_8bit=True)),
    "bitsandbytes nf4": ("bitsandbytes", _four_bits),
    "bitsandbytes nf4 twice": ("bitsandbytes", lambda: _four_bits(bnb_4bit_use_double_quant=True)),
}
TRAINABLE = tuple(scheme for scheme in SCHEMES if "activations" not in scheme)


def scheme_param(scheme: str, *more: Any, marks: Any = ()) -> Any:
    """A scheme, and further values, as a parameter of a test; skipped, with a reason, where its library is missing."""
    library, _ = SCHEMES[scheme]
    is_missing = find_spec(library) is None
    reason = f"not installed: {library}; pip install 'adaptergen[quantised]'"
    return pytest.param(scheme, *more, marks=(pytest.mark.skipif(is_missing, reason=reason), *marks))


def saved(folder: Path, architecture: str) -> Path:
    """A checkpoint of a tiny model."""
    build(architecture, CLASSES[architecture], **SIZES).save_pretrained(folder / architecture)
    return folder / architecture


def fixed(checkpoint: Path, scheme: str | None = None, **options: Any) -> PreTrainedModel:
    """The class of the checkpoint, with its own head."""
    return generated.init(_loaded(CLASSES[checkpoint.name.partition("-")[0]], checkpoint, scheme, **options))


def flexible(checkpoint: Path, scheme: str | None = None, **options: Any) -> PreTrainedModel:
    """The adapter model, whose head was made of that in the checkpoint."""
    return _loaded(AutoAdapterModel, checkpoint, scheme, **options)


def _loaded(cls: Any, checkpoint: Path, scheme: str | None, **options: Any) -> PreTrainedModel:
    """In training mode: on some CPUs, bitsandbytes packs four bits for good when they are called in eval mode."""
    given = {} if scheme is None else {"quantization_config": SCHEMES[scheme][1]()}
    torch.manual_seed(0)
    return cls.from_pretrained(checkpoint, attn_implementation="eager", **given, **options).train()


ROUTES = {"fixed": fixed, "flexible": flexible}
