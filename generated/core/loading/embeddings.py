"""
How do embeddings get to disk and back?

    embedding.safetensors   or embedding.pt, a pickled tensor, as AdapterHub writes it
    tokenizer/              what `AutoTokenizer` reads, if there is a tokenizer
"""

from __future__ import annotations

import pickle
from os import PathLike
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from generated.core.errors import EmbeddingsError
from generated.core.loading.folder import refuse_infinite
from generated.core.loading.replacing import NewFiles, part, replacing
from generated.core.vocabularies import Vocabulary


EMBEDDING_FILE, PICKLED_FILE, TOKENIZER_FOLDER = "embedding.safetensors", "embedding.pt", "tokenizer"
OUTPUT = "outputs."


def write_vocabulary(directory: str | PathLike, vocabulary: Vocabulary) -> None:
    """Write the weights of a vocabulary, those of its output embeddings included."""
    tensors = {"weight": vocabulary.weight} | {OUTPUT + name: value for name, value in vocabulary.outputs.items()}
    owned = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    padding = {} if vocabulary.padding_idx is None else {"padding_idx": str(vocabulary.padding_idx)}
    path = Path(directory) / EMBEDDING_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(NewFiles(weights=path)):
        save_file(owned, part(path), metadata={"format": "pt", **padding})


def write_for_adapterhub(directory: str | PathLike, vocabulary: Vocabulary) -> None:
    """Write the input embeddings as `adapters` reads them."""
    path = Path(directory) / PICKLED_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(NewFiles(weights=path)):
        torch.save(vocabulary.weight.detach().cpu().clone(), part(path))


def read_vocabulary(directory: str | PathLike, *, allow_pickle: bool) -> Vocabulary:
    """
    Raises:
        EmbeddingsError: there is no such file, or it is damaged, or it holds something else.
    """
    safe, pickled = Path(directory) / EMBEDDING_FILE, Path(directory) / PICKLED_FILE
    if safe.is_file():
        return _read_safetensors(safe)
    if not pickled.is_file():
        raise EmbeddingsError(f"{directory} holds neither {EMBEDDING_FILE} nor {PICKLED_FILE}")
    if not allow_pickle:
        raise EmbeddingsError(
            f"{pickled} is a pickle, which is not read unasked; if you trust where it comes from, pass "
            "allow_pickle=True (no code in it is run), and save the embeddings again"
        )
    return _read_pickle(pickled)


def read_tokenizer(directory: str | PathLike) -> PreTrainedTokenizerBase | None:
    folder = Path(directory) / TOKENIZER_FOLDER
    return AutoTokenizer.from_pretrained(folder) if folder.is_dir() else None


def _read_safetensors(path: Path) -> Vocabulary:
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
            padding = (file.metadata() or {}).get("padding_idx")
    except (SafetensorError, OSError) as error:
        raise EmbeddingsError(f"{path} cannot be read as weights: {error}") from error
    weight = nn.Parameter(_checked(path, tensors.pop("weight", None)))
    outputs = {name.removeprefix(OUTPUT): tensor for name, tensor in tensors.items() if tensor.is_floating_point()}
    return Vocabulary(weight, int(padding) if padding is not None and padding.isdecimal() else None, outputs)


def _read_pickle(path: Path) -> Vocabulary:
    try:
        weight = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise EmbeddingsError(f"{path} cannot be read as weights: {error}") from error
    return Vocabulary(nn.Parameter(_checked(path, weight).detach()))


def _checked(path: Path, weight: object) -> Tensor:
    if not isinstance(weight, Tensor) or weight.dim() != 2 or not weight.is_floating_point():
        raise EmbeddingsError(f"{path} holds no matrix of embeddings")
    refuse_infinite(path, {"weight": weight})
    return weight
