"""Which base model belongs to a configuration whose class comes from the files of a checkpoint?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import PreTrainedConfig, PreTrainedModel
from transformers.dynamic_module_utils import TRANSFORMERS_DYNAMIC_MODULE_NAME, get_class_from_dynamic_module


OF_CODE = ("cache_dir", "force_download", "local_files_only", "proxies", "revision", "token")


def base_class_in_code(
    config: PreTrainedConfig, location: Mapping[str, Any] | None = None
) -> type[PreTrainedModel] | None:
    """The class that `AutoModel` would load from the files of the checkpoint, None if its classes are transformers'.

    The configuration was made by code of these files, so they are trusted already.
    """
    reference = (getattr(config, "auto_map", None) or {}).get("AutoModel")
    if reference is None or type(config).__module__.partition(".")[0] != TRANSFORMERS_DYNAMIC_MODULE_NAME:
        return None
    where = {name: value for name, value in (location or {}).items() if name in OF_CODE}
    return get_class_from_dynamic_module(reference, config.name_or_path, **where)
