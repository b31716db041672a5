"""A model with adapters and any number of named prediction heads: what every `<Model>AdapterModel` is made of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from torch import nn
from transformers import PreTrainedModel
from transformers.utils import logging

from generated.core.composition import Setup
from generated.core.errors import HeadMismatchError
from generated.core.heads.adding import AddHeadsMixin
from generated.core.heads.division import parse_heads_from_composition
from generated.core.heads.filling import fill_head
from generated.core.heads.inside_checkpoint import InsideCheckpointMixin
from generated.core.heads.running import HeadForwardMixin
from generated.core.heads.static_checkpoint import StaticHeadCheckpointMixin
from generated.core.heads.storage import head_folders, read_head, write_head
from generated.core.hub import folders_of_model
from generated.core.init import init
from generated.core.integrations import load_integration
from generated.core.loading import (
    ADAPTERS_FOLDER,
    FOLDERS,
    FUSIONS_FOLDER,
    HEADS_FOLDER,
    guarded,
    remove_others,
    saved_together,
)
from generated.core.mixins import ModelWithHeadsAdaptersMixin
from generated.core.mixins.checkpoints import model_in
from generated.core.upstream import is_custom_code


logger = logging.get_logger(__name__)


class ModelWithFlexibleHeadsAdaptersMixin(
    InsideCheckpointMixin, StaticHeadCheckpointMixin, HeadForwardMixin, AddHeadsMixin, ModelWithHeadsAdaptersMixin
):
    """Adapters and flexible heads for a class over a `PreTrainedModel` of transformers.

    A subclass states `head_types` and `sentence_source`, puts its base model under `base_model_prefix`, and calls
    `forward_base_and_head` in its forward. A head goes with the adapter of the same name: it is activated, trained,
    saved and loaded together with it.
    """

    repeats_batch = False  # the base model does it: each head gets the rows of its adapter

    def post_init(self) -> None:
        for cls in type(self).__mro__:
            package, _, module = cls.__module__.rpartition(".")
            if module == "adapter_model":
                load_integration(package)  # or it is for another release, though its base model may have been provided
        super().post_init()
        init(self)

    def smart_apply(self, initialize: Callable[..., None], told: bool) -> nn.Module:
        """
        Called by transformers to fill weights. What is not defined in transformers it takes for code that writes into
        weights in place, and leaves modules out that have none of their own: the base model is filled as if it were
        alone.
        """
        return super().smart_apply(initialize, is_custom_code(self.base_model, told))

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *model_args: Any, **kwargs: Any) -> Any:
        """Load a base model, a model with a head of transformers (converted to the head "default"), or one saved here.

        All arguments are those of transformers' `from_pretrained`. Adapters and heads are restored from the folders
        `adapters`, `fusions` and `heads` beside the weights, or from among the weights, where adapter-transformers and
        adapters wrote them; a single head becomes the active one.
        """
        location = dict(kwargs)
        loaded = super().from_pretrained(pretrained_model_name_or_path, *model_args, **kwargs)
        if pretrained_model_name_or_path is not None:
            model_in(loaded)._restore(folders_of_model(pretrained_model_name_or_path, FOLDERS, **location))
        return loaded

    @classmethod
    def _can_set_experts_implementation(cls) -> bool:
        """What the modeling file of transformers tells, in which it looks for this: here it would be that of `cls`."""
        parents = (each for each in cls.__mro__[1:] if issubclass(each, PreTrainedModel))
        upstream = next(each for each in parents if not issubclass(each, ModelWithFlexibleHeadsAdaptersMixin))
        return bool(upstream._can_set_experts_implementation())

    def _restore(self, directory: Path) -> None:
        self.load_all_adapters(directory / ADAPTERS_FOLDER)
        self.load_all_adapter_fusions(directory / FUSIONS_FOLDER)
        for folder in head_folders(directory / HEADS_FOLDER):
            try:
                self.load_head(folder, set_active=False)
            except HeadMismatchError as error:
                logger.warning("a head is left behind: %s; register its type, then load it from %s", error, folder)
        if len(self.heads) == 1:
            self.active_head = next(iter(self.heads))

    def _keys_in_folders(self) -> Collection[str]:
        return {*super()._keys_in_folders(), *self.heads.state_dict(prefix="heads.")}

    def _save_folders(self, save_directory: str | PathLike) -> None:
        super()._save_folders(save_directory)
        folder = Path(save_directory, HEADS_FOLDER)
        self.save_all_heads(folder)
        remove_others(folder, self.heads)

    def set_active_adapters(self, adapter_setup: Setup | None, skip_layers: Collection[int] | None = None) -> None:
        """Choose what acts in the next forward, and with it the heads that are called like the adapters at its end.

        If there are no such heads, the active head stays.
        """
        super().set_active_adapters(adapter_setup, skip_layers)
        heads = parse_heads_from_composition(self.adapters_config.active_setup, self.heads)
        if heads is not None:
            self.active_head = heads

    def train_adapter(self, adapter_setup: Setup, train_embeddings: bool = False, *, train_head: bool = True) -> None:
        """Activate a setup, and train nothing but its adapters and the active head.

        A projection onto the vocabulary counts as part of the base model.
        """
        super().train_adapter(adapter_setup, train_embeddings, train_head=train_head)
        used = self.used_heads()
        for head in self.heads.values():
            for name, parameter in self._own_parameters(head):
                parameter.requires_grad_(train_head and head in used and not _is_projection(head, name))

    def head_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The parameters of all heads, without those that are the model's input embeddings."""
        for name, head in self.heads.items():
            yield from ((f"heads.{name}.{key}", parameter) for key, parameter in self._own_parameters(head))

    def inverse_site(self) -> None:
        """Invertible adapters are undone inside the heads, not in front of a module."""

    def save_adapter(
        self, save_directory: str | PathLike, adapter_name: str, with_head: bool = True, *args: Any, **kwargs: Any
    ) -> None:
        """Write an adapter to a folder, and with it the head of the same name, if there is one.

        All further arguments are those of the models with fixed heads.
        """
        with saved_together():
            super().save_adapter(save_directory, adapter_name, False, *args, **kwargs)
            if with_head and adapter_name in self.heads:
                self.save_head(save_directory, adapter_name, use_safetensors=kwargs.get("use_safetensors", True))

    def _load_head_of_adapter(self, directory: str | PathLike, name: str | None, **options: Any) -> None:
        """The head is active when its adapter is, and that is decided after both are loaded."""
        active = self._active_heads
        super()._load_head_of_adapter(directory, name, **options)
        self._active_heads = active

    def save_head(
        self, save_directory: str | PathLike, head_name: str | None = None, *, use_safetensors: bool = True
    ) -> None:
        """Write a head, by default the active one, to a folder: `head_config.json` and `model_head.safetensors`.

        Raises:
            UnknownHeadError: there is no such head.
            ValueError: no name given and not exactly one head active.
        """
        head = self.get_head(head_name or self._only_active_head())
        write_head(self, head, save_directory, use_safetensors=use_safetensors)

    def save_all_heads(self, save_directory: str | PathLike, use_safetensors: bool = True) -> None:
        """Write each head to a folder of its own name below `save_directory`."""
        with saved_together():
            for name in self.heads:
                self.save_head(f"{save_directory}/{name}", name, use_safetensors=use_safetensors)

    def load_head(
        self,
        save_directory: str | PathLike,
        load_as: str | None = None,
        id2label: Mapping[int | str, str] | None = None,
        set_active: bool = True,
        allow_pickle: bool = False,
        use_safetensors: bool = False,
    ) -> str:
        """Read a head from a folder, and convert it if it is the fixed head of a transformers class.

        A head of the same name is replaced.

        Args:
            load_as: name in this model; by default the name under which it was saved, "default" for a fixed head.
            id2label: names of the labels, instead of those in the folder.
            allow_pickle: read `pytorch_model_head.bin` where there is no safetensors file.
            use_safetensors: read no pickle, even if `allow_pickle` says so.

        Returns:
            The name of the head in this model.

        Raises:
            HeadMismatchError: it is the head of another architecture, or one that cannot be converted.
            AdapterFileError: the folder cannot be read or does not fit; the heads are as before.
        """
        with guarded(Path(save_directory)):
            stored = read_head(self, save_directory, allow_pickle=allow_pickle and not use_safetensors)
            name = load_as or stored.name or "default"
            config = {**stored.config, "id2label": id2label} if id2label else stored.config
            head = self._head_from_config(name, config)
            fill_head(head, stored.weights, self.get_input_embeddings(), str(stored.path))
        self.add_prediction_head(head, overwrite_ok=True, set_active=set_active)
        return name

    def _own_parameters(self, head: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
        shared = self.get_input_embeddings().weight if head.is_tied else None
        return ((name, parameter) for name, parameter in head.named_parameters() if parameter is not shared)


def _is_projection(head: nn.Module, parameter_name: str) -> bool:
    projection = head.get_output_embeddings()
    return projection is not None and parameter_name.startswith(f"{len(head) - 1}.")
