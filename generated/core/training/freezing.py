"""Which parameters are trained? The adapters of a setup and the head; nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import chain

from torch import nn
from transformers.utils import logging

from generated.core.composition import AdapterCompositionBlock
from generated.core.errors import TrainingSetupError
from generated.core.fusions import active_fusions, fusion_parameters
from generated.core.layers.sharding import left_out_of_shards
from generated.core.lifecycle import adapter_parameters
from generated.core.placed import word_embeddings


logger = logging.get_logger(__name__)


def freeze_model(model: nn.Module, freeze: bool = True) -> None:
    """Freeze the base model with all adapters in it; parameters of a head stay as they are."""
    head = {id(parameter) for _, parameter in model.head_parameters()}
    for parameter in model.base_model.parameters():
        if id(parameter) not in head:
            parameter.requires_grad_(not freeze)


def freeze_embeddings(model: nn.Module, freeze: bool = True) -> None:
    """Freeze the input embeddings, and the output embeddings where the model has some."""
    for embeddings in (word_embeddings(model), model.get_output_embeddings()):
        freeze_module(embeddings, freeze)


def freeze_module(module: nn.Module | None, freeze: bool = True) -> None:
    for parameter in module.parameters() if module is not None else ():
        parameter.requires_grad_(not freeze)


def train_only(
    model: nn.Module, adapters: Iterable[str], train_embeddings: bool = False, train_head: bool = True
) -> None:
    """
    Freeze everything but these adapters and the head. Output embeddings count as part of the base model; quantised
    parts of the head cannot learn, which is warned of.

    Raises:
        TrainingSetupError: an adapter came after FSDP had sharded the model.
    """
    unsharded = left_out_of_shards(model)
    trained = {name: list(adapter_parameters(model.base_model, name)) for name in adapters}
    _refuse_unsharded(trained, unsharded)
    freeze_model(model)
    for _, parameter in model.head_parameters():
        parameter.requires_grad_(train_head and parameter.is_floating_point())
    freeze_module(model.get_output_embeddings())
    if train_head:
        _warn_of_quantised_parts(model)
    for parameter in chain.from_iterable(trained.values()):
        parameter.requires_grad_(True)
    if train_embeddings:
        freeze_module(word_embeddings(model), freeze=False)


def _warn_of_quantised_parts(model: nn.Module) -> None:
    maps = [
        path for path, linear in model.quantised_head_maps().items() if linear is not model.get_output_embeddings()
    ]
    if maps:
        logger.warning(
            "%s of the head: quantised, so it stays as it is. If the head is new, load the model with it left out of "
            "the quantisation, as the configuration of that allows",
            ", ".join(maps),
        )


def train_fusions(model: nn.Module, setup: AdapterCompositionBlock, unfreeze_adapters: bool) -> None:
    """
    Train the active mixtures instead of the adapters of `setup`, or together with them.

    Raises:
        TrainingSetupError: a mixture came after FSDP had sharded the model.
    """
    base = model.adapted_base
    unsharded = left_out_of_shards(model)
    _refuse_unsharded({name: fusion_parameters(base, name) for name in active_fusions(base)}, unsharded)
    for name in setup.names:
        for parameter in adapter_parameters(base, name):
            parameter.requires_grad_(unfreeze_adapters)
    for name in active_fusions(base):
        for parameter in fusion_parameters(base, name):
            parameter.requires_grad_(True)


def refuse_untrainable(model: nn.Module) -> None:
    """
    Is this model ready for the training of adapters? Parts of the base model may be trained with them.

    Raises:
        TrainingSetupError: no adapter is active, nothing of the base model is frozen, or all of the model is.
    """
    if model.active_adapters is None:
        raise TrainingSetupError(
            "no adapter is active, so none would be trained; call model.train_adapter(name) first. To train the whole "
            "model, use the Trainer of transformers"
        )
    if all(parameter.requires_grad for parameter in _own_parameters(model.base_model)):
        raise TrainingSetupError(
            "the base model is not frozen, and checkpoints would not hold it; call model.train_adapter(name) first. "
            "To train the whole model, use the Trainer of transformers"
        )
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise TrainingSetupError("everything is frozen; call model.train_adapter(name) first")


def _refuse_unsharded(trained: Mapping[str, Iterable[nn.Parameter]], unsharded: Collection[int]) -> None:
    """Each process would train what came after `fully_shard` by itself: FSDP does not know of it."""
    late = [name for name, values in trained.items() if any(id(value) in unsharded for value in values)]
    if late:
        raise TrainingSetupError(
            f"{', '.join(map(repr, late))} came after FSDP had sharded the model, and each process would train its "
            "own copy; add everything that is to be trained before `fully_shard`"
        )


def _own_parameters(base: nn.Module) -> list[nn.Parameter]:
    """What the base model had before adapters came."""
    added = {id(parameter) for name in base.adapters_config for parameter in adapter_parameters(base, name)}
    return [parameter for parameter in base.parameters() if id(parameter) not in added]
