"""Which adapters are there on the Hub?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from huggingface_hub import HfApi, ModelInfo
from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

from generated.core.hub.card import LIBRARY_TAG, TASK_TAG


@dataclass(frozen=True)
class AdapterInfo:
    """
    An adapter on the Hub.

    Args:
        source: always "hf".
        adapter_id: name of the repository; `load_adapter` takes it.
        model_name: name of the base model, if the repository says so.
        task, subtask: AdapterHub's names of the task, if it has some.
        username: owner of the repository.
        adapter_config: the method's configuration, as far as the Hub gives it.
        sha1_checksum: the commit.
    """

    source: str
    adapter_id: str
    model_name: str | None = None
    task: str | None = None
    subtask: str | None = None
    username: str | None = None
    adapter_config: Mapping[str, Any] | None = None
    sha1_checksum: str | None = None


def list_adapters(
    model_name: str | None = None, source: str | None = None, *, token: bool | str | None = None
) -> list[AdapterInfo]:
    """
    All adapters on the Hub.

    Args:
        model_name: only those for this base model.
        source: of no meaning any more; AdapterHub's own index is archived.
    """
    found = HfApi(token=token).list_models(filter=LIBRARY_TAG, fetch_config=True, full=True)
    adapters = map(_describe, found)
    return [adapter for adapter in adapters if model_name is None or adapter.model_name == model_name]


def get_adapter_info(
    adapter_id: str,
    source: str | None = None,
    *,
    revision: str | None = None,
    token: bool | str | None = None,
) -> AdapterInfo | None:
    """What the Hub says about an adapter; `None` if it has none of this name."""
    try:
        return _describe(HfApi(token=token).model_info(adapter_id, revision=revision))
    except (RepositoryNotFoundError, HFValidationError):
        return None


def _describe(model: ModelInfo) -> AdapterInfo:
    stored = (model.config or {}).get("adapter_transformers") or {}
    names = (tag.removeprefix(TASK_TAG) for tag in model.tags or () if tag.startswith(TASK_TAG))
    task, _, subtask = next(names, "").partition("/")
    return AdapterInfo(
        source="hf",
        adapter_id=model.id,
        model_name=stored.get("model_name"),
        task=task or None,
        subtask=subtask or None,
        username=model.author or model.id.rpartition("/")[0] or None,
        adapter_config=stored.get("config", stored) or None,
        sha1_checksum=model.sha,
    )
