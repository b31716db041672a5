"""How are fixed heads that flexible ones equal written into the library's `STATIC_TO_FLEX_HEAD_MAP`?"""

from __future__ import annotations

from collections.abc import Mapping

from adaptergen.plan import HeadPlan, IntegrationPlan
from adaptergen.rendering import layout
from adaptergen.rendering.environment import literal, quoted


# Types of flexible heads that the library has.
HEAD_TYPES = (
    "causal_lm",
    "classification",
    "dependency_parsing",
    "image_classification",
    "masked_lm",
    "multilabel_classification",
    "multiple_choice",
    "question_answering",
    "tagging",
)
FIRST = ("head_type", "layers", "activation_function")


def head_types(plan: IntegrationPlan) -> tuple[str, ...]:
    return tuple(found for found in plan.adapter_model.head_types if found in HEAD_TYPES)


def convertible_heads(plan: IntegrationPlan) -> tuple[HeadPlan, ...]:
    """Heads with a flexible one that has all of their weights; a bias beside them has no place in the library."""
    return tuple(head for head in plan.heads if head.head_type in HEAD_TYPES and not head.output_bias)


def head_entry(head: HeadPlan) -> tuple[str, ...]:
    """The lines of one entry, without indentation; what a configuration tells of dropout is the library's default."""
    config = {"activation_function": None, **head.config}
    ordered = [*FIRST, *(key for key in config if key not in FIRST)]
    settings = [f"{quoted(key)}: {literal(config[key])}" for key in ordered if not isinstance(config[key], Mapping)]
    modules = [quoted(module) if module else "None" for module in head.modules]
    inner = (
        layout.lines(8, '"config": ', settings, "{}", ","),
        layout.entries(8, '"layers": ', modules, "[]", ","),
    )
    return (f"{quoted(head.cls)}: {{", *(f"    {line}" for text in inner for line in _dedented(text)), "},")


def _dedented(text: str) -> list[str]:
    """The lines of an entry that was laid out in the eighth column."""
    first, *rest = text.split("\n")
    return [first, *(line.removeprefix(" " * 8) for line in rest)]
