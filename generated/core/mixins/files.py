"""Adapters and heads of a model to and from disk."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from os import PathLike
from typing import Any, Literal

from torch import Tensor, nn
from transformers.utils import logging

from generated.core import interop, loading
from generated.core.errors import HeadMismatchError


logger = logging.get_logger(__name__)


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

    def save_adapter(
        self,
        save_directory: str | PathLike,
        adapter_name: str,
        with_head: bool = True,
        meta_dict: Mapping[str, Any] | None = None,
        *,
        format: Literal["adapterhub", "peft"] = "adapterhub",
    ) -> None:
        """
        Write an adapter to a folder: `adapter_config.json` and `adapter.safetensors`.

        Args:
            with_head: write the prediction head that belongs to it, too.
            meta_dict: further entries for the JSON file.
            format: "peft" writes LoRA and (IA)³ as the library PEFT reads them.

        Raises:
            UnsupportedMethodError: PEFT has no adapters of this kind.
        """
        if format == "peft":
            interop.write_peft_adapter(self, save_directory, adapter_name, with_head=with_head)
            return
        loading.save_adapter(self, save_directory, adapter_name, meta_dict)
        if with_head:
            self.save_head(save_directory, adapter_name)

    def load_adapter(
        self,
        adapter_name_or_path: str | PathLike,
        *,
        load_as: str | None = None,
        set_active: bool = False,
        with_head: bool = True,
        leave_out: Collection[int] | None = None,
        allow_pickle: bool = False,
    ) -> str:
        """
        Read an adapter from a folder that this package, AdapterHub or PEFT (LoRA, (IA)³) wrote, and add it.

        Args:
            adapter_name_or_path: the folder.
            load_as: name in this model; by default the name under which it was saved, "default" for one of PEFT.
            set_active: activate it.
            with_head: read the prediction head in the folder, too, if this model can take it.
            leave_out: numbers of layers whose weights are not loaded.
            allow_pickle: read `pytorch_adapter.bin` where there is no safetensors file. Only tensors are read from it.

        Returns:
            The name of the adapter in this model.

        Raises:
            AdapterFileError: the folder cannot be read or does not fit the model, which is as before.
        """
        folder = adapter_name_or_path
        stored = interop.read_adapter(self, folder, leave_out, allow_pickle=allow_pickle)
        name, with_head = load_as or stored.name, with_head and interop.has_head(folder, allow_pickle=allow_pickle)
        load_head = partial(self._load_head_of_adapter, folder, name, allow_pickle=allow_pickle)
        loading.add_stored(self, name, stored, complete=load_head if with_head else None)
        if set_active:
            self.set_active_adapters(name)
        return name

    def save_all_adapters(
        self, save_directory: str | PathLike, with_head: bool = True, meta_dict: Mapping[str, Any] | None = None
    ) -> None:
        """Write each adapter to a folder of its own name below `save_directory`."""
        for name in self.adapters_config:
            self.save_adapter(f"{save_directory}/{name}", name, with_head, meta_dict)

    def load_all_adapters(self, directory: str | PathLike, with_head: bool = True) -> list[str]:
        """Read every adapter folder below `directory`; the names of the adapters."""
        return [self.load_adapter(folder, with_head=with_head) for folder in loading.adapter_folders(directory)]

    def save_head(self, save_directory: str | PathLike, head_name: str | None = None) -> None:
        """Write a prediction head to a folder. A base model has none, and writes nothing."""

    def load_head(
        self, save_directory: str | PathLike, load_as: str | None = None, *, allow_pickle: bool = False
    ) -> str | None:
        """Read a prediction head from a folder; its name, if it has one. A base model has none, and reads nothing."""

    def _load_head_of_adapter(self, directory: str | PathLike, name: str, *, allow_pickle: bool) -> None:
        try:
            self.load_head(directory, load_as=name, allow_pickle=allow_pickle)
        except HeadMismatchError as error:
            logger.warning("The adapter %r is loaded without its head: %s", name, error)

    def save_pretrained(
        self, save_directory: str | PathLike, is_main_process: bool = True, *args: Any, **kwargs: Any
    ) -> Any:
        """
        Write the model as transformers does, each adapter to `adapters/<name>/`, each head with a name to
        `heads/<name>/`.

        What is in a folder of its own is not among the weights of the model, unless the caller passes a `state_dict`:
        transformers' `Trainer` does, and reads its checkpoints back from that one file.
        """
        hidden = () if "state_dict" in kwargs else self._keys_in_folders()
        with loading.hidden_from_checkpoint(self, hidden):
            result = super().save_pretrained(save_directory, is_main_process, *args, **kwargs)
        if is_main_process:
            self._save_folders(save_directory)
        return result

    def _keys_in_folders(self) -> Collection[str]:
        """Names in the state dict of what `_save_folders` writes."""
        return loading.adapter_keys(self)

    def _save_folders(self, save_directory: str | PathLike) -> None:
        self.save_all_adapters(f"{save_directory}/{loading.ADAPTERS_FOLDER}", with_head=False)
