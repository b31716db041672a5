"""What does a forward cost, compared with that of the model as it was?"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import OURS, PEFT, Bench
from benchmarks.figures import Figure
from benchmarks.libraries import METHODS
from benchmarks.timing import overhead
from benchmarks.works import Work


GOALS = {"tiny": 1.3, "middle": 1.05}
ROUNDS = 1.5  # as many as usual: some goals are a hundredth away from what they are compared with


def figures(bench: Bench) -> Iterator[Figure]:
    for model, size in bench.settings:
        setting, plain = f"{model}, {size}", Work("plain", "forward", model, size)
        found = bench.compared(plain.by(OURS), plain, ROUNDS)
        peers = {name: peer for name, peer in found.peers.items() if name != PEFT}  # it prepares nothing
        yield Figure("forward after init, no adapter", setting, "transformers", found.ours, 1.01, peers=peers)
        for method in METHODS:
            found = bench.compared(plain.by(OURS, method=method), plain, ROUNDS)
            goal = None if method == "lora" else GOALS[size]
            row = f"forward, one active {method}"
            yield Figure(row, setting, "transformers", found.ours, goal, peers=found.peers)
            if method == "lora":
                more = overhead(found.ours, found.peers[PEFT])
                yield Figure(f"{row}: what it costs more", setting, "what PEFT costs more", more, 0.5)
