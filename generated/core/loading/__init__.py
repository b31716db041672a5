"""How do adapters and heads get to disk and back? Folders in AdapterHub's format, of both its generations."""

from generated.core.loading.adapters import (
    StoredAdapter,
    adapter_folders,
    adapter_keys,
    add_stored,
    describe,
    hidden_from_checkpoint,
    key_prefix,
    read_adapter,
    save_adapter,
)
from generated.core.loading.folder import ADAPTERS_FOLDER, has_head
from generated.core.loading.heads import HeadFolder, load_static_head, read_head_folder, save_static_head


__all__ = [
    "ADAPTERS_FOLDER",
    "HeadFolder",
    "StoredAdapter",
    "adapter_folders",
    "adapter_keys",
    "add_stored",
    "describe",
    "has_head",
    "hidden_from_checkpoint",
    "key_prefix",
    "load_static_head",
    "read_adapter",
    "read_head_folder",
    "save_adapter",
    "save_static_head",
]
