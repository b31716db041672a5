"""Files that are damaged, or made to do harm, are refused with a word on them, or what is loaded of them is sound."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from torch import nn

from generated.core.configuration import AdapterConfig, LoRAConfig, ReftConfig, SeqBnConfig
from generated.core.errors import AdapterConfigError, AdapterError, AdapterFileError
from generated.core.loading import guarded
from tests_adapters.core.hostile.damage import damaged
from tests_adapters.core.hostile.stored import Stored, stored_kinds
from tests_adapters.core.hostile.trials import trial


FEW = 6
KINDS = {stored.kind: stored for stored in stored_kinds()}
each_kind = pytest.mark.parametrize("stored", KINDS.values(), ids=KINDS)


@each_kind
def test_unharmed(stored: Stored, tmp_path: Path) -> None:
    """What is not damaged is loaded, so that a refusal says something."""
    stored.save(tmp_path)
    stored.load(stored.receiver(), tmp_path)


@each_kind
def test_damaged(stored: Stored) -> None:
    outcomes = [trial(stored, seed) for seed in range(FEW)]

    assert [outcome for outcome in outcomes if outcome.defect] == []


def test_damages_are_drawn_again(tmp_path: Path) -> None:
    """The same number does the same harm, so that a failure can be looked at."""
    stored = KINDS["lora"]
    for name in ("a", "b"):
        stored.save(tmp_path / name)
    assert damaged(tmp_path / "a", random.Random(3)) == damaged(tmp_path / "b", random.Random(3))


def _careless(model: nn.Module, folder: Path) -> None:
    """Loads what is there, and asks nothing."""
    with torch.no_grad():
        next(model.parameters()).fill_(0)
    raise ZeroDivisionError


def test_careless_loading_is_noticed() -> None:
    lora = KINDS["lora"]
    careless = Stored("careless", lora.save, lora.receiver, _careless)

    assert trial(careless, 0).defect == "ZeroDivisionError: "


def _changing(model: nn.Module, folder: Path) -> None:
    with torch.no_grad():
        next(model.parameters()).fill_(0)
    raise AdapterError(f"{folder} is refused")


def _silent(model: nn.Module, folder: Path) -> None:
    raise AdapterError("something is wrong")


@pytest.mark.parametrize(("load", "defect"), [(_changing, "have changed"), (_silent, "names no file")])
def test_bad_refusals_are_noticed(load: object, defect: str) -> None:
    assert defect in trial(Stored("bad", KINDS["lora"].save, KINDS["lora"].receiver, load), 0).defect


@pytest.mark.parametrize(
    ("make", "values", "message"),
    [
        (LoRAConfig, {"r": "8"}, "r is '8', must be a whole number"),
        (LoRAConfig, {"r": True}, "r is True, must be a whole number"),
        (LoRAConfig, {"alpha": None}, "alpha is None, must be a number"),
        (LoRAConfig, {"alpha": float("nan")}, "alpha is nan, must be a number"),
        (LoRAConfig, {"attn_matrices": "q"}, "attn_matrices is 'q', must be a list, of which each is a text"),
        (
            LoRAConfig,
            {"rank_pattern": {"x": "y"}},
            r"rank_pattern is .*, must be a mapping, to a whole number or None",
        ),
        (SeqBnConfig, {"leave_out": 3}, "leave_out is 3, must be a list, of which each is a whole number"),
        (SeqBnConfig, {"dropout": 10**400}, "must be a number"),
        (ReftConfig, {"layers": [1, "2"]}, r"layers is \[1, '2'\], must be a text or a list"),
    ],
)
def test_values_of_another_kind(make: type[AdapterConfig], values: dict[str, object], message: str) -> None:
    with pytest.raises(AdapterConfigError, match=message):
        make(**values)


def test_more_numbers_than_there_are(tmp_path: Path) -> None:
    """Before there is memory for them."""
    with pytest.raises(AdapterFileError, match="asks for far more numbers than its files hold"), guarded(tmp_path):
        torch.empty(2**40, 2**20)


@pytest.mark.parametrize("error", [KeyError("x"), OverflowError("x"), MemoryError("x"), RecursionError("x")])
def test_consequences_name_the_folder(error: Exception, tmp_path: Path) -> None:
    message = rf"{tmp_path} holds what cannot be used: {type(error).__name__}"
    with pytest.raises(AdapterFileError, match=message), guarded(tmp_path):
        raise error


def test_a_full_device_is_no_fault_of_the_files(tmp_path: Path) -> None:
    with pytest.raises(torch.OutOfMemoryError), guarded(tmp_path):
        raise torch.OutOfMemoryError
