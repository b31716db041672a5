"""Which imports does borrowed code need, and how are they written?

Names of torch and the standard library are imported as upstream imports them; everything else (helpers, caches,
registries, the classes themselves) comes from upstream's module, so that it is the same object there and here.
"""

from __future__ import annotations

import builtins
import symtable
import sys
from collections.abc import Iterable, Sequence

import libcst as cst
from msgspec import Struct

from adaptergen.bindings import bound_names
from adaptergen.nodes import names_read
from adaptergen.source import SourceModule
from adaptergen.transforms.edits import LINE_LENGTH


class Import(Struct, frozen=True, order=True):
    """`from module import name`, or `import module` when there is no name."""

    module: str
    name: str = ""


Imports = frozenset[Import]

# What upstream's modeling files import from outside; every other package is the project's own.
OTHER_PACKAGES = frozenset({"torch", "transformers", "numpy", "packaging", "safetensors", "huggingface_hub", "einops"})


def imports_for(source: SourceModule, nodes: Sequence[cst.CSTNode]) -> Imports:
    """One import for every name that the classes use and do not define, and that upstream's module gives a meaning."""
    used = {name for node in nodes for name in names_read(node)}
    defined = {node.name.value for node in nodes if isinstance(node, cst.ClassDef)}
    known = bound_names(source.parsed.body)
    if "*" in known:
        known |= _global_names("\n".join(map(source.code, nodes))) - set(dir(builtins))
    return frozenset(_import_of(source, name) for name in used & known - defined)


def _import_of(source: SourceModule, name: str) -> Import:
    imported = source.imports.get(name)
    if imported is not None and not imported.is_relative and _is_outside(imported.dotted):
        module, _, attribute = imported.dotted.rpartition(".")
        if attribute == name:
            return Import(module, name) if module else Import(name)
    return Import(source.name, name)


def _global_names(code: str) -> frozenset[str]:
    """The names that code looks up outside of its functions."""
    tables, names = [symtable.symtable(code, "borrowed.py", "exec")], set[str]()
    for table in tables:
        tables.extend(table.get_children())
        names |= {each.get_name() for each in table.get_symbols() if each.is_global() and each.is_referenced()}
    return frozenset(names)


def origin_of(source: SourceModule, config_class: str) -> str:
    """The module from which upstream's file imports its configuration class; the file itself where only that can."""
    imported = source.imports.get(config_class)
    if imported is None and config_class not in source.classes:
        return source.name.replace(".modeling_", ".configuration_")
    if imported is None or imported.is_relative:
        return source.name
    module, _, name = imported.dotted.rpartition(".")
    return module if name == config_class else source.name


def _is_outside(dotted: str) -> bool:
    """Not part of transformers: torch, the standard library, other packages."""
    return not dotted.startswith("transformers.")


def written(imports: Iterable[Import]) -> str:
    """The import block: standard library, other packages, then this project; sorted as an import sorter does."""
    sections = [_section(imports, place) for place in range(3)]
    return "\n\n".join(section for section in sections if section)


def _section(imports: Iterable[Import], place: int) -> str:
    own = sorted(found for found in imports if _place(found.module) == place)
    whole = [f"import {found.module}" for found in own if not found.name]
    modules = sorted({found.module for found in own if found.name}, key=str.lower)
    return "\n".join([*whole, *(_from(module, own) for module in modules)])


def _place(module: str) -> int:
    top = module.partition(".")[0]
    return 0 if top in sys.stdlib_module_names else 1 if top in OTHER_PACKAGES else 2


def _from(module: str, imports: list[Import]) -> str:
    names = sorted((found.name for found in imports if found.module == module and found.name), key=_sort_key)
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= LINE_LENGTH:
        return line
    return "\n".join([f"from {module} import (", *(f"    {name}," for name in names), ")"])


def _sort_key(name: str) -> tuple[int, str, str]:
    """Constants, then classes, then functions; capitals matter last."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2, name.lower(), name)
