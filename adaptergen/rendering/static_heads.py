"""How is a fixed head that a flexible one equals written down in the conversion table?"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from adaptergen.plan import HeadPlan
from adaptergen.rendering import layout
from adaptergen.rendering.environment import literal, quoted


class StaticHeadEntry(Struct, frozen=True):
    """A convertible head as the lines of the conversion table."""

    cls: str
    config: str
    modules: str
    output_bias: str


def static_head(head: HeadPlan) -> StaticHeadEntry:
    config = {"activation_function": None, **head.config}
    ordered = [*_FIRST, *(key for key in config if key not in _FIRST)]
    settings = [f"{quoted(key)}: {_setting(config[key])}" for key in ordered]
    modules = [quoted(module) if module else "None" for module in head.modules]
    return StaticHeadEntry(
        head.cls,
        layout.lines(4, "config=", settings, "{}", ","),
        layout.entries(8, "modules=", modules, tail=",").replace("\n    ", "\n"),
        head.output_bias,
    )


_FIRST = ("head_type", "layers", "activation_function")


def _setting(value: object) -> str:
    """A literal, or where the checkpoint's configuration tells it."""
    if isinstance(value, Mapping) and "from_config" in value:
        names = value["from_config"]
        assert isinstance(names, tuple)
        listed = f"({', '.join(map(quoted, names))}{',' if len(names) == 1 else ''})"
        default = f", default={literal(value['default'])}" if "default" in value else ""
        return f"FromConfig({listed}{default})"
    return literal(value)
