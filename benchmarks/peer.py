"""A peer that needs another transformers works in a process of its own environment, and is asked to take its turn.

    python -m benchmarks.peer

reads one request a line, and answers each with a line of JSON: {"start": {...}} with a number, {"turn": number} with
what that work took.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import torch

from benchmarks.libraries import NotMeasured
from benchmarks.timing import Timed
from benchmarks.works import Work, started


ROOT = Path(__file__).parents[1]
NOT_MEASURED = "not measured"


class Peer:
    """
    The other process.

    Args:
        python: the interpreter of the environment.

    Raises:
        RuntimeError: it ended, or could not do what it was asked.
    """

    def __init__(self, python: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [str(python), "-m", "benchmarks.peer"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def started(self, work: Work) -> Timed:
        number = self._ask({"start": asdict(work)})
        return lambda: self._ask({"turn": number})

    def forget(self) -> None:
        """Let it drop the models of all works."""
        self._ask({"forget": True})

    def _ask(self, request: dict[str, Any]) -> Any:
        try:
            self.process.stdin.write(f"{json.dumps(request)}\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeError(f"the peer ended with {self.process.wait()}: see what it said above")
        answer = json.loads(line)
        if answer == NOT_MEASURED:
            raise NotMeasured
        return answer


def serve(requests: TextIO, answers: TextIO) -> None:
    works: list[Timed] = []
    for line in requests:
        request = json.loads(line)
        if "forget" in request:
            works.clear()
            answer: Any = 0
        elif "turn" in request:
            answer = works[request["turn"]]()
        else:
            answer = _begun(works, Work(**request["start"]))
        print(json.dumps(answer), file=answers, flush=True)


def _begun(works: list[Timed], work: Work) -> int | str:
    """What a library fails at is said, and not measured."""
    try:
        works.append(started(work))
    except NotMeasured:
        return NOT_MEASURED
    except Exception as error:
        print(f"{work} failed: {type(error).__name__}: {error}", file=sys.stderr)
        return NOT_MEASURED
    return len(works) - 1


if __name__ == "__main__":
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(sys.stderr):  # what libraries print is no answer
        serve(sys.stdin, sys.__stdout__)
