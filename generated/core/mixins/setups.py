"""Mixtures of adapters, and whole setups of adapters, to and from disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

from generated.core import fusions, hub, loading
from generated.core.composition import AdapterCompositionBlock, Fuse, Setup, parse_composition
from generated.core.fusions import FusionNames
from generated.core.mixins.files import WeightsLoaders


HeadSetup = AdapterCompositionBlock | list[str] | str | None


class AdapterSetupFilesMixin:
    """Saving and loading what is made of several adapters."""

    def save_adapter_fusion(
        self,
        save_directory: str | PathLike,
        adapter_names: FusionNames,
        meta_dict: Mapping[str, Any] | None = None,
        custom_weights_loaders: WeightsLoaders = None,
        with_head: bool | str = False,
        use_safetensors: bool = True,
    ) -> None:
        """
        Write a mixture to a folder: `adapter_fusion_config.json` and `model_adapter_fusion.safetensors`.

        Args:
            adapter_names: the mixture: its name, the block, or the names of its adapters.
            meta_dict: further entries for the JSON file.
            custom_weights_loaders: are asked to save to the same folder.
            with_head: write a prediction head, too: the one of this name, or the one called as the mixture.
            use_safetensors: if not, a pickle is written.

        Raises:
            UnknownAdapterError: there is no such mixture.
        """
        name = fusions.fusion_name(self.adapted_base, adapter_names)
        with loading.saved_together():
            loading.save_fusion(self, save_directory, name, meta_dict, use_safetensors=use_safetensors)
            if with_head:
                self.save_head(save_directory, with_head if isinstance(with_head, str) else name)
        for loader in custom_weights_loaders or ():
            loader.save(str(save_directory), name)

    def load_adapter_fusion(
        self,
        adapter_fusion_name_or_path: str | PathLike,
        load_as: str | None = None,
        custom_weights_loaders: WeightsLoaders = None,
        set_active: bool = False,
        with_head: bool = True,
        use_safetensors: bool = False,
        *,
        allow_pickle: bool = False,
        **hub_arguments: Any,
    ) -> str:
        """
        Read a mixture, and add it. Its adapters have to be loaded before.

        Args:
            adapter_fusion_name_or_path: as for `load_adapter`.
            load_as: name in this model; by default the name under which it was saved.
            with_head: read the prediction head in the folder, too, if this model can take it.

        Returns:
            The name of the mixture in this model.

        Raises:
            AdapterFileError, UnknownAdapterError: it cannot be read or does not fit the model, which is as before.
        """
        allow_pickle = allow_pickle and not use_safetensors
        with hub.fetched(adapter_fusion_name_or_path, **hub_arguments) as folder:
            with loading.guarded(folder):
                name = loading.load_fusion(self, folder, load_as, allow_pickle=allow_pickle)
                if with_head and loading.has_head(folder):
                    self._load_head_of_adapter(folder, None, allow_pickle=allow_pickle)
            for loader in custom_weights_loaders or ():
                loader.load(str(folder), load_as=load_as, main_load_name=name)
        if set_active:
            self.set_active_adapters(Fuse(*self.adapters_config.fusions[name].adapters, name=name))
        return name

    def save_all_adapter_fusions(
        self,
        save_directory: str | PathLike,
        meta_dict: Mapping[str, Any] | None = None,
        custom_weights_loaders: WeightsLoaders = None,
        use_safetensors: bool = True,
    ) -> None:
        """Write each mixture to a folder of its own name below `save_directory`."""
        options = {"custom_weights_loaders": custom_weights_loaders, "use_safetensors": use_safetensors}
        with loading.saved_together():
            for name in self.adapters_config.fusions:
                self.save_adapter_fusion(f"{save_directory}/{name}", name, meta_dict, **options)

    def load_all_adapter_fusions(self, directory: str | PathLike) -> list[str]:
        """Read every mixture below `directory`; their names."""
        return [self.load_adapter_fusion(folder, with_head=False) for folder in loading.fusion_folders(directory)]

    def save_adapter_setup(
        self,
        save_directory: str | PathLike,
        adapter_setup: Setup,
        head_setup: HeadSetup = None,
        meta_dict: Mapping[str, Any] | None = None,
        custom_weights_loaders: WeightsLoaders = None,
        use_safetensors: bool = True,
    ) -> None:
        """
        Write a setup: `adapter_setup.json`, and a folder for each adapter, mixture and head in it.

        Args:
            adapter_setup: as for `set_active_adapters`.
            head_setup: the heads that belong to it: a name, a list, or a block of names.

        Raises:
            UnknownAdapterError: the model has not all of it; nothing is written.
            UnsupportedCompositionError: an adapter of the setup was deleted; nothing is written.
        """
        setup, heads = parse_composition(adapter_setup), loading.HeadNames(head_setup)
        mixed = [fusions.fusion_name(self.adapted_base, block) for block in setup.blocks if isinstance(block, Fuse)]
        self.adapters_config.require(*setup.names)
        options = {"custom_weights_loaders": custom_weights_loaders, "use_safetensors": use_safetensors}
        with loading.saved_together():
            loading.save_setup(self, save_directory, setup, heads, meta_dict)
            for name in setup.names:
                self.save_adapter(Path(save_directory, name), name, with_head=False, **options)
            for name in mixed:
                self.save_adapter_fusion(Path(save_directory, name), name, **options)
            for name in heads.names:
                self.save_head(Path(save_directory, name), name, use_safetensors=use_safetensors)

    def load_adapter_setup(
        self,
        adapter_setup_name_or_path: str | PathLike,
        version: str | None = None,
        custom_weights_loaders: WeightsLoaders = None,
        set_active: bool = False,
        use_safetensors: bool = False,
        *,
        allow_pickle: bool = False,
        **hub_arguments: Any,
    ) -> tuple[AdapterCompositionBlock, HeadSetup]:
        """
        Read a setup with all that is in it.

        Args:
            adapter_setup_name_or_path: as for `load_adapter`.
            set_active: activate the setup, and its heads.

        Returns:
            The setup of adapters, and that of heads, if there is one.

        Raises:
            AdapterFileError: something cannot be read or does not fit. No new adapter stays; what was replaced before
                the error came is replaced.
        """
        allow_pickle = allow_pickle and not use_safetensors
        with hub.fetched(adapter_setup_name_or_path, version, **hub_arguments) as folder:
            with loading.guarded(folder):
                setup, heads = loading.read_setup(folder)
            with self._without_new_adapters_on_error():
                self._load_parts(folder, setup, heads, custom_weights_loaders, allow_pickle)
        if set_active:
            self.set_active_adapters(setup)
            if heads.names and hasattr(self, "active_head"):
                self.active_head = heads.setup
        return setup, heads.setup

    def _load_parts(
        self,
        folder: Path,
        setup: AdapterCompositionBlock,
        heads: loading.HeadNames,
        custom_weights_loaders: WeightsLoaders,
        allow_pickle: bool,
    ) -> None:
        options = {"custom_weights_loaders": custom_weights_loaders, "allow_pickle": allow_pickle}
        for name in setup.names:
            self.load_adapter(folder / name, with_head=False, **options)
        for block in setup.blocks:
            if isinstance(block, Fuse):
                self.load_adapter_fusion(folder / block.name, with_head=False, **options)
        for name in heads.names:
            self._load_head_of_adapter(folder / name, name, allow_pickle=allow_pickle)

    @contextmanager
    def _without_new_adapters_on_error(self) -> Iterator[None]:
        before = set(self.adapters_config)
        try:
            yield
        except BaseException:
            self.delete_adapter([name for name in self.adapters_config if name not in before])
            raise
