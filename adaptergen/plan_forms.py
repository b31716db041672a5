"""Which texts of a plan become code, and which form must they have? What people write there is not trusted either."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache

from msgspec import Struct

from adaptergen.plan import IntegrationPlan, PrefixHook, ResidualHook


NAME, DOTTED, WORD = "a Python name", "a dotted name", "a word of letters, digits, dots, hyphens and underscores"
TITLE = "one line of at most 80 signs without quotation marks and backslashes"
PARAMETER, EXPRESSION = "one parameter as Python writes it", "one Python expression"
TEXT = "text that UTF-8 can hold"

# Expressions that hooks are made of; names to which they assign are expressions, too.
OF_HOOKS = (
    "branch", "residual", "norm", "inner_norm", "query", "key", "value", "mask", "hidden", "head_dim", "is_causal",
    "told_causal", "extended_key", "value_dim", "heads", "hidden_dim", "function", "boundaries", "window_mask",
)  # fmt: skip


def misshapen(plan: IntegrationPlan) -> Iterator[tuple[str, str]]:
    """(which entry, what is wrong with it)"""
    return _misfits(_texts(plan))


def unencodable(plan: IntegrationPlan) -> Iterator[tuple[str, str]]:
    """The same of every text that no file can hold."""
    return _misfits(_encoded(plan, ""))


def is_encodable(text: str) -> bool:
    return not re.search("[\ud800-\udfff]", text)


def _misfits(texts: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, str]]:
    for where, text, form in texts:
        if text and not _FITS[form](text):
            yield where, f"is {text[:60]!r}, expected {form}"


def is_word(text: str) -> bool:
    return re.fullmatch(r"\w[\w.-]*", text) is not None


def is_dotted_name(text: str) -> bool:
    return all(map(_is_name, text.split(".")))


def _texts(plan: IntegrationPlan) -> Iterator[tuple[str, str, str]]:
    own, classes = plan.adapter_model, plan.classes
    yield "title", plan.title, TITLE
    yield "model_type", plan.model_type, WORD
    yield "source.module", plan.source.module, WORD
    for name in ("config", "pretrained", "base"):
        yield f"classes.{name}", getattr(classes, name), NAME
    for name in ("holders", "heads", "writers"):
        yield from ((f"classes.{name}", cls, NAME) for cls in getattr(classes, name))
    for name in ("name", "base_attribute", "shifts_as"):
        yield f"adapter_model.{name}", getattr(own, name), NAME
    yield from (("adapter_model.imports", dotted, WORD) for dotted in own.imports)
    yield "adapter_model.generation", own.generation, DOTTED
    yield from (("adapter_model.parameters", parameter, PARAMETER) for parameter in own.parameters)
    yield "adapter_model.lm_scale", own.lm_scale, EXPRESSION
    yield "adapter_model.logit_softcap", own.logit_softcap, EXPRESSION
    for number, tower in enumerate(plan.towers):
        yield f"towers[{number}].cls", tower.cls, NAME
    for number, head in enumerate(plan.heads):
        yield f"heads[{number}].cls", head.cls, NAME
    for number, layer in enumerate(plan.layers):
        yield f"layers[{number}].cls", layer.cls, NAME
        for place in layer.bottleneck:
            yield from ((f"layers[{number}].bottleneck", name, NAME) for name in (place.slot, place.of))
    kinds: dict[str, Sequence[ResidualHook | PrefixHook]] = {"residuals": plan.residuals, "prefixes": plan.prefixes}
    for kind, hooks in kinds.items():
        for number, hook in enumerate(hooks):
            yield from ((f"{kind}[{number}].{name}", text, form) for name, text, form in _of_hook(hook))


def _of_hook(hook: ResidualHook | PrefixHook) -> Iterator[tuple[str, str, str]]:
    for name in ("cls", "method", "slot"):
        yield name, getattr(hook, name, ""), NAME
    for name in OF_HOOKS:
        yield name, getattr(hook, name, ""), EXPRESSION


def _encoded(value: object, where: str) -> Iterator[tuple[str, str, str]]:
    """Every text, wherever it is."""
    if isinstance(value, str):
        yield where, value, TEXT
    elif isinstance(value, Struct):
        for name in value.__struct_fields__:
            yield from _encoded(getattr(value, name), f"{where}.{name}".lstrip("."))
    elif isinstance(value, Mapping):
        for key, held in value.items():
            yield from _encoded(held, f"{where}.{key}")
    elif isinstance(value, tuple):
        for number, held in enumerate(value):
            yield from _encoded(held, f"{where}[{number}]")


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def _is_title(text: str) -> bool:
    return len(text) <= 80 and text.isprintable() and not set(text) & set("\"'\\")


@cache  # plans have many in common
def _is_expression(text: str) -> bool:
    return _is_name(text) or _parses(f"({text}\n)", "eval") is not None


@cache
def _is_parameter(text: str) -> bool:
    tree = _parses(f"def f({text}\n): ...", "exec")
    match tree.body if isinstance(tree, ast.Module) else None:
        case [ast.FunctionDef(args=ast.arguments() as found, body=[ast.Expr(value=ast.Constant())])]:
            given = (found.posonlyargs, found.args, found.kwonlyargs, [found.vararg, found.kwarg])
            return sum(each is not None for part in given for each in part) == 1
    return False


def _parses(text: str, mode: str) -> ast.AST | None:
    try:
        return ast.parse(text, mode=mode)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


_FITS: Mapping[str, Callable[[str], bool]] = {
    NAME: _is_name,
    DOTTED: is_dotted_name,
    WORD: is_word,
    TITLE: _is_title,
    PARAMETER: _is_parameter,
    EXPRESSION: _is_expression,
    TEXT: is_encodable,
}
