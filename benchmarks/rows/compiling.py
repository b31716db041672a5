"""Is a compiled model faster than the same one without, and compiled once for all routings? Each is one graph."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import OURS, Bench
from benchmarks.figures import Figure
from benchmarks.libraries import METHODS
from benchmarks.timing import ratio
from benchmarks.works import Work


MODEL = "llama"


def figures(bench: Bench) -> Iterator[Figure]:
    if MODEL not in bench.models:
        return
    for size in bench.sizes:
        setting = f"{MODEL}, {size}"
        for method in METHODS:
            eager = Work(OURS, "forward", MODEL, size, method)
            taken = bench.measured({"eager": eager, "compiled": Work(OURS, "compiled", MODEL, size, method)})
            row = f"torch.compile(fullgraph=True), {method}"
            yield Figure(row, setting, "not compiled", ratio(taken["compiled"], taken["eager"]), 1.0)
        eager = Work(OURS, "batch", MODEL, size, "lora", adapters=4, used=4)
        compiled = Work(OURS, "compiled batch", MODEL, size, "lora", adapters=4, used=4)
        taken = bench.measured({"eager": eager, "compiled": compiled})
        row = "torch.compile(fullgraph=True), 4 LoRA adapters in one batch, once for all routings"
        yield Figure(row, setting, "not compiled", ratio(taken["compiled"], taken["eager"]), 1.0)
