"""What is a factor or a bound of logits, written as an expression over the configuration?

hidden_states = hidden_states * self.config.d_model**-0.5     "self.config.d_model**-0.5"
logits = cap * torch.tanh(logits / cap)                       "self.config.final_logit_softcapping"
"""

from __future__ import annotations

import re

import libcst as cst

from adaptergen.analysis.config_names import config_path
from adaptergen.analysis.statements import enclosing_blocks, method_node
from adaptergen.tracing.values import Constant, Operation, Value


def config_expression(value: Value) -> str:
    """`self.config.d_model**-0.5` for arithmetic on configuration attributes and numbers, "" for anything else."""
    match value:
        case Constant(value=int() | float() as number):
            return repr(number)
        case Operation(name="pow", args=(base, exponent)):
            parts = [config_expression(base), config_expression(exponent)]
            return "**".join(parts) if all(parts) else ""
    path = config_path(value)
    return f"self.config.{path}" if path else ""


def softcap(value: Value) -> tuple[str, Value]:
    """What bounds the logits in `c * tanh(logits / c)`, as an expression, and the logits; or "" and the value itself.

    Where the expression is None, nothing bounds them.
    """
    match value:
        case Operation(
            name="mul", args=(Operation(name="tanh", args=(Operation(name="div", args=(logits, divisor)),)), factor)
        ):
            cap = config_expression(factor)
            if cap and cap == config_expression(divisor) and _guard(value) in ("", f"{cap} is not None"):
                return cap, logits
    return "", value


def conditional(factor: Operation, expression: str) -> str:
    """The factor, or 1.0 where the configuration says that it is not applied."""
    test = _guard(factor)
    if not test:
        return expression
    return f"{expression} if {test} else 1.0" if re.fullmatch(r"self\.config\.\w+", test) else ""


def _guard(operation: Operation) -> str:
    """The condition under which it is carried out, as written; "" if it always is."""
    method = method_node(operation.at.module, operation.at.cls, operation.at.method)
    conditions = [s for s in enclosing_blocks(method, operation.at.statement) if isinstance(s, cst.If)]
    return operation.at.module.code(conditions[-1].test) if conditions else ""
