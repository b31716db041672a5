"""Models in half precision, and adapters in them that have it, too, or keep full precision."""

import pytest
import torch

import generated
from tests_adapters.core.zoo import (
    LANGUAGE_MODELS,
    METHODS,
    adapter_parameters,
    add_random,
    build,
    each_architecture,
    each_method,
    inputs_for,
)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@each_method
@each_architecture
def test_forward_and_backward(architecture: str, method: str, dtype: torch.dtype) -> None:
    model = generated.init(build(architecture, LANGUAGE_MODELS.get(architecture)).to(dtype))
    add_random(model, method, METHODS[method]())
    own = list(adapter_parameters(model.base_model, method))
    assert {parameter.dtype for parameter in own} == {dtype}
    inputs = {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in inputs_for(architecture).items()
    }
    for adapter_dtype in (dtype, torch.float32):
        model.adapter_to(method, dtype=adapter_dtype)
        model.train_adapter(method)
        output = model(**inputs)[0]
        assert output.dtype == dtype
        output.float().square().mean().backward()
        own = list(adapter_parameters(model.base_model, method))
        assert {parameter.grad.dtype for parameter in own if parameter.grad is not None} == {adapter_dtype}
