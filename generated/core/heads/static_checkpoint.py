"""How does `from_pretrained` turn the head in a checkpoint of `BertForMaskedLM` into a head of `BertAdapterModel`?

The modules of the static head are guests of the model while transformers reads the checkpoint, so they are read like
all other weights: sharded, renamed, converted, cast, tied. Then they leave, and their tensors become a flexible head.
"""

import copy
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.conversion_mapping import get_checkpoint_conversion_mapping
from transformers.core_model_loading import WeightRenaming
from transformers.utils import logging

from generated.core.heads import make_head
from generated.core.heads.conversion import Labels, StaticHead, convert_head
from generated.core.heads.errors import HeadConversionError
from generated.core.heads.filling import fill_head
from generated.core.heads.tables import convertible_heads, unconvertible_heads
from generated.core.layers.lora import is_quantised
from generated.core.loading.quantised_heads import as_matrices, without_packed
from generated.core.mixins.checkpoints import model_in
from generated.core.upstream import used_conversions


logger = logging.get_logger(__name__)

CONVERTED_HEAD_NAME = "default"


@dataclass(frozen=True)
class GuestHead:
    """The head of a transformers class, for a visit to an adapter model.

    Attributes:
        static: which modules and tensors are the head.
        donor: an empty model of the class, from which they are taken.
    """

    static: StaticHead
    donor: PreTrainedModel

    @property
    def roots(self) -> tuple[str, ...]:
        """Attributes of the donor that make up the head."""
        return tuple(dict.fromkeys(name.partition(".")[0] for name in self.static.names))

    def enter(self, model: PreTrainedModel) -> None:
        """Hang the head's modules into `model` under their own names, tied as they are in their class."""
        for root in self.roots:
            part = getattr(self.donor, root)
            if isinstance(part, nn.Module):
                model.add_module(root, part)
            else:
                model.register_buffer(root, part)
        model.all_tied_weights_keys = model.all_tied_weights_keys | self._ties(model)
        ignored = (model._keys_to_ignore_on_load_missing, self.donor._keys_to_ignore_on_load_missing)
        model._keys_to_ignore_on_load_missing = {pattern for patterns in ignored for pattern in patterns or ()}

    def leave(self, model: PreTrainedModel) -> dict[str, torch.Tensor]:
        """
        Take the modules out again and return their tensors, without one that is the model's input embeddings. Of maps
        that the checkpoint has quantised, they are what these stand for.
        """
        ties = self._ties(model)
        shared = model.get_input_embeddings().weight if ties else None
        state = {
            name: tensor
            for name, tensor in model.state_dict(keep_vars=True).items()
            if name.partition(".")[0] in self.roots and tensor is not shared
        }
        quantised = {path: module for path, module in self._modules_in(model) if is_quantised(module)}
        state = without_packed(quantised, state) | as_matrices(model, quantised)
        tensors = {name: tensor.detach() for name, tensor in state.items()}
        for root in self.roots:
            delattr(model, root)
        model.all_tied_weights_keys = {
            key: source for key, source in model.all_tied_weights_keys.items() if key not in ties
        }
        return tensors

    def _modules_in(self, model: PreTrainedModel) -> Iterator[tuple[str, nn.Module]]:
        for root in self.roots:
            part = getattr(model, root)
            yield from part.named_modules(prefix=root) if isinstance(part, nn.Module) else ()

    def loading_plan(self, model: PreTrainedModel, load_config: Any) -> Any:
        """transformers' `load_config`, so that the guest finds its weights, and a place for them.

        A class may call its base model by another name than the adapter model does, and its checkpoints may call the
        head by a former name, which transformers knows for this class alone. And where the device map does not
        know the guest, it stays on the CPU until it has become a head.
        """
        theirs, ours = self.donor.base_model_prefix, model.base_model_prefix
        renaming = [] if theirs == ours else [WeightRenaming(rf"^{theirs}\.", f"{ours}.")]
        device_map = load_config.device_map
        if device_map is not None and "" not in device_map:
            device_map = {**dict.fromkeys(self.roots, "cpu"), **device_map}
        former = get_checkpoint_conversion_mapping(type(self.donor).__name__) or []
        weight_mapping = [*former, *renaming, *(load_config.weight_mapping or [])]
        return replace(load_config, device_map=device_map, weight_mapping=weight_mapping)

    def _ties(self, model: PreTrainedModel) -> dict[str, str]:
        """Tied parameter of the head -> the parameter it is tied to, as `model` calls it."""
        prefix = f"{self.donor.base_model_prefix}."

        def rename(name: str) -> str:
            if name.partition(".")[0] in self.roots:
                return name
            return f"{model.base_model_prefix}.{name.removeprefix(prefix)}"

        ties = self.donor.all_tied_weights_keys
        return {key: rename(source) for key, source in ties.items() if key.partition(".")[0] in self.roots}


def find_guest(model: PreTrainedModel, quantizer: Any = None) -> GuestHead | None:
    """
    The head in the checkpoint that `model` is about to be loaded from; `None` if there is none to convert.

    Args:
        quantizer: that of transformers, if the model is quantised.
    """
    architecture = next(iter(model.config.architectures or ()), "")
    package = model.base_model.model_package
    why_not, convertible = unconvertible_heads(package), convertible_heads(package)
    if architecture in why_not:
        logger.warning("the head of %s is left behind: %s", architecture, why_not[architecture])
    modeling_file = sys.modules[type(model.base_model).__module__]
    if architecture not in convertible or not hasattr(modeling_file, architecture):
        return None
    with torch.device("meta"):
        donor = getattr(modeling_file, architecture)(copy.deepcopy(model.config))
    guest = GuestHead(convertible[architecture], donor.to(model.dtype))
    if quantizer is not None:
        _settle_with(quantizer, guest)
    return guest


def _settle_with(quantizer: Any, guest: GuestHead) -> None:
    """
    A head becomes one that is trained, so it is not quantised while it is read. If the checkpoint has it quantised
    already, its modules are those that can read that.
    """
    kept = getattr(quantizer, "modules_to_not_convert", None) or ()
    if quantizer.pre_quantized:
        given = {"dtype": guest.donor.dtype, "device_map": None, "checkpoint_files": None, "use_kernels": False}
        quantizer.preprocess_model(model=guest.donor, **given)
        quantizer.modules_to_not_convert = list(kept)
    else:
        quantizer.modules_to_not_convert = [*kept, *guest.roots]


class StaticHeadCheckpointMixin:
    """Reads checkpoints of the task-specific classes of transformers, head included."""

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *model_args: Any, **kwargs: Any) -> Any:
        """Load the base model, and convert the head of a task-specific checkpoint to a head called "default".

        All arguments are those of transformers' `from_pretrained`.
        """
        loaded = super().from_pretrained(pretrained_model_name_or_path, *model_args, **kwargs)
        model = model_in(loaded)
        if "_static_head" in model.__dict__:
            model._add_converted_head(*model.__dict__.pop("_static_head"))
        return loaded

    @classmethod
    def _load_pretrained_model(cls, model: Any, state_dict: Any, files: Any, load_config: Any, *args: Any) -> Any:
        guest = find_guest(model, load_config.hf_quantizer)
        if guest is None:
            return super()._load_pretrained_model(model, state_dict, files, load_config, *args)
        guest.enter(model)
        model._guest_head = guest
        plan = guest.loading_plan(model, load_config)
        result = super()._load_pretrained_model(model, state_dict, files, plan, *args)
        # transformers undoes the conversions that it used when the model is saved; the guest's are not for saving.
        model._weight_conversions = used_conversions(load_config.weight_mapping or ())
        return result

    @classmethod
    def _finalize_model_loading(cls, model: Any, load_config: Any, loading_info: Any) -> Any:
        guest = model.__dict__.pop("_guest_head", None)
        if guest is None:
            return super()._finalize_model_loading(model, load_config, loading_info)
        absent = {guest.static.output_bias} & loading_info.missing_keys
        info = super()._finalize_model_loading(model, guest.loading_plan(model, load_config), loading_info)
        tensors = guest.leave(model)
        model._static_head = (guest.static, {name: tensor for name, tensor in tensors.items() if name not in absent})
        return info

    def _add_converted_head(self, static: StaticHead, tensors: dict[str, torch.Tensor]) -> None:
        source = self.config.name_or_path or "the checkpoint"
        try:
            config, weights = convert_head(static, tensors, Labels.of(self.config), self.config)
        except HeadConversionError as problem:
            logger.warning("the head in %s is left behind: %s", source, problem)
            return
        head = make_head(self._head_class(config["head_type"]), self, CONVERTED_HEAD_NAME, config)
        fill_head(head, weights, self.get_input_embeddings(), source)
        self.add_prediction_head(head)
