"""Which parameters are trained? The adapters of a setup and the head; nothing else."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from generated.core.composition import AdapterCompositionBlock
from generated.core.fusions import active_fusions, fusion_parameters
from generated.core.lifecycle import adapter_parameters


def freeze_model(model: nn.Module, freeze: bool = True) -> None:
    """Freeze the base model with all adapters in it; parameters of a head stay as they are."""
    head = {id(parameter) for _, parameter in model.head_parameters()}
    for parameter in model.base_model.parameters():
        if id(parameter) not in head:
            parameter.requires_grad_(not freeze)


def freeze_embeddings(model: nn.Module, freeze: bool = True) -> None:
    """Freeze the input embeddings, and the output embeddings where the model has some."""
    for embeddings in (model.get_input_embeddings(), model.get_output_embeddings()):
        freeze_module(embeddings, freeze)


def freeze_module(module: nn.Module | None, freeze: bool = True) -> None:
    for parameter in module.parameters() if module is not None else ():
        parameter.requires_grad_(not freeze)


def train_only(model: nn.Module, adapters: Iterable[str], train_embeddings: bool = False) -> None:
    """Freeze everything but these adapters and the head. Output embeddings count as part of the base model."""
    freeze_model(model)
    freeze_module(model.get_output_embeddings())
    for name in adapters:
        for parameter in adapter_parameters(model.base_model, name):
            parameter.requires_grad_(True)
    if train_embeddings:
        freeze_module(model.get_input_embeddings(), freeze=False)


def train_fusions(model: nn.Module, setup: AdapterCompositionBlock, unfreeze_adapters: bool) -> None:
    """Train the active mixtures instead of the adapters of `setup`, or together with them."""
    base = model.adapted_base
    for name in setup.names:
        for parameter in adapter_parameters(base, name):
            parameter.requires_grad_(unfreeze_adapters)
    for name in active_fusions(base):
        for parameter in fusion_parameters(base, name):
            parameter.requires_grad_(True)
