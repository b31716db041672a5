"""What adapters does a model have, and how large are they?"""

from __future__ import annotations

from typing import Any

from torch import nn

from generated.core.lifecycle import adapter_parameters


COLUMNS = ("name", "architecture", "#param", "%param", "active", "train")


def summarize(model: nn.Module) -> list[dict[str, Any]]:
    """One row for each adapter of a base model, and one for the model without adapters."""
    config = model.adapters_config
    parameters = {name: list(adapter_parameters(model, name)) for name in config}
    in_adapters = {id(parameter) for group in parameters.values() for parameter in group}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in in_adapters]
    size = sum(parameter.numel() for parameter in rest)
    active = config.active_setup.names if config.active_setup else ()
    rows = [
        _row(name, config[name].architecture or "bottleneck", group, size, name in active)
        for name, group in parameters.items()
    ]
    return [*rows, _row("Full model", "", rest, size, None)]


def format_summary(rows: list[dict[str, Any]]) -> str:
    """The rows as a table for a terminal; the last one, the model itself, below a line."""
    cells = [COLUMNS, *(tuple(_text(row[column]) for column in COLUMNS) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return "\n".join([rule, lines[0], rule, *lines[1:-1], rule, lines[-1], rule])


def _row(
    name: str, architecture: str, parameters: list[nn.Parameter], size: int, active: bool | None
) -> dict[str, Any]:
    count = sum(parameter.numel() for parameter in parameters)
    return {
        "name": name,
        "architecture": architecture,
        "#param": count,
        "%param": 100 * count / size,
        "active": active,
        "train": any(parameter.requires_grad for parameter in parameters),
    }


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if type(value) is int else str(value)
