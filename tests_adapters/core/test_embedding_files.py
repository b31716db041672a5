"""Embeddings to disk and back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import (
    LlamaForCausalLM,
)

from generated.core.errors import EmbeddingsError
from tests_adapters.core.embedding_setups import MODELS, OTHER, assert_same_state, inputs, state
from tests_adapters.core.made_tokenizer import made_tokenizer
from tests_adapters.core.zoo import (
    assert_identical,
    call,
    fresh,
)


@pytest.mark.parametrize("kind", ["bert", "bart", "llama", "t5", "gpt2 base"])
def test_saved_and_loaded(kind: str, tmp_path: Path) -> None:
    """In a second model that is the same: its logits are the same."""
    model, second = MODELS[kind](), MODELS[kind]()
    model.add_embeddings("other", OTHER)
    expected = call(model, inputs(kind))
    model.save_embeddings(tmp_path, "other", OTHER)
    model.set_active_embeddings("default")
    model.save_embeddings(tmp_path / "inactive", "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["embedding.safetensors", "inactive", "tokenizer"]
    first, again = (load_file(folder / "embedding.safetensors") for folder in (tmp_path, tmp_path / "inactive"))
    assert first.keys() == again.keys()
    assert all(torch.equal(first[name], tensor) for name, tensor in again.items())

    tokenizer = second.load_embeddings(tmp_path, "loaded")
    assert tokenizer.get_vocab() == OTHER.get_vocab()
    assert second.active_embeddings == "loaded"
    assert_identical(call(second, inputs(kind)), expected)
    assert second.load_embeddings(tmp_path / "inactive", "again") is None


def test_files_of_adapterhub(tmp_path: Path) -> None:
    model = fresh("bert")
    model.add_embeddings("other", OTHER)
    expected = call(model, inputs("bert"))
    model.save_embeddings(tmp_path, "other", use_safetensors=False)
    assert [path.name for path in tmp_path.iterdir()] == ["embedding.pt"]
    assert torch.load(tmp_path / "embedding.pt", weights_only=True).shape == (len(OTHER), 32)

    second = fresh("bert")
    with pytest.raises(EmbeddingsError, match="allow_pickle=True"):
        second.load_embeddings(tmp_path, "loaded")
    second.load_embeddings(tmp_path, "loaded", allow_pickle=True)
    assert_identical(call(second, inputs("bert")), expected)


def test_a_parameter_that_was_pickled(tmp_path: Path) -> None:
    torch.save(nn.Parameter(torch.ones(30, 32)), tmp_path / "embedding.pt")
    model = fresh("bert")
    model.load_embeddings(tmp_path, "loaded", allow_pickle=True)
    assert torch.equal(model.get_input_embeddings().weight, torch.ones(30, 32))


def test_bad_files(tmp_path: Path) -> None:
    model = fresh("bert")
    model.add_embeddings("other", OTHER)
    model.save_embeddings(tmp_path / "good", "other")
    damaged, pickled, narrow = tmp_path / "damaged", tmp_path / "pickled", tmp_path / "narrow"
    for folder in (damaged, pickled, narrow):
        folder.mkdir()
    whole = (tmp_path / "good" / "embedding.safetensors").read_bytes()
    (damaged / "embedding.safetensors").write_bytes(whole[: len(whole) // 2])
    torch.save({"weight": torch.ones(3, 32)}, pickled / "embedding.pt")
    torch.save(torch.ones(30, 16), narrow / "embedding.pt")
    short = tmp_path / "short"
    short.mkdir()
    torch.save(torch.ones(3, 32), short / "embedding.pt")
    padded = made_tokenizer()
    padded.pad_token = "film"
    padded.save_pretrained(short / "tokenizer")

    before = state(model)
    for folder, message in {
        damaged: "cannot be read as weights",
        pickled: "no matrix of embeddings",
        short: "padding token 7 is not among the 3",
        narrow: "have width 16, the model needs 32",
        tmp_path / "nowhere": "holds neither",
    }.items():
        with pytest.raises(EmbeddingsError, match=message):
            model.load_embeddings(folder, "bad", allow_pickle=True)
    assert_same_state(model, before)
    assert list(model.loaded_embeddings) == ["other", "default"]


def test_a_saved_model_has_the_embeddings_in_use(tmp_path: Path) -> None:
    model = fresh("llama", LlamaForCausalLM)
    model.add_embeddings("other", OTHER)
    model.save_pretrained(tmp_path)
    loaded = LlamaForCausalLM.from_pretrained(tmp_path, attn_implementation="eager")
    assert_identical(call(loaded, inputs("llama")), call(model, inputs("llama")))
