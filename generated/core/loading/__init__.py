"""How do adapters and heads get to disk and back? Folders in AdapterHub's format, of both its generations."""

from generated.core.loading.adapters import (
    StoredAdapter,
    adapter_folders,
    adapter_keys,
    add_stored,
    describe,
    fusion_folders,
    hidden_from_checkpoint,
    key_prefix,
    parts_of,
    read_adapter,
    save_adapter,
)
from generated.core.loading.folder import (
    ADAPTERS_FOLDER,
    FOLDERS,
    FUSIONS_FOLDER,
    HEADS_FOLDER,
    has_head,
    remove_others,
)
from generated.core.loading.fusions import load_fusion, save_fusion
from generated.core.loading.guarding import guarded
from generated.core.loading.heads import HeadFolder, load_static_head, read_head_folder, save_static_head
from generated.core.loading.inside import add_inside, forget_list, inside_of_folder
from generated.core.loading.quantised_heads import without_packed
from generated.core.loading.replacing import saved_together
from generated.core.loading.setups import HeadNames, read_setup, save_setup


__all__ = [
    "ADAPTERS_FOLDER",
    "FOLDERS",
    "FUSIONS_FOLDER",
    "HEADS_FOLDER",
    "HeadFolder",
    "HeadNames",
    "StoredAdapter",
    "adapter_folders",
    "adapter_keys",
    "add_inside",
    "add_stored",
    "describe",
    "forget_list",
    "fusion_folders",
    "guarded",
    "has_head",
    "hidden_from_checkpoint",
    "inside_of_folder",
    "key_prefix",
    "load_fusion",
    "load_static_head",
    "parts_of",
    "read_adapter",
    "read_head_folder",
    "read_setup",
    "remove_others",
    "save_adapter",
    "save_fusion",
    "save_setup",
    "save_static_head",
    "saved_together",
    "without_packed",
]
