"""What not all supported releases of transformers have does the same with and without them."""

from __future__ import annotations

import importlib.util
from types import ModuleType, SimpleNamespace

import pytest
import torch
from transformers import modeling_utils

from generated.core import upstream


@pytest.fixture
def earlier(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module as it is where transformers has nothing of it."""
    monkeypatch.delattr(modeling_utils, "slice_logits_to_keep")
    spec = importlib.util.spec_from_file_location("earlier", upstream.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("kept", [0, 1, 3, torch.tensor([0, 2]), torch.tensor([4])])
def test_states_that_are_kept(earlier: ModuleType, kept: int | torch.Tensor) -> None:
    states = torch.rand(2, 5, 4)

    assert earlier.slice_logits_to_keep is not upstream.slice_logits_to_keep
    assert torch.equal(earlier.slice_logits_to_keep(states, kept), upstream.slice_logits_to_keep(states, kept))


def test_conversions_that_were_used() -> None:
    used, unused = SimpleNamespace(was_used=lambda: True), SimpleNamespace(was_used=lambda: False)
    silent = SimpleNamespace()

    assert upstream.used_conversions([used, unused, silent]) == [used, silent]
