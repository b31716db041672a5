"""How does a model become one that takes adapters, and how is that undone?"""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any, TypeVar

from torch import nn
from torch.nn.parallel import DistributedDataParallel
from transformers import PreTrainedModel

from generated.core.checkpointing import no_longer_carry
from generated.core.errors import SwapError, UnsupportedModelError
from generated.core.hub import folders_of_model
from generated.core.integrations import Integration, load_integration, package_of
from generated.core.layers.sharding import is_sharded
from generated.core.loading import FOLDERS
from generated.core.methods.invertible import undo_in_front_of
from generated.core.mixins import ModelAdaptersMixin, ModelWithHeadsAdaptersMixin
from generated.core.mixins.model import ADAPTED_MODELS
from generated.core.swap import adapt, is_swapped, restore
from generated.core.vocabularies import DEFAULT


if TYPE_CHECKING:
    from generated.core.typed import AdaptedModel

Model = TypeVar("Model", bound=nn.Module)


def init(model: nn.Module) -> AdaptedModel:
    """
    Give a model of transformers the methods for adapters.

    The model is changed in place: its class, and that of its base model, are extended. Its forward, its weights and
    their names stay as they are until an adapter is added. Calling it again changes nothing.

    Args:
        model: a base model or a model with a head; may be wrapped by `torch.compile` or DistributedDataParallel.

    Returns:
        The same object.

    Raises:
        UnsupportedModelError: no adapters were generated for its architecture.
        StaleModuleError: they were generated from another version of its modeling file.
        SwapError: its layers are sharded already.
    """
    inner = _unwrap(model)
    _refuse_sharded(inner)
    integration = _integration_of(inner)
    base = _base_of(inner, integration)
    for part in (base, inner):
        if not isinstance(part, ModelAdaptersMixin):
            adapt(part, _adapted_class(integration, type(part), is_base=part is base))
    if inner is not base:
        base._head_model.module = inner
        undo_in_front_of(base, inner.inverse_site())
    return model


def load_model(
    model_name_or_path: str | PathLike[str], model_class: type[nn.Module], *model_args: Any, **kwargs: Any
) -> AdaptedModel:
    """
    Load a checkpoint with `model_class.from_pretrained`, prepare it as `init` does, and add the adapters and mixtures
    that `save_pretrained` wrote beside it, or earlier libraries among its weights. The other arguments are those of
    `from_pretrained`.
    """
    model = init(model_class.from_pretrained(model_name_or_path, *model_args, **kwargs))
    if not model.has_adapters():
        model._load_folders(folders_of_model(model_name_or_path, FOLDERS, **kwargs))
    return model


def deinit(model: Model) -> Model:
    """Undo `init`: delete all adapters, and give the model its own classes back."""
    inner = _unwrap(model)
    if not isinstance(inner, ModelAdaptersMixin):
        return model
    for name in list(inner.adapters_config):
        inner.delete_adapter(name)
    inner.set_active_embeddings(DEFAULT)
    no_longer_carry(inner)
    ADAPTED_MODELS.discard(inner.base_model)
    for part in dict.fromkeys((inner.base_model, inner)):
        if is_swapped(part):
            restore(part)
    return model


def _integration_of(model: PreTrainedModel) -> Integration:
    """That of its base model; its own, if what it calls its base model is a whole one with a head of its own."""
    base = model.base_model
    return load_integration(package_of(type(base if base.base_model is base else model)))


def _base_of(model: PreTrainedModel, integration: Integration) -> PreTrainedModel:
    """The base model; a model may call its own stack of layers as if that were one."""
    own = integration.counterpart(type(model))
    is_base_itself = own is not None and not issubclass(own[1], ModelWithHeadsAdaptersMixin)
    return model if is_base_itself else model.base_model


def _adapted_class(integration: Integration, cls: type, *, is_base: bool) -> type:
    """What a model class becomes. A class with a head that nothing was generated for needs no more than the mixin."""
    found = integration.counterpart(cls)
    if found is not None:
        return found[1]
    if is_base:
        raise UnsupportedModelError(
            f"{cls.__name__} is a part of a model; apply `generated.init` to the model that holds it"
        )
    return ModelWithHeadsAdaptersMixin


def _unwrap(model: nn.Module) -> PreTrainedModel:
    while True:
        if hasattr(model, "_orig_mod"):
            model = model._orig_mod
        elif isinstance(model, DistributedDataParallel):
            model = model.module
        elif isinstance(model, PreTrainedModel):
            return model
        else:
            raise UnsupportedModelError(f"{type(model).__name__} is no model of transformers")


def _refuse_sharded(model: nn.Module) -> None:
    if is_sharded(model):
        raise SwapError("the model is sharded by FSDP already; call `generated.init` before `fully_shard`")
