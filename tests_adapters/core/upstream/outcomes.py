"""Does a model with adapters do in a test of transformers what upstream's own class does there?"""

from __future__ import annotations

import os
import unittest
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from transformers import set_seed

from adaptergen.verify.outputs import CheckFailed
from tests_adapters.core.upstream.cases import test_case
from tests_adapters.core.upstream.flavours import Flavour
from tests_adapters.core.upstream.skips import reason_to_skip


AS_UPSTREAM = "upstream's own class does not pass it either, with this tiny model"
INAPPLICABLE = "transformers' test says itself that it does not apply"
SEED = 0
LONGEST = 160


class Ruled(unittest.SkipTest):
    """A rule of ours says that the test says nothing of such a model."""


class FailsUpstream(unittest.SkipTest):
    """Upstream's own class does not pass the test either."""


def run_upstream_test(flavour: Flavour, test: str) -> None:
    """
    Run one test.

    Raises:
        unittest.SkipTest: it is about nothing that the class has, or upstream's own class fails it, too.
        CheckFailed: it passes over it, while it runs with upstream's own class.
        Exception: what the test raises, while upstream's own class passes it.
    """
    reason = reason_to_skip(test, flavour)
    if reason is not None:
        raise Ruled(reason)
    case = test_case(flavour)
    try:
        _run(case, test)
    except unittest.SkipTest as skipped:
        if _failure(flavour, test) is None:
            raise CheckFailed(f"skipped, and run with upstream's own class: {skipped}") from skipped
        raise
    except Exception as failed:
        of_upstream = _failure(flavour, test)
        if of_upstream is None:
            raise
        raise FailsUpstream(f"{AS_UPSTREAM}: {_in_one_line(of_upstream)}") from failed


def why(skipped: unittest.SkipTest) -> str:
    """The reason of a skip, as it is counted."""
    match skipped:
        case Ruled():
            return str(skipped)
        case FailsUpstream():
            return AS_UPSTREAM
    return INAPPLICABLE


def _in_one_line(failure: Exception) -> str:
    text = f"{type(failure).__name__}: {failure}".partition("\n")[0]
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _failure(flavour: Flavour, test: str) -> Exception | None:
    """What the test raises with a class of upstream, if there is one with which it does not pass."""
    for control in flavour.controls:
        try:
            _run(test_case(control), test)
        except Exception as raised:
            return raised
    return None


def _run(cls: type[unittest.TestCase], test: str) -> None:
    case = cls(test)
    with _as_before():
        set_seed(SEED)
        try:
            case.debug()  # raises what `run` would collect
        finally:
            case.doCleanups()


@contextmanager
def _as_before() -> Iterator[None]:
    """What tests change for all that come after them is as it was."""
    threads, environment = torch.get_num_threads(), dict(os.environ)
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            os.environ.clear()
            os.environ.update(environment)
