"""One thing of each kind that this package reads: how it is saved, and how it is loaded into another model."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn
from transformers import BertForSequenceClassification

import generated
from generated.composition import Fuse, Stack
from generated.core.configuration import LoRAConfig, PromptTuningConfig, SeqBnConfig
from tests_adapters.core.packing import tarred, zipped
from tests_adapters.core.zoo import CONFIGS, METHODS, add_random, fresh


@dataclass(frozen=True)
class Stored:
    """
    Args:
        save: writes it into an empty folder.
        receiver: makes the model that it is loaded into.
        load: loads it from that folder.
        changes: beginnings of the names of weights that loading may replace.
    """

    kind: str
    save: Callable[[Path], object]
    receiver: Callable[[], nn.Module]
    load: Callable[[nn.Module, Path], object]
    changes: tuple[str, ...] = ("classifier.", "heads.")


def stored_kinds() -> Iterator[Stored]:
    for method in ("seq_bn", "compacter", "seq_bn_inv", "lora", "ia3", "vera", "prefix_tuning", "loreft", "unipelt"):
        yield Stored(method, partial(_save_adapter, method), _with_head, _load_adapter)
    yield Stored("prompt_tuning", _save_prompt, _plain, _load_adapter)
    yield Stored("pickle", _save_pickle, _plain, _load_pickle)
    yield Stored("fixed head", _save_head, _with_head, _load_head)
    yield Stored("flexible head", _save_flexible, _flexible, _load_head)
    yield Stored("fusion", _save_fusion, _two, _load_fusion)
    yield Stored("setup", _save_setup, _flexible, _load_setup)
    yield Stored("peft", _save_peft, _plain, _load_adapter)
    yield Stored("embeddings", _save_embeddings, _flexible, _load_embeddings, ("bert.embeddings.word_embeddings.",))
    yield Stored("zip", partial(_save_archive, zipped), _plain, _load_archive)
    yield Stored("tar", partial(_save_archive, tarred), _plain, _load_archive)


def _plain() -> nn.Module:
    return fresh("bert")


def _with_head() -> nn.Module:
    return fresh("bert", BertForSequenceClassification)


def _flexible() -> nn.Module:
    torch.manual_seed(0)
    return generated.BertAdapterModel(CONFIGS["bert"]()).eval()


def _two() -> nn.Module:
    model = fresh("bert")
    for name in ("a", "b"):
        add_random(model, name, SeqBnConfig(reduction_factor=8))
    return model


def _save_adapter(method: str, folder: Path) -> None:
    model = _with_head()
    add_random(model, "x", METHODS[method]())
    model.save_adapter(folder, "x")


def _save_prompt(folder: Path) -> None:
    model = _plain()
    add_random(model, "x", PromptTuningConfig(prompt_length=3))
    model.save_adapter(folder, "x")


def _save_pickle(folder: Path) -> None:
    model = _plain()
    add_random(model, "x", SeqBnConfig(reduction_factor=8))
    model.save_adapter(folder, "x", use_safetensors=False)


def _save_head(folder: Path) -> None:
    _with_head().save_head(folder)


def _save_flexible(folder: Path) -> None:
    model = _flexible()
    model.add_classification_head("x", num_labels=3, layers=2)
    model.save_head(folder, "x")


def _save_fusion(folder: Path) -> None:
    model = _two()
    model.add_adapter_fusion(Fuse("a", "b"))
    model.save_adapter_fusion(folder, Fuse("a", "b"))


def _save_setup(folder: Path) -> None:
    model = _flexible()
    model.add_classification_head("x", num_labels=3)
    for name in ("x", "y"):
        add_random(model, name, SeqBnConfig(reduction_factor=8))
    model.save_adapter_setup(folder, Stack("y", "x"), head_setup="x")


def _save_peft(folder: Path) -> None:
    model = _plain()
    add_random(model, "x", LoRAConfig(r=2))
    model.save_adapter(folder, "x", format="peft")


def _save_embeddings(folder: Path) -> None:
    _flexible().save_embeddings(folder, "default")


def _save_archive(pack: Callable[[Path, Path], Path], folder: Path) -> None:
    _save_adapter("lora", folder / "content")
    pack(folder / "content", folder / "archive")
    shutil.rmtree(folder / "content")


def _load_adapter(model: nn.Module, folder: Path) -> object:
    return model.load_adapter(folder, set_active=True)


def _load_pickle(model: nn.Module, folder: Path) -> object:
    return model.load_adapter(folder, set_active=True, allow_pickle=True)


def _load_archive(model: nn.Module, folder: Path) -> object:
    return model.load_adapter(folder / "archive", set_active=True)


def _load_head(model: nn.Module, folder: Path) -> object:
    return model.load_head(folder)


def _load_fusion(model: nn.Module, folder: Path) -> object:
    return model.load_adapter_fusion(folder, set_active=True)


def _load_setup(model: nn.Module, folder: Path) -> object:
    return model.load_adapter_setup(folder, set_active=True)


def _load_embeddings(model: nn.Module, folder: Path) -> object:
    return model.load_embeddings(folder, "other")
