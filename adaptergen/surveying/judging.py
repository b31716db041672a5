"""What do the outcomes of checks say about the methods of an architecture?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from adaptergen.surveying.record import OTHER_ROWS, PARALLEL, Architecture, Cell


OF_ROWS = "each row has its own adapter"  # the check that is about `parallel`, whatever the method


class Outcome(Protocol):
    """What `verify.proof` tells; see there."""

    @property
    def method(self) -> str: ...
    @property
    def check(self) -> str: ...
    @property
    def failure(self) -> str: ...
    @property
    def trace(self) -> str: ...
    @property
    def is_refusal(self) -> bool: ...
    @property
    def needs(self) -> str: ...


class Proof(Struct, frozen=True):
    """
    Everything that was run of an architecture.

    Args:
        ended: why it ended before it was complete; "" if it was.
    """

    outcomes: Sequence[Outcome]
    ended: str = ""


def judged(each: Architecture, proof: Proof) -> Architecture:
    """The architecture with what is proven; what was not run because of an early end has failed."""
    if needs := _needed("", proof):
        return replace(each, methods={method: _not_run(cell, needs) for method, cell in each.methods.items()})
    complete = {outcome.method for outcome in proof.outcomes if not outcome.check}
    methods = {
        method: _judged(method, cell, proof, complete) if cell.supported else cell
        for method, cell in each.methods.items()
    }
    return replace(each, methods=methods, was_run=True)


def _needed(method: str, proof: Proof) -> str:
    return next((outcome.needs for outcome in proof.outcomes if outcome.needs and outcome.method == method), "")


def _not_run(cell: Cell, needs: str) -> Cell:
    return Cell(True, f"was not run: needs {needs}") if cell.supported else cell


def _judged(method: str, cell: Cell, proof: Proof, complete: Collection[str]) -> Cell:
    if needs := _needed(method, proof):
        return _not_run(cell, needs)
    found = [*_about("", proof), *(own := _about(method, proof))]
    failures = [outcome for outcome in found if outcome.failure]
    if failures and all(outcome.is_refusal for outcome in failures):
        return Cell(False, failures[0].failure)
    failed = [_said(outcome) for outcome in failures]
    if failed:
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        return Cell(True, failed[0] + more, proven=False)
    if proof.ended and (method == PARALLEL or method not in complete):
        return Cell(True, proof.ended, proven=False)
    if not own and any(outcome.failure and not outcome.is_refusal for outcome in proof.outcomes):
        return Cell(True, "no method that acts on rows is right by itself", proven=False)
    if not own and method == PARALLEL:  # only a model with all that is in it can tell
        return Cell(False, OTHER_ROWS)
    return replace(cell, proven=True if own else None)


def _about(method: str, proof: Proof) -> list[Outcome]:
    """The checks of a method: those of rows are about `parallel` alone, with methods that are right by themselves."""
    own = [outcome for outcome in proof.outcomes if outcome.check and outcome.check != OF_ROWS]
    if method != PARALLEL:
        return [outcome for outcome in own if outcome.method == method]
    wrong = {outcome.method for outcome in own if outcome.failure}
    return [outcome for outcome in proof.outcomes if outcome.check == OF_ROWS and outcome.method not in wrong]


def _said(outcome: Outcome) -> str:
    """A failure with what it is a failure of; `parallel` is run with every method."""
    of = "without adapters, " if not outcome.method else f"{outcome.method}, " if outcome.check == OF_ROWS else ""
    return f"{of}{outcome.check}: {outcome.failure}"
