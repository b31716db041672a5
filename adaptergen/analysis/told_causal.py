"""Does the model tell its attention in each call whether to mask the future, whatever the module itself says?

hidden_states = self.encoder(hidden_states, attention_mask=attention_mask, is_causal=True, **kwargs)
                                                                           ^^^^^^^^^ goes down to attention
attn_output, _ = attention_interface(self, query, key, value, None, is_causal=False)
                                                                    ^^^^^^^^^ told by the attention itself
"""

from __future__ import annotations

import re
from functools import lru_cache

import libcst as cst

from adaptergen.source import SourceModule, descendants
from adaptergen.tracing.values import Call


_NAME = "is_causal"
_MENTIONED = re.compile(rf"(?<![\w.\"']){_NAME}\b")  # neither an attribute nor a text


def told_causal(call: Call) -> str:
    """The expression that holds what an attention function is told, "" where it is told nothing by the model."""
    node, kwargs = call.at.expression, _rest(call)
    if isinstance(node, cst.Call) and (own := next(filter(_tells, node.args), None)) is not None:
        written = call.at.module.code(own.value)
        return "" if written == f"self.{_NAME}" else written
    if not isinstance(node, cst.Call) or not kwargs or not _is_told(call.at.module):
        return ""
    passed = any(argument.star == "**" and call.at.module.code(argument.value) == kwargs for argument in node.args)
    return f'{kwargs}.get("{_NAME}")' if passed else ""


def _rest(call: Call) -> str:
    """The name of `**kwargs` in the method that calls the attention function."""
    found = call.at.module.find_method(call.at.cls, call.at.method)
    rest = found[1].params.star_kwarg if found else None
    return rest.name.value if rest is not None else ""


@lru_cache(4)  # of the modules of one architecture
def _is_told(source: SourceModule) -> bool:
    """Does a forward call a module with it?"""
    if not _MENTIONED.search(source.text):
        return False
    methods = (method for cls in source.classes.values() for method in cls.methods.values())
    calls = (call for method in methods if method.name.value != "__init__" for call in descendants(method, cst.Call))
    return any(_is_of_module(call) and any(_tells(argument) for argument in call.args) for call in calls)


def _is_of_module(call: cst.Call) -> bool:
    match call.func:
        case cst.Attribute(value=cst.Name(value="self")):
            return True
    return False


def _tells(argument: cst.Arg) -> bool:
    return argument.keyword is not None and argument.keyword.value == _NAME
