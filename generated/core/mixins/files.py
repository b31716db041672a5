"""Adapters and heads of a model to and from disk."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Protocol

from torch import Tensor, nn
from transformers.utils import logging

from generated.core import hub, interop, loading
from generated.core.errors import HeadMismatchError
from generated.core.mixins.peft import or_upstream_loader


logger = logging.get_logger(__name__)


class WeightsLoader(Protocol):
    """Saves and loads, in the same folder, something that belongs to an adapter."""

    def save(self, save_directory: str, name: str, **kwargs: Any) -> Any: ...

    def load(self, save_directory: str, load_as: str | None = None, **kwargs: Any) -> Any: ...


WeightsLoaders = Sequence[WeightsLoader] | None


class AdapterFilesMixin:
    """
    Saving and loading.

    A prediction head hooks in by `head_tensors`, `save_head` and `load_head`; a base model has none.
    """

    def head_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The parameters that belong to a prediction head, by name."""
        tensors = self.head_tensors().items()
        return ((name, tensor) for name, tensor in tensors if isinstance(tensor, nn.Parameter))

    def head_tensors(self) -> dict[str, Tensor]:
        """The tensors of the state dict that belong to a prediction head, by name. A base model has none."""
        return {}

    def quantised_head_maps(self) -> dict[str, nn.Module]:
        """The linear maps of a prediction head that are quantised, by their paths. A base model has none."""
        return {}

    def save_adapter(
        self,
        save_directory: str | PathLike,
        adapter_name: str,
        with_head: bool = True,
        meta_dict: Mapping[str, Any] | None = None,
        custom_weights_loaders: WeightsLoaders = None,
        use_safetensors: bool = True,
        *,
        format: Literal["adapterhub", "peft"] = "adapterhub",
    ) -> None:
        """
        Write an adapter to a folder: `adapter_config.json` and `adapter.safetensors`. If the process is ended
        meanwhile, what the folder held is there as it was, or all of it is new, or loading refuses it.

        Args:
            with_head: write the prediction head that belongs to it, too.
            meta_dict: further entries for the JSON file of AdapterHub's format.
            custom_weights_loaders: are asked to save to the same folder.
            use_safetensors: if not, a pickle is written, `pytorch_adapter.bin`.
            format: "peft" writes LoRA and (IA)³ as the library PEFT reads them.

        Raises:
            UnknownAdapterError: there is no such adapter.
            UnsupportedMethodError: PEFT has no adapters of this kind.
        """
        with loading.saved_together():
            if format == "peft":
                interop.write_peft_adapter(self, save_directory, adapter_name, with_head=with_head)
            else:
                loading.save_adapter(self, save_directory, adapter_name, meta_dict, use_safetensors=use_safetensors)
                if with_head:
                    self.save_head(save_directory, adapter_name, use_safetensors=use_safetensors)
        for loader in custom_weights_loaders or ():
            loader.save(str(save_directory), adapter_name)

    @or_upstream_loader
    def load_adapter(
        self,
        adapter_name_or_path: str | PathLike,
        config: Any = None,
        version: str | None = None,
        model_name: str | None = None,
        load_as: str | None = None,
        *,
        source: str | None = None,
        with_head: bool = True,
        custom_weights_loaders: WeightsLoaders = None,
        leave_out: Collection[int] | None = None,
        id2label: Mapping[int | str, str] | None = None,
        set_active: bool = False,
        use_safetensors: bool = False,
        allow_pickle: bool = False,
        **hub_arguments: Any,
    ) -> str:
        """
        Read an adapter that this package, AdapterHub or PEFT (LoRA, (IA)³) wrote, and add it.

        Args:
            adapter_name_or_path: a folder; a zip or tar file, or the address of one; or a repository on the Hub.
            config, model_name: told apart the adapters in AdapterHub's former index; of no meaning any more.
            version: branch, tag or commit of the repository on the Hub.
            load_as: name in this model; by default the name under which it was saved, "default" for one of PEFT.
            source: "ah" and "hf" once named the index and the Hub; of no meaning any more.
            with_head: read the prediction head in the folder, too, if this model can take it.
            custom_weights_loaders: are asked to load from the same folder, afterwards.
            leave_out: numbers of layers whose weights are not loaded.
            id2label: names of the labels of a flexible head, instead of those in the folder.
            set_active: activate it.
            use_safetensors: read no pickle, even if `allow_pickle` says so.
            allow_pickle: read `pytorch_adapter.bin` where there is no safetensors file. Only tensors are read from it.
            hub_arguments: of `huggingface_hub.snapshot_download`, e.g. `token`, `cache_dir`, `revision`.

        Returns:
            The name of the adapter in this model.

        Raises:
            AdapterFileError: the folder cannot be read or does not fit the model, which is as before.
        """
        _explain_former_arguments(config=config, model_name=model_name, source=source)
        allow_pickle = allow_pickle and not use_safetensors
        with hub.fetched(adapter_name_or_path, version, **hub_arguments) as folder:
            with loading.guarded(folder):
                stored = interop.read_adapter(self, folder, leave_out, allow_pickle=allow_pickle)
                name = load_as or stored.name
                with_head = with_head and interop.has_head(folder, allow_pickle=allow_pickle)
                options = {"id2label": id2label, "allow_pickle": allow_pickle}
                load_head = partial(self._load_head_of_adapter, folder, name, **options)
                loading.add_stored(self, name, stored, complete=load_head if with_head else None)
            for loader in custom_weights_loaders or ():
                loader.load(str(folder), load_as=load_as, main_load_name=name, id2label=id2label)
        if set_active:
            self.set_active_adapters(name)
        return name

    def save_all_adapters(
        self,
        save_directory: str | PathLike,
        with_head: bool = True,
        meta_dict: Mapping[str, Any] | None = None,
        custom_weights_loaders: WeightsLoaders = None,
        use_safetensors: bool = True,
    ) -> None:
        """Write each adapter to a folder of its own name below `save_directory`. Arguments as for `save_adapter`."""
        options = {"custom_weights_loaders": custom_weights_loaders, "use_safetensors": use_safetensors}
        with loading.saved_together():
            for name in self.adapters_config:
                self.save_adapter(f"{save_directory}/{name}", name, with_head, meta_dict, **options)

    def load_all_adapters(
        self, directory: str | PathLike, with_head: bool = True, *, allow_pickle: bool = False
    ) -> list[str]:
        """
        Read every adapter folder below `directory`, or the adapters and mixtures among the weights of a whole model
        that adapter-transformers or adapters saved there; the names of the adapters.
        """
        options = {"with_head": with_head, "allow_pickle": allow_pickle}
        found = loading.inside_of_folder(directory, allow_pickle=allow_pickle)
        if found is None:
            return [self.load_adapter(folder, **options) for folder in loading.adapter_folders(directory)]
        loading.forget_list(self.config)
        return loading.add_inside(self, *found, Path(directory))

    def save_head(
        self, save_directory: str | PathLike, head_name: str | None = None, *, use_safetensors: bool = True
    ) -> None:
        """Write a prediction head to a folder. A base model has none, and writes nothing."""

    def load_head(
        self,
        save_directory: str | PathLike,
        load_as: str | None = None,
        id2label: Mapping[int | str, str] | None = None,
        *,
        allow_pickle: bool = False,
        use_safetensors: bool = False,
    ) -> str | None:
        """Read a prediction head from a folder; its name, if it has one. A base model has none, and reads nothing."""

    def _load_head_of_adapter(self, directory: str | PathLike, name: str | None, **options: Any) -> None:
        try:
            self.load_head(directory, load_as=name, **options)
        except HeadMismatchError as error:
            logger.warning("What is in %s is loaded without its head: %s", directory, error)


def _explain_former_arguments(**given: Any) -> None:
    names = [name for name, value in given.items() if value is not None]
    if names:
        logger.warning(
            "%s told `load_adapter` where to look in AdapterHub's former index. That is archived, and its adapters "
            "are on the Hub: give a repository such as 'AdapterHub/…' alone",
            " and ".join(names),
        )
