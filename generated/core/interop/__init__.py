"""How do adapters of other libraries come in, and ours go out? PEFT's folders, without PEFT being installed."""

from generated.core.interop.peft_files import is_peft_folder
from generated.core.interop.peft_writing import write_peft_adapter
from generated.core.interop.reading import has_head, read_adapter, read_head


__all__ = ["has_head", "is_peft_folder", "read_adapter", "read_head", "write_peft_adapter"]
