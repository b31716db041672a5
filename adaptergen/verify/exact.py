"""Where roundings grow in a deep model: does it keep its promise in float64?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import TYPE_CHECKING

from msgspec.structs import replace
from torch import Tensor, nn
from transformers import PreTrainedModel

from adaptergen.verify.outputs import CheckFailed


if TYPE_CHECKING:
    from adaptergen.verify.adapters import AdapterForm
    from adaptergen.verify.subjects import Subject


def told_exactly(check: Callable[[Subject, AdapterForm], None]) -> Callable[[Subject, AdapterForm], None]:
    """A check of outputs that roundings change: where it fails in float32, float64 decides, if upstream knows it."""

    @wraps(check)
    def told(subject: Subject, form: AdapterForm) -> None:
        try:
            check(subject, form)
        except CheckFailed:
            exact = replace(subject, exact=True)
            if not exact.runs:
                raise
            check(exact, form)

    return told


def exact_model(model: PreTrainedModel) -> PreTrainedModel:
    model.set_experts_implementation("eager")  # others know no float64
    for module in model.modules():
        for hidden in _kept_in_lists(module):
            hidden.double()
    return model.double()


def _kept_in_lists(module: nn.Module) -> Iterator[nn.Module]:
    """Modules that torch does not know of."""
    lists = (value for value in vars(module).values() if isinstance(value, list))
    yield from (each for held in lists for each in held if isinstance(each, nn.Module))


def exact_inputs(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.double() if value.is_floating_point() else value for name, value in inputs.items()}
