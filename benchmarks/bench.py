"""What rows need to measure: the works of all libraries, here and in a peer's environment, in turns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from benchmarks.libraries import NotMeasured
from benchmarks.peer import Peer
from benchmarks.timing import Timed, turns
from benchmarks.works import Work, started


ELSEWHERE = "adapters"  # the library that needs a transformers of its own, and is compared with that one


@dataclass(frozen=True)
class Bench:
    """
    Args:
        rounds: how often each side has its turn.
        models, sizes: on which of them it is measured.
        peer: the process that has the library `adapters`, if there is one.
    """

    rounds: int
    models: tuple[str, ...]
    sizes: tuple[str, ...]
    peer: Peer | None = None

    def measured(
        self, works: Mapping[str, Work], elsewhere: Iterable[str] = (), rounds: int = 0
    ) -> dict[str, list[float]]:
        """
        What each work took in each round. A work that its library cannot do is left out.

        Args:
            elsewhere: the works that are done in the environment of the library `adapters`.
        """
        sides: dict[str, Timed] = {}
        for name, work in works.items():
            try:
                if name not in elsewhere:
                    sides[name] = started(work)
                elif self.peer is not None:
                    sides[name] = self.peer.started(work)
            except NotMeasured:
                continue
        taken = turns(sides, rounds or self.rounds)
        if self.peer is not None and elsewhere:
            self.peer.forget()
        return taken
