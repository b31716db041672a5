"""What does a step of training cost, compared with full fine-tuning, in time and in memory?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.bench import OURS, Bench
from benchmarks.figures import Figure
from benchmarks.libraries import METHODS
from benchmarks.works import Work


def figures(bench: Bench) -> Iterator[Figure]:
    """The goal is the better one of the peers that have the method."""
    for model, size in bench.settings:
        setting, plain = f"{model}, {size}", Work("plain", "training", model, size)
        for method in METHODS:
            found = bench.compared(plain.by(OURS, method=method), plain)
            row = f"train step, {method}"
            yield Figure(row, setting, "full fine-tuning", found.ours, found.best_peer, peers=found.peers)
        for method in ("lora", "seq_bn"):
            memory = replace(plain, what="memory")
            found = bench.compared(memory.by(OURS, method=method), memory, 0)  # once: it is the same each time
            row = f"peak memory of a train step, {method}"
            yield Figure(row, setting, "full fine-tuning", found.ours, found.best_peer, peers=found.peers)
