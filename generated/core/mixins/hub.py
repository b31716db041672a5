"""Adapters of a model to the Hub. `load_adapter` and `load_adapter_setup` get them back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from os import PathLike
from typing import Any

from huggingface_hub import CommitInfo

from generated.core import hub
from generated.core.composition import Setup
from generated.core.mixins.setups import HeadSetup


class PushAdapterToHubMixin:
    """Uploads to the Hub."""

    def push_adapter_to_hub(
        self,
        repo_id: str | None = None,
        adapter_name: str | None = None,
        datasets_tag: str | None = None,
        local_path: str | PathLike | None = None,
        commit_message: str | None = None,
        private: bool | None = None,
        token: bool | str | None = None,
        overwrite_adapter_card: bool = False,
        create_pr: bool = False,
        revision: str | None = None,
        commit_description: str | None = None,
        adapter_card_kwargs: Mapping[str, Any] | None = None,
        adapterhub_tag: str | None = None,
        **former: Any,
    ) -> CommitInfo:
        """
        Upload an adapter, its head, and a page about it.

        Args:
            repo_id: name of the repository, "user/name"; it is made if need be.
            datasets_tag: name of the data set on the Hub that it was trained on.
            local_path: folder that it is saved to, and that is uploaded; by default one for the time being.
            private: of a new repository.
            token: by default that of who is logged in.
            overwrite_adapter_card: write a new page where there is one.
            create_pr: propose the commit instead of making it.
            revision: branch to commit to.
            adapter_card_kwargs: texts of the page, see `generated.core.hub.CardTexts`.
            adapterhub_tag: AdapterHub's name of the task, e.g. "sentiment/sst-2".
            former: `repo_name`, `organization` and `use_auth_token` of adapter-transformers 3.

        Raises:
            UnknownAdapterError: there is no such adapter; nothing is made.
            HfHubHTTPError: the Hub refuses.
        """
        repo_id, token = hub.former_arguments(repo_id, token, former)
        self.adapters_config.require(adapter_name)
        about = self._subject("An adapter", "load_adapter", adapter_name, datasets_tag, adapterhub_tag)
        destination = hub.Destination(
            repo_id, private, token, revision, create_pr, commit_message, commit_description, overwrite_adapter_card
        )
        texts = hub.CardTexts(**(adapter_card_kwargs or {}))
        return hub.push(destination, local_path, partial(self.save_adapter, adapter_name=adapter_name), about, texts)

    def push_adapter_setup_to_hub(
        self,
        repo_id: str,
        adapter_setup: Setup,
        head_setup: HeadSetup = None,
        datasets_tag: str | None = None,
        local_path: str | PathLike | None = None,
        commit_message: str | None = None,
        private: bool | None = None,
        token: bool | str | None = None,
        overwrite_adapter_card: bool = False,
        create_pr: bool = False,
        revision: str | None = None,
        commit_description: str | None = None,
        adapter_card_kwargs: Mapping[str, Any] | None = None,
    ) -> CommitInfo:
        """
        Upload a setup with all that is in it, and a page about it.

        Args:
            adapter_setup, head_setup: as for `save_adapter_setup`; all others as for `push_adapter_to_hub`.

        Raises:
            UnknownAdapterError: the model has not all of it; nothing is made.
            HfHubHTTPError: the Hub refuses.
        """
        about = self._subject("A setup of adapters", "load_adapter_setup", None, datasets_tag, None)
        destination = hub.Destination(
            repo_id, private, token, revision, create_pr, commit_message, commit_description, overwrite_adapter_card
        )
        texts = hub.CardTexts(**(adapter_card_kwargs or {}))
        save = partial(self.save_adapter_setup, adapter_setup=adapter_setup, head_setup=head_setup)
        return hub.push(destination, local_path, save, about, texts)

    def _subject(
        self, kind: str, method: str, head_name: str | None, dataset: str | None, task: str | None
    ) -> hub.Subject:
        config, heads = self.config, getattr(self, "heads", {})
        head_type = heads[head_name].config["head_type"] if head_name in heads else None
        return hub.Subject(kind, method, config.name_or_path, config.model_type, head_type, dataset, task)
