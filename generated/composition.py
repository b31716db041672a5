"""The import path of compositions: `import generated.composition as ac`."""

from generated.core.composition import (
    AdapterCompositionBlock,
    Average,
    BatchSplit,
    Fuse,
    MultiTask,
    Parallel,
    Route,
    Split,
    Stack,
    parse_composition,
    validate_composition,
)
from generated.core.heads import parse_heads_from_composition


__all__ = [
    "AdapterCompositionBlock",
    "Average",
    "BatchSplit",
    "Fuse",
    "MultiTask",
    "Parallel",
    "Route",
    "Split",
    "Stack",
    "parse_composition",
    "parse_heads_from_composition",
    "validate_composition",
]
