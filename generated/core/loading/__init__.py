"""How do adapters and heads get to disk and back? Folders in AdapterHub's format, of both its generations."""

from generated.core.loading.adapters import (
    adapter_folders,
    adapter_keys,
    add_stored,
    hidden_from_checkpoint,
    read_adapter,
    refuse_unfit,
    save_adapter,
)
from generated.core.loading.folder import ADAPTERS_FOLDER, has_head
from generated.core.loading.heads import load_static_head, save_static_head


__all__ = [
    "ADAPTERS_FOLDER",
    "adapter_folders",
    "adapter_keys",
    "add_stored",
    "has_head",
    "hidden_from_checkpoint",
    "load_static_head",
    "read_adapter",
    "refuse_unfit",
    "save_adapter",
    "save_static_head",
]
