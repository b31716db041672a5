"""What do many adapters in one model cost: in one batch, when the active one changes, and when they are loaded?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.bench import OURS, PEFT, Bench
from benchmarks.figures import Figure
from benchmarks.timing import ratio
from benchmarks.works import Work


ROWS = 16
GOALS = {"tiny": 1.5, "middle": 1.03}
FEW, MANY = 4, 256
LOADED = 100


def figures(bench: Bench) -> Iterator[Figure]:
    for model, size in bench.generating:
        setting = f"{model}, {size}"
        for what, share in (("batch", 0.6), ("batch generation", 0.2)):
            one = Work(OURS, what, model, size, "lora", adapters=ROWS, rows=ROWS)
            found = bench.compared(replace(one, used=ROWS), one, share)
            row = f"{ROWS} LoRA adapters in one {what}"
            yield Figure(row, setting, "one for all", found.ours, GOALS[size], peers=found.peers)
        few = replace(one, what="batch", adapters=FEW, used=FEW)
        taken = bench.measured({"few": few, "many": replace(few, adapters=MANY)}, 0.6)
        row = f"{FEW} LoRA adapters in one batch, {MANY} loaded"
        yield Figure(row, setting, f"{FEW} loaded", ratio(taken["many"], taken["few"]), 1.05)
        for what, adapters, share in (("switching", ROWS, 0.6), ("loading", LOADED, 0.2)):
            work = Work(OURS, what, model, size, "lora", adapters=adapters)
            taken = bench.measured({OURS: work, PEFT: work.by(PEFT)}, share)
            yield Figure(f"{what}, {adapters} LoRA adapters", setting, PEFT, ratio(taken[OURS], taken[PEFT]), 0.5)
