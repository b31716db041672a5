"""What a model with a prediction head adds to the methods of its base model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path

from torch import Tensor, nn

from generated.core import interop, loading
from generated.core.layers.lora import is_quantised
from generated.core.layers.prefix_weights import PrefixTuningPool
from generated.core.layers.prompt_tuning import PromptTuningLayer
from generated.core.layers.slot import AdapterModules
from generated.core.methods.invertible import undo_in_front_of
from generated.core.mixins.embeddings import EmbeddingAdaptersMixin
from generated.core.mixins.invertible import InvertibleAdaptersMixin
from generated.core.mixins.model import ModelAdaptersMixin
from generated.core.mixins.writing import WritingAdaptersMixin
from generated.core.placed import present_stacks, word_embeddings


class ModelWithHeadsAdaptersMixin(
    WritingAdaptersMixin, EmbeddingAdaptersMixin, InvertibleAdaptersMixin, ModelAdaptersMixin
):
    """
    Adapters in a model with a head.

    Here the head is the fixed one of a transformers class. Models with heads of another kind override
    `head_tensors`, `save_head`, `load_head` and `inverse_site`.
    """

    def _init_adapter_modules(self) -> None:
        if self.base_model is self:
            super()._init_adapter_modules()

    def head_tensors(self) -> dict[str, Tensor]:
        """
        All tensors of the state dict outside the base model, by name. What is tied to it belongs to it; what quantised
        maps hold in a form of their own is left out.
        """
        own: dict[str, Tensor] = {}
        self._save_to_state_dict(own, prefix="", keep_vars=True)
        for name, head in self._head_modules():
            head.state_dict(destination=own, prefix=f"{name}.", keep_vars=True)
        # The base is not asked for its state: quantised maps may pack their weights otherwise for that.
        in_base = {id(tensor) for child in self.children() if self._belongs_to_base(child) for tensor in _held(child)}
        own = {name: tensor for name, tensor in own.items() if id(tensor) not in in_base}
        return loading.without_packed(self.quantised_head_maps(), own)

    def quantised_head_maps(self) -> dict[str, nn.Module]:
        """The linear maps outside the base model that are quantised, by their paths."""
        below = (found for name, head in self._head_modules() for found in head.named_modules(prefix=name))
        return {path: module for path, module in below if is_quantised(module)}

    def inverse_site(self) -> nn.Module | None:
        return self.get_output_embeddings()

    def set_output_embeddings(self, new_embeddings: nn.Module) -> None:
        """As in transformers, which calls this when the vocabulary is resized, too."""
        undo_in_front_of(self.adapted_base, new_embeddings if self.inverse_site() is not None else None)
        super().set_output_embeddings(new_embeddings)

    def save_head(
        self, save_directory: str | PathLike, head_name: str | None = None, *, use_safetensors: bool = True
    ) -> None:
        """
        Write the head to a folder: `head_config.json` and `model_head.safetensors`.

        Args:
            head_name: of no meaning here: a fixed head has no name.
            use_safetensors: if not, a pickle is written, `pytorch_model_head.bin`.
        """
        loading.save_static_head(self, save_directory, use_safetensors=use_safetensors)

    def load_head(
        self,
        save_directory: str | PathLike,
        load_as: str | None = None,
        id2label: Mapping[int | str, str] | None = None,
        *,
        allow_pickle: bool = False,
        use_safetensors: bool = False,
    ) -> str | None:
        """
        Read the head from a folder.

        Args:
            load_as: of no meaning here: a fixed head has no name.
            id2label: of no meaning here: its labels are in the model's configuration.
            allow_pickle: read `pytorch_model_head.bin` where there is no safetensors file.
            use_safetensors: read no pickle, even if `allow_pickle` says so.

        Raises:
            HeadMismatchError: it is the head of another model class.
            AdapterFileError: the folder cannot be read; the head is as before.
        """
        allow_pickle = allow_pickle and not use_safetensors
        with loading.guarded(Path(save_directory)):
            loading.load_static_head(self, interop.read_head(self, save_directory, allow_pickle=allow_pickle))

    def get_labels_dict(self) -> dict[int, str]:
        """The labels of the head by their numbers."""
        return self.config.id2label

    def get_labels(self) -> list[str]:
        """The labels of the head in order."""
        return list(self.get_labels_dict().values())

    def _head_modules(self) -> Iterator[tuple[str, nn.Module]]:
        return ((name, child) for name, child in self.named_children() if not self._belongs_to_base(child))

    def _belongs_to_base(self, child: nn.Module) -> bool:
        """Where base model and head are one object, the base is the embeddings, the stacks, and what adapters add."""
        base = self.base_model
        if base is not self:
            return child is base
        first_steps = {stack.layers.partition(".")[0] for stack in present_stacks(self)}
        parts = [getattr(self, step, None) for step in first_steps]
        is_added = isinstance(child, AdapterModules | PrefixTuningPool | PromptTuningLayer)
        return is_added or child in parts or child is word_embeddings(self)


def _held(module: nn.Module) -> Iterator[Tensor]:
    yield from module.parameters()
    yield from module.buffers()
