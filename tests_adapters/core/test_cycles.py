"""Many lives of adapters in one model: nothing is left of them, and its weights are the same to the last bit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from tests_adapters.core.cycles import cycles, model_of_cycles


SCRIPT = Path(__file__).parents[2] / "utils/many_cycles.py"


@pytest.mark.parametrize("count", [150, pytest.param(1000, marks=pytest.mark.slow)])
def test_nothing_is_left(count: int) -> None:
    """In a process of its own: what other tests leave behind would be counted, too, whenever it goes."""
    command = [sys.executable, SCRIPT, "--count", str(count)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


LEAK = """
import torch
from tests_adapters.core.cycles import growth, memory

first, kept = memory(), []
for number in range(100):
    kept.append({"number": [number], "tensor": torch.zeros(1)})
print(growth(first, memory(), 100, 0))
print(growth(first, first, 100, 0))
"""


def test_leaks_are_noticed() -> None:
    """In a process of its own, too: what other tests leave goes meanwhile, and would hide what has come."""
    command = [sys.executable, "-c", LEAK]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=SCRIPT.parents[1])
    leak, nothing = result.stdout.splitlines()
    assert "more objects" in leak
    assert "100 more tensors" in leak
    assert nothing == ""


def test_changed_weights_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a bit, in a row that no input of the cycles reads."""
    model = model_of_cycles()

    def careless(model: nn.Module, name: str) -> None:
        with torch.no_grad():
            weight = model.embeddings.position_embeddings.weight
            weight[-1, 0] = torch.nextafter(weight[-1, 0], torch.tensor(torch.inf))
        return delete(name)

    delete = model.delete_adapter
    monkeypatch.setattr(model, "delete_adapter", lambda name: careless(model, name), raising=False)
    with pytest.raises(AssertionError):
        cycles(model, 1)
