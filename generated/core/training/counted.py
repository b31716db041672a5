"""
Does a model divide its loss by the number of targets that a trainer has counted, in all batches of an update?

Transformers' `Trainer` takes every model whose forward has `**kwargs` for one that does. Many fixed heads compute a
mean and drop the number; their losses would be summed over accumulated batches and over processes:
https://github.com/huggingface/transformers/issues/47688
"""

from __future__ import annotations

import ast
import inspect
import textwrap

from torch import nn


COUNT = "num_items_in_batch"


def divides_by_count(model: nn.Module) -> bool:
    """Told by the source of its forward. Where a loss is computed elsewhere, `Trainer` is believed."""
    try:
        source = inspect.getsource(inspect.unwrap(type(model).forward))
    except (OSError, TypeError):  # it has no file
        return True
    calls = [node for node in ast.walk(ast.parse(textwrap.dedent(source))) if isinstance(node, ast.Call)]
    losses = [call for call in calls if _is_loss(call.func)]
    return not losses or any(keyword.arg in (None, COUNT) for call in losses for keyword in call.keywords)


def _is_loss(function: ast.expr) -> bool:
    """`self.loss_function(…)`, or a class of torch such as `CrossEntropyLoss()`."""
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name == "loss_function" or name.endswith("Loss") or name == "cross_entropy"
