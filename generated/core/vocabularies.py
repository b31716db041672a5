"""
Which vocabularies does a model have, and which of them is in use?

A vocabulary is everything in a model that has one row or one entry per token: the input embeddings, output embeddings
where these are not the same weights, and biases of the output. Modules stay where they are when another vocabulary
comes into use, and so do hooks, scales and ties; their parameters are exchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from generated.core.errors import EmbeddingsError
from generated.core.layers.sharding import is_sharded
from generated.core.placed import word_embeddings


DEFAULT = "default"


@dataclass(frozen=True)
class Vocabulary:
    """
    Weights of a vocabulary.

    Args:
        weight: (tokens, width) of the input embeddings.
        padding_idx: the token whose row gets no gradient.
        outputs: further parameters and buffers that score tokens, by their names in the model with the head.
        said: how large the configuration says that it is; `None` for as many tokens as there are. Models may read
            tokens that they never write, such as the place of a picture, and leave them out of the number.
    """

    weight: nn.Parameter
    padding_idx: int | None = None
    outputs: Mapping[str, Tensor] = field(default_factory=dict)
    said: int | None = None

    @property
    def size(self) -> int:
        return self.weight.shape[0]

    def row_dimension(self, name: str) -> int:
        """Parameters have tokens first, buffers last."""
        return 0 if isinstance(self.outputs[name], nn.Parameter) else -1


@dataclass
class Vocabularies:
    """The vocabulary in use lies in the model; the others lie here, by name."""

    active: str = DEFAULT
    unused: dict[str, Vocabulary] = field(default_factory=dict)

    def __iter__(self) -> Iterator[str]:
        return iter((self.active, *self.unused))

    def require(self, name: str) -> None:
        """
        Raises:
            EmbeddingsError: there are no such embeddings.
        """
        if name not in tuple(self):
            raise EmbeddingsError(f"no embeddings named {name!r} in this model; it has: {', '.join(self)}")


def input_embeddings(model: nn.Module) -> nn.Embedding:
    """
    Raises:
        EmbeddingsError: the input of the model is no text, or its weights are elsewhere.
    """
    embeddings = word_embeddings(model)
    if not isinstance(embeddings, nn.Embedding):
        raise EmbeddingsError(f"{type(model).__name__} has no token embeddings")
    if embeddings.weight.is_meta:
        raise EmbeddingsError("the embeddings are offloaded; remove the device hooks first")
    if is_sharded(model):
        raise EmbeddingsError("the embeddings are sharded by FSDP; do this before `fully_shard`")
    return embeddings


def vocabulary_of(model: nn.Module) -> Vocabulary:
    """The one in use. The model is the one with the head, where there is one."""
    embeddings = input_embeddings(model)
    said = model.config.get_text_config().vocab_size
    return Vocabulary(embeddings.weight, embeddings.padding_idx, _outputs(model, embeddings.weight), said)


def exchange(model: nn.Module, vocabulary: Vocabulary) -> Vocabulary:
    """
    Put a vocabulary into use; the former one. What it lacks for the heads of `model` is new. What is trained of the
    former one is trained of this one.
    """
    former = vocabulary_of(model)
    complete = completed(vocabulary, former, model)
    _replace(model, former.weight, _placed_like(complete.weight, former.weight))
    for name, old in former.outputs.items():
        _replace(model, old, _placed_like(complete.outputs[name], old))
    _tell_sizes(model, complete)
    return former


def new_vocabulary(
    model: nn.Module, size: int, padding_idx: int | None, copied: Mapping[int, int], source: Vocabulary
) -> Vocabulary:
    """
    Random weights as the model initialises its own; rows of `source` where tokens are the same.

    Args:
        copied: for rows of the new vocabulary the rows of `source`.
    """
    width = source.weight.shape[1]
    empty = Vocabulary(_random(model, source.weight, (size, width)), padding_idx)
    vocabulary = completed(empty, vocabulary_of(model), model)
    if padding_idx is not None:
        with torch.no_grad():
            vocabulary.weight[padding_idx].zero_()
    _copy_rows(vocabulary.weight, source.weight, copied)
    for name in vocabulary.outputs.keys() & source.outputs.keys():
        dimension = source.row_dimension(name)
        _copy_rows(vocabulary.outputs[name].movedim(dimension, 0), source.outputs[name].movedim(dimension, 0), copied)
    return vocabulary


def fitted(stored: Vocabulary, model: nn.Module, source: str) -> Vocabulary:
    """
    What comes from a file, for the heads that `model` has: of outputs, only what it has a place for.

    Raises:
        EmbeddingsError: the embeddings have another width than those of `model`, outputs have another shape, or the
            padding token has no row.
    """
    used = vocabulary_of(model)
    width, needed = stored.weight.shape[1], used.weight.shape[1]
    if width != needed:
        raise EmbeddingsError(f"the embeddings in {source} have width {width}, the model needs {needed}")
    if stored.padding_idx is not None and stored.padding_idx >= stored.size:
        raise EmbeddingsError(f"the padding token {stored.padding_idx} is not among the {stored.size} in {source}")
    outputs: dict[str, Tensor] = {}
    for name in stored.outputs.keys() & used.outputs.keys():
        shape = list(used.outputs[name].shape)
        shape[used.row_dimension(name)] = stored.size
        if list(stored.outputs[name].shape) != shape:
            raise EmbeddingsError(f"{name} in {source} is {tuple(stored.outputs[name].shape)}, not {tuple(shape)}")
        is_parameter = isinstance(used.outputs[name], nn.Parameter)
        outputs[name] = nn.Parameter(stored.outputs[name]) if is_parameter else stored.outputs[name]
    return completed(Vocabulary(stored.weight, stored.padding_idx, outputs), used, model)


def completed(vocabulary: Vocabulary, pattern: Vocabulary, model: nn.Module) -> Vocabulary:
    """With new weights for outputs of `pattern` that it lacks: random output embeddings, and biases of zero."""
    outputs = dict(vocabulary.outputs)
    for name, tensor in pattern.outputs.items():
        if name not in outputs:
            shape = list(tensor.shape)
            shape[pattern.row_dimension(name)] = vocabulary.size
            outputs[name] = _random(model, tensor, shape) if _is_matrix(tensor) else _zeros(tensor, shape)
    return replace(vocabulary, outputs=outputs)


def _outputs(model: nn.Module, shared: nn.Parameter) -> dict[str, Tensor]:
    layers = [layer for layer in output_layers(model) if isinstance(layer, nn.Linear)]
    parts = (tensor for layer in layers for tensor in (layer.weight, layer.bias))
    wanted = {id(tensor) for tensor in parts if tensor is not None and tensor is not shared}
    found = {name: parameter for name, parameter in model.named_parameters() if id(parameter) in wanted}
    buffers = model.named_buffers(recurse=False)
    return found | {name: buffer for name, buffer in buffers if buffer.shape[-1:] == shared.shape[:1]}


def output_layers(model: nn.Module) -> list[nn.Module]:
    """The projections of all heads onto the vocabulary."""
    heads = getattr(model, "heads", None)
    layers = [model] if heads is None else heads.values()
    found = (layer.get_output_embeddings() for layer in layers)
    return [projection for projection in found if projection is not None]


def _replace(model: nn.Module, old: Tensor, new: Tensor) -> None:
    """Everywhere: tied weights stay tied."""
    for module in model.modules():
        for tensors in (module._parameters, module._buffers):
            for name in [name for name, tensor in tensors.items() if tensor is old]:
                tensors[name] = new


def _tell_sizes(model: nn.Module, vocabulary: Vocabulary) -> None:
    """Modules and configurations that say how many tokens there are."""
    embeddings = input_embeddings(model)
    for module in model.modules():
        if isinstance(module, nn.Embedding) and module.weight is embeddings.weight:
            module.num_embeddings, module.padding_idx = vocabulary.size, vocabulary.padding_idx
    for layer in output_layers(model):
        layer.out_features = layer.weight.shape[0]
    size = vocabulary.size if vocabulary.said is None else vocabulary.said
    for head in getattr(model, "heads", {}).values():
        if head.get_output_embeddings() is not None:
            head.config["vocab_size"] = size
    model.config.get_text_config().vocab_size = size
    for part in (model, model.base_model):
        if "vocab_size" in vars(part):
            part.vocab_size = size


def _placed_like(tensor: Tensor, pattern: Tensor) -> Tensor:
    moved = tensor.detach().to(device=pattern.device, dtype=pattern.dtype)
    if not isinstance(pattern, nn.Parameter):
        return moved
    is_in_place = isinstance(tensor, nn.Parameter) and moved.data_ptr() == tensor.data_ptr()
    parameter = tensor if is_in_place else nn.Parameter(moved)
    parameter._is_hf_initialized = True
    return parameter.requires_grad_(pattern.requires_grad)


def _random(model: nn.Module, pattern: Tensor, shape: Iterable[int]) -> nn.Parameter:
    config = model.config.get_text_config()
    spread = getattr(config, "initializer_range", None) or getattr(config, "init_std", None) or 0.02
    return nn.Parameter(torch.empty(tuple(shape), device=pattern.device, dtype=pattern.dtype).normal_(std=spread))


def _zeros(pattern: Tensor, shape: Iterable[int]) -> Tensor:
    zeros = torch.zeros(tuple(shape), device=pattern.device, dtype=pattern.dtype)
    return nn.Parameter(zeros) if isinstance(pattern, nn.Parameter) else zeros


def _is_matrix(tensor: Tensor) -> bool:
    return isinstance(tensor, nn.Parameter) and tensor.dim() == 2


def _copy_rows(target: Tensor, source: Tensor, rows: Mapping[int, int]) -> None:
    """Those that the source has: outputs have none for tokens that are never written."""
    there = {to: origin for to, origin in rows.items() if origin < len(source)}
    if there:
        to, origin = torch.tensor(list(there)), torch.tensor(list(there.values()))
        with torch.no_grad():
            target[to.to(target.device)] = source[origin.to(source.device)].to(target)
