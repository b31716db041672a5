"""How are fixed heads that flexible ones equal written into the library's `STATIC_TO_FLEX_HEAD_MAP`?"""

from __future__ import annotations

from collections.abc import Mapping

from adaptergen.plan import HeadPlan, IntegrationPlan
from adaptergen.rendering import layout
from adaptergen.rendering.environment import literal, quoted
from adaptergen.source import SourceModule, string_value


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


def convertible_heads(plan: IntegrationPlan, source: SourceModule) -> tuple[HeadPlan, ...]:
    """Heads with a flexible one that has all of their weights, in checkpoints whose base model is called the same.

    A bias beside the modules of a head has no place in the library.
    """
    base = plan.adapter_model.base_attribute
    return tuple(
        head
        for head in plan.heads
        if head.head_type in HEAD_TYPES and not head.output_bias and _prefix_of(source, head.cls) in ("", base)
    )


def _prefix_of(source: SourceModule, cls: str) -> str:
    """What a class calls its base model, where it says so itself."""
    value = source.classes[cls].constants.get("base_model_prefix")
    return string_value(value) if value is not None else ""


def head_entry(head: HeadPlan, defaults: Mapping[str, object]) -> tuple[str, ...]:
    """The lines of one entry, without indentation.

    Args:
        defaults: of the configuration, which tell what each checkpoint's configuration tells; of dropout that is what
            the library's heads ask for anyway.
    """
    config = {"activation_function": None, **head.config}
    known = {key: _told(value, defaults) for key, value in config.items() if not _is_left_to_library(key, value)}
    ordered = [*FIRST, *(key for key in known if key not in FIRST)]
    settings = [f"{quoted(key)}: {literal(known[key])}" for key in ordered]
    modules = [quoted(module) if module else "None" for module in head.modules]
    inner = (
        layout.lines(8, '"config": ', settings, "{}", ","),
        layout.entries(8, '"layers": ', modules, "[]", ","),
    )
    return (f"{quoted(head.cls)}: {{", *(f"    {line}" for text in inner for line in _dedented(text)), "},")


def _is_left_to_library(key: str, value: object) -> bool:
    return key == "dropout_prob" and isinstance(value, Mapping)


def _told(value: object, defaults: Mapping[str, object]) -> object:
    """A setting as it is by default, where the configuration of a checkpoint tells it."""
    if not isinstance(value, Mapping):
        return value
    names = (name for name in value["from_config"] if defaults.get(name) is not None)
    return defaults[name] if (name := next(names, None)) else value.get("default")


def _dedented(text: str) -> list[str]:
    """The lines of an entry that was laid out in the eighth column."""
    first, *rest = text.split("\n")
    return [first, *(line.removeprefix(" " * 8) for line in rest)]
