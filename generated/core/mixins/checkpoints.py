"""A whole model to disk: a checkpoint of transformers, and beside it a folder for each adapter, fusion and head."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from huggingface_hub import CommitInfo, HfApi
from transformers.utils import logging

from generated.core import loading
from generated.core.errors import AdapterFileError
from generated.core.layers.sharding import is_sharded
from generated.core.merging import merged_adapter
from generated.core.sharing import with_copies


logger = logging.get_logger(__name__)


def model_in(loaded: Any) -> Any:
    """The model in what `from_pretrained` returns: it alone, or before what `output_loading_info` asks for."""
    return loaded[0] if isinstance(loaded, tuple) else loaded


class AdapterCheckpointsMixin:
    """`save_pretrained` of transformers, for a model with adapters."""

    def save_pretrained(
        self, save_directory: str | PathLike, is_main_process: bool = True, *args: Any, **kwargs: Any
    ) -> Any:
        """
        Write the model as transformers does, each adapter to `adapters/<name>/`, each fusion to `fusions/<name>/`,
        each head with a name to `heads/<name>/`. What these folders hold of other names is removed.

        What is in a folder of its own is not among the weights of the model, unless the caller passes a `state_dict`:
        transformers' `Trainer` does, and reads its checkpoints back from that one file. All weights of a model that
        FSDP has sharded are in that file alone: folders would have to be written by all processes.

        Raises:
            AdapterFileError: the model is sharded, and no `state_dict` was gathered; nothing is written.
        """
        sharded = is_sharded(self)
        if sharded and kwargs.get("state_dict") is None:
            raise AdapterFileError(
                "the model is sharded by FSDP, so this process has no whole weights; pass `state_dict`, as "
                "torch.distributed.checkpoint.state_dict.get_model_state_dict gathers it, or write the adapters alone "
                "with `save_adapter` or `save_all_adapters`, in every process"
            )
        hidden = () if "state_dict" in kwargs else self._keys_in_folders()
        if kwargs.get("state_dict"):
            kwargs["state_dict"] = with_copies(kwargs["state_dict"], loading.adapter_keys(self))
        with loading.hidden_from_checkpoint(self, hidden), self._only_peft_active():
            result = super().save_pretrained(save_directory, is_main_process, *args, **kwargs)
        if is_main_process and not sharded and not kwargs.get("push_to_hub"):
            self._save_folders(save_directory)
            self._warn_of_merged(save_directory)
        return result

    def _warn_of_merged(self, save_directory: str | PathLike) -> None:
        merged = merged_adapter(self.adapted_base)
        if merged is not None:
            logger.warning(
                "The weights in %s hold the adapter %r, which has a folder there, too; do not activate it on top",
                save_directory,
                merged,
            )

    def _keys_in_folders(self) -> Collection[str]:
        """Names in the state dict of what `_save_folders` writes."""
        return loading.adapter_keys(self)

    def _save_folders(self, save_directory: str | PathLike) -> None:
        adapters, fusions = (Path(save_directory, name) for name in (loading.ADAPTERS_FOLDER, loading.FUSIONS_FOLDER))
        self.save_all_adapters(adapters, with_head=False)
        self.save_all_adapter_fusions(fusions)
        loading.remove_others(adapters, self.adapters_config)
        loading.remove_others(fusions, self.adapters_config.fusions)

    def _load_folders(self, directory: Path) -> None:
        """What `_save_folders` wrote beside the weights, or what earlier libraries wrote among them."""
        if loading.inside_of_folder(directory, allow_pickle=True) is not None:
            self.load_all_adapters(directory, allow_pickle=True)  # as transformers has just read the model
            return
        self.load_all_adapters(directory / loading.ADAPTERS_FOLDER)
        self.load_all_adapter_fusions(directory / loading.FUSIONS_FOLDER)

    def _upload_modified_files(
        self,
        working_dir: str | PathLike,
        repo_id: str,
        files_timestamps: Mapping[str, float],
        commit_message: str | None = None,
        token: bool | str | None = None,
        create_pr: bool = False,
        revision: str | None = None,
        commit_description: str | None = None,
    ) -> CommitInfo:
        """
        Called by transformers when a saved model is to be uploaded. There it knows of one level of folders, and of the
        files that were written until then.
        """
        self._save_folders(working_dir)
        api, folders = HfApi(token=token), [f"{name}/*" for name in loading.FOLDERS]
        if revision is not None and not revision.startswith("refs/pr") and not create_pr:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        files = [path for path in Path(working_dir).iterdir() if path.is_file()]
        modified = [path.name for path in files if path.stat().st_mtime > files_timestamps.get(path.name, -1)]
        return api.upload_folder(
            repo_id=repo_id,
            folder_path=working_dir,
            allow_patterns=[*modified, *folders],
            delete_patterns=folders,
            commit_message=commit_message or "Upload model",
            commit_description=commit_description,
            create_pr=create_pr,
            revision=revision,
        )
