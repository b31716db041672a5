"""The device that `--device` names: `make test-gpu` names a GPU; any test of this folder runs on a CPU, too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> torch.device:
    name = request.config.getoption("--device")
    if name is None:
        pytest.skip("name a device, as in `pytest tests_adapters/accelerator --device cuda`")
    return torch.device(name)


@pytest.fixture(autouse=True)
def _exact_and_fresh() -> Iterator[None]:
    """Products in float32 are not rounded to TF32, and what was compiled for another test is forgotten."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    torch._dynamo.reset()
    with torch._dynamo.config.patch(automatic_dynamic_shapes=False):
        yield
    torch.set_float32_matmul_precision(before)
