"""Where roundings grow in a deep model: does it say the same in float64?"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from transformers import PreTrainedModel

from adaptergen.verify.outputs import run
from adaptergen.verify.subjects import Subject


def runs_exactly(subject: Subject) -> bool:
    """Does upstream's own model know float64?"""
    model = subject.upstream()
    inputs = subject.inputs(model, padded=True)
    try:
        run(exact_model(model), exact_inputs(inputs))
    except Exception:  # upstream refuses in whatever way it likes
        return False
    return True


def exact_model(model: PreTrainedModel) -> PreTrainedModel:
    model.set_experts_implementation("eager")  # others know no float64
    return model.double()


def exact_inputs(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.double() if value.is_floating_point() else value for name, value in inputs.items()}
