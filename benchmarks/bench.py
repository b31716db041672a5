"""What rows need to measure: the works of all libraries, here and in a peer's environment, in turns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.libraries import NotMeasured
from benchmarks.peer import Peer
from benchmarks.timing import Spread, Timed, alternating, back_and_forth, ratio, turns
from benchmarks.works import Work, started


OURS, PEFT = "ours", "PEFT"
SHORT = 4  # rounds in the time of one
MODELS = {"tiny": 4, "middle": 2}  # of each side
ELSEWHERE = "adapters"  # the library that needs a transformers of its own, and is compared with that one


@dataclass(frozen=True)
class Compared:
    """
    What a work of each library took in each round, and what it is compared with.

    Args:
        taken, against: by library. Libraries that cannot do the work are not among them.
    """

    taken: Mapping[str, list[float]]
    against: Mapping[str, list[float]]

    @property
    def ours(self) -> Spread:
        return self._ratio(OURS)

    @property
    def peers(self) -> dict[str, Spread]:
        return {library: self._ratio(library) for library in self.taken if library != OURS}

    @property
    def best_peer(self) -> float | None:
        return min((peer.median for peer in self.peers.values()), default=None)

    def _ratio(self, library: str) -> Spread:
        return ratio(self.taken[library], self.against[library])


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

    @property
    def settings(self) -> list[tuple[str, str]]:
        return [(model, size) for model in self.models for size in self.sizes]

    @property
    def generating(self) -> list[tuple[str, str]]:
        """Those whose model writes texts."""
        return [(model, size) for model, size in self.settings if model != "bert"]

    def compared(self, work: Work, against: Work, share: float = 1.0) -> Compared:
        """
        A work in each library, against another one; that is plain transformers', or the library's own.

        Args:
            share: of the rounds that are to be made, for what takes longer than a forward.
        """
        sides: dict[tuple[str, bool], Timed] = {}
        rounds = self._rounds(work.size, share)
        for library in (OURS, PEFT, ELSEWHERE):
            try:
                ours, other = self._pair(work, against, library, rounds)
            except NotMeasured:
                continue
            sides |= {(library, False): ours, (library, True): other}
        taken = turns(sides, rounds)
        if self.peer is not None:
            self.peer.forget()
        return Compared(
            *({name: one for (name, which), one in taken.items() if which is side} for side in (False, True))
        )

    def measured(self, works: Mapping[str, Work], share: float = 1.0) -> dict[str, list[float]]:
        """What some works took that are all done here, and are of one size."""
        size = next(iter(works.values())).size
        return turns({name: started(work) for name, work in works.items()}, self._rounds(size, share))

    def _pair(self, work: Work, against: Work, library: str, rounds: int) -> tuple[Timed, Timed]:
        """
        Each on some models, as where weights lie makes a difference of a hundredth. So does what was built before
        them: the other side begins with every other pair.
        """
        begun: dict[Work, list[Timed]] = {work: [], against: []}
        for number in range(min(MODELS[work.size], rounds)):
            for one in back_and_forth(begun, number):
                begun[one].append(self._started(one, library))
        return alternating(begun[work]), alternating(begun[against])

    def _rounds(self, size: str, share: float) -> int:
        """Short rounds are cheap, and vary more."""
        return max(1, round(share * self.rounds * (SHORT if size == "tiny" else 1)))

    def _started(self, work: Work, library: str) -> Timed:
        work = work if work.library == "plain" else work.by(library)
        if library != ELSEWHERE:
            return started(work)
        if self.peer is None:
            raise NotMeasured
        return self.peer.started(work)
