"""What does a forward cost, compared with that of the model as it was?"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import ELSEWHERE, Bench
from benchmarks.figures import Figure
from benchmarks.libraries import METHODS
from benchmarks.timing import overheads, ratio
from benchmarks.works import Work


PLAIN_THERE = "plain there"
GOALS = {"tiny": 1.3, "middle": 1.05}


def figures(bench: Bench) -> Iterator[Figure]:
    for model in bench.models:
        for size in bench.sizes:
            yield prepared(bench, model, size)
            for method in METHODS:
                yield from adapted(bench, model, size, method)


def prepared(bench: Bench, model: str, size: str) -> Figure:
    plain = Work("plain", "forward", model, size)
    works = {"plain": plain, "ours": plain.by("ours"), PLAIN_THERE: plain, ELSEWHERE: plain.by(ELSEWHERE)}
    taken = bench.measured(works, (PLAIN_THERE, ELSEWHERE))
    peers = {ELSEWHERE: ratio(taken[ELSEWHERE], taken[PLAIN_THERE])} if ELSEWHERE in taken else {}
    value = ratio(taken["ours"], taken["plain"])
    return Figure("forward after init, no adapter", f"{model}, {size}", "transformers", value, 1.01, peers=peers)


def adapted(bench: Bench, model: str, size: str, method: str) -> Iterator[Figure]:
    plain = Work("plain", "forward", model, size)
    ours = Work("ours", "forward", model, size, method)
    works = {"plain": plain, "ours": ours, "PEFT": ours.by("PEFT")}
    works |= {PLAIN_THERE: plain, ELSEWHERE: ours.by(ELSEWHERE)}
    taken = bench.measured(works, (PLAIN_THERE, ELSEWHERE))
    peers = {name: ratio(taken[name], taken["plain"]) for name in ("PEFT",) if name in taken}
    if ELSEWHERE in taken:
        peers[ELSEWHERE] = ratio(taken[ELSEWHERE], taken[PLAIN_THERE])
    setting, value = f"{model}, {size}", ratio(taken["ours"], taken["plain"])
    goal = None if method == "lora" else GOALS[size]
    yield Figure(f"forward, one active {method}", setting, "transformers", value, goal, peers=peers)
    if method == "lora":
        more = overheads(taken["ours"], taken["PEFT"], taken["plain"])
        yield Figure("forward, one active lora: what it costs more", setting, "what PEFT costs more", more, 0.5)
