"""Is what was run turned into what is proven, and kept as long as it holds? Nothing is run here."""

from __future__ import annotations

import pytest
from msgspec import Struct
from msgspec.structs import replace

from adaptergen.surveying.judging import OF_ROWS, Proof, judged
from adaptergen.surveying.kinds import Kind
from adaptergen.surveying.record import COLUMNS, OTHER_ROWS, Architecture, Cell, Survey, read, written
from adaptergen.surveying.resuming import is_proven_throughout, with_known_proofs


class Outcome(Struct, frozen=True):
    method: str
    check: str
    failure: str = ""
    trace: str = ""
    is_refusal: bool = False
    needs: str = ""


SUPPORTED = ("lora", "reft", "parallel")
EACH = Architecture(
    "case",
    Kind("attention", "text encoder", "text"),
    {method: Cell(method in SUPPORTED, f"planned for {method}") for method in COLUMNS},
    key="1",
)
WITHOUT = [Outcome("", "equals upstream")]
LORA = [Outcome("lora", "an effect"), Outcome("lora", OF_ROWS), Outcome("lora", "")]
REFT = [Outcome("reft", "an effect"), Outcome("reft", OF_ROWS), Outcome("reft", "")]
ALL = [*WITHOUT, *LORA, *REFT]


def failing(outcomes: list[Outcome], number: int, failure: str = "no") -> list[Outcome]:
    return [replace(each, failure=failure) if i == number else each for i, each in enumerate(outcomes)]


def proven(outcomes: list[Outcome], ended: str = "") -> dict[str, tuple[bool | None, str]]:
    """Of the methods that are supported; of the others nothing may be said."""
    cells = judged(EACH, Proof(outcomes, ended)).methods
    assert all(cell.proven is None for method, cell in cells.items() if method not in SUPPORTED)
    return {method: (cells[method].proven, cells[method].because) for method in SUPPORTED}


def test_everything_is_right() -> None:
    assert proven(ALL) == {method: (True, f"planned for {method}") for method in SUPPORTED}


def test_one_method_is_not() -> None:
    found = proven([*WITHOUT, *failing(LORA, 0), *REFT])

    assert found["lora"] == (False, "an effect: no")
    assert (found["reft"][0], found["parallel"][0]) == (True, True)


def test_only_the_rows_are_not() -> None:
    found = proven([*WITHOUT, *LORA, *failing(REFT, 1)])

    assert (found["lora"][0], found["reft"][0]) == (True, True)
    assert found["parallel"] == (False, f"reft, {OF_ROWS}: no")


def test_several_failures_are_counted() -> None:
    more = [Outcome("lora", "gradients", "none")]
    assert proven([*WITHOUT, *more, *failing(LORA, 0), *REFT])["lora"] == (False, "gradients: none (and 1 more)")


def test_not_right_without_adapters() -> None:
    assert proven(failing(WITHOUT, 0)) == dict.fromkeys(SUPPORTED, (False, "without adapters, equals upstream: no"))


def test_a_library_that_is_not_there_fails_nothing() -> None:
    needing = Outcome("", "no tiny model can be built and run", "ImportError", needs="timm")
    assert proven([needing]) == dict.fromkeys(SUPPORTED, (None, "was not run: needs timm"))


def test_an_early_end_fails_what_was_not_complete() -> None:
    found = proven([*WITHOUT, *LORA, *REFT[:1]], "was not run to the end in 60 s")

    assert found["lora"][0] is True
    assert found["reft"] == found["parallel"] == (False, "was not run to the end in 60 s")


def test_no_method_is_right() -> None:
    found = proven([*WITHOUT, *failing(LORA, 0), *failing(REFT, 0)])
    assert found["parallel"] == (False, "no method that acts on rows is right by itself")


def test_rows_that_are_not_those_of_examples() -> None:
    of_rows = (LORA[1], REFT[1])
    cells = judged(EACH, Proof([each for each in ALL if each not in of_rows])).methods

    assert cells["parallel"] == Cell(False, OTHER_ROWS)
    assert cells["lora"].proven is True


def test_rows_that_the_runtime_refuses_to_tell_apart() -> None:
    refused = [replace(each, failure="7 rows", is_refusal=True) if each.check == OF_ROWS else each for each in ALL]
    cells = judged(EACH, Proof(refused)).methods

    assert cells["parallel"] == Cell(False, "7 rows")
    assert cells["reft"].proven is True


def test_rows_that_the_runtime_refuses_to_tell_apart_for_one_method() -> None:
    refused = [replace(each, failure="1 row", is_refusal=True) if each is LORA[1] else each for each in ALL]
    assert judged(EACH, Proof(refused)).methods["parallel"] == Cell(False, "1 row")


def test_a_method_that_the_runtime_refuses() -> None:
    refused = [replace(each, failure="no place", is_refusal=True) for each in LORA[:1]]
    assert judged(EACH, Proof([*WITHOUT, *refused, *REFT])).methods["lora"] == Cell(False, "no place")


def test_a_method_that_nothing_puts_to_the_test() -> None:
    asleep = [Outcome("lora", "every site is reached", needs="a retriever")]
    cells = judged(EACH, Proof([*WITHOUT, *asleep, *REFT])).methods

    assert cells["lora"] == Cell(True, "was not run: needs a retriever")
    assert (cells["reft"].proven, cells["parallel"].proven) == (True, True)


def test_what_the_runtime_refuses_throughout_is_not_run_again() -> None:
    refused = [replace(each, failure="no place", is_refusal=True) if each.method else each for each in ALL]
    before = judged(EACH, Proof(refused))
    survey = read(written(Survey("5", (before,))), "coverage.json")
    (kept,) = with_known_proofs([EACH], survey.architectures)

    assert kept == before
    assert not any(cell.supported for cell in kept.methods.values())


@pytest.mark.parametrize("outcomes", [ALL, failing(ALL, 1)])
def test_proofs_of_the_same_are_kept(outcomes: list[Outcome]) -> None:
    before = judged(EACH, Proof(outcomes))
    (kept,) = with_known_proofs([EACH], [before])

    assert kept == before
    assert is_proven_throughout(kept)


@pytest.mark.parametrize("change", [{"key": "2"}, {"key": ""}, {"name": "other"}])
def test_proofs_of_something_else_are_not(change: dict[str, str]) -> None:
    before = replace(judged(EACH, Proof(ALL)), **change)
    (fresh,) = with_known_proofs([EACH], [before])

    assert fresh == EACH
    assert not is_proven_throughout(fresh)
