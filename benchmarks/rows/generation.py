"""What does generation with a cache cost, compared with that of the model as it was?"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import OURS, Bench
from benchmarks.figures import Figure
from benchmarks.libraries import METHODS
from benchmarks.works import Work


def figures(bench: Bench) -> Iterator[Figure]:
    for model, size in bench.generating:
        plain = Work("plain", "generation", model, size)
        for method in METHODS:
            found = bench.compared(plain.by(OURS, method=method), plain, 0.3)
            row, setting = f"cached generation, {method}", f"{model}, {size}"
            yield Figure(row, setting, "transformers", found.ours, 1.15, peers=found.peers)
