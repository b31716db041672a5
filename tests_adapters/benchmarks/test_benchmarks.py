"""Benchmarks run, and say what they have measured. What it was is no test's business."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks import report
from benchmarks.__main__ import ROWS
from benchmarks.bench import Bench
from benchmarks.figures import Figure, from_json, line
from benchmarks.libraries import NotMeasured
from benchmarks.peer import Peer
from benchmarks.rows import forward, serving
from benchmarks.timing import Spread, overhead, ratio, timed, turns
from benchmarks.works import Work, started


ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    """Another process, with what is installed here."""
    peer = Peer(Path(sys.executable))
    yield peer
    peer.process.stdin.close()
    peer.process.wait()


def test_figures_come_as_json() -> None:
    command = [sys.executable, "-m", "benchmarks", "forward", "--model", "bert", "--size", "tiny", "--rounds", "1"]
    result = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True, cwd=ROOT)
    figures = [from_json(given) for given in json.loads(result.stdout)]

    assert len(figures) == 6
    assert all(figure.value.median > 0 for figure in figures[:5])
    assert figures[1].peers.keys() == {"PEFT"}
    assert [line(figure) for figure in figures] == result.stderr.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_every_row(row: str) -> None:
    command = [sys.executable, "-m", "benchmarks", row, "--model", "llama", "--size", "tiny", "--rounds", "1"]
    subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)


def test_goals_are_those_of_sizes() -> None:
    assert set(forward.GOALS) == set(serving.GOALS) == {"tiny", "middle"}


def test_a_peer_takes_its_turn(peer: Peer) -> None:
    turn = peer.started(Work("ours", "forward", "bert", "tiny", "lora"))
    assert turn() > 0
    with pytest.raises(NotMeasured):
        peer.started(Work("PEFT", "forward", "bert", "tiny", "prefix_tuning"))
    peer.forget()


def test_what_a_peer_fails_at_is_not_measured(peer: Peer) -> None:
    with pytest.raises(NotMeasured):
        peer.started(Work("ours", "no such work", "bert", "tiny"))


def test_a_peer_that_ends_is_told() -> None:
    with pytest.raises(RuntimeError, match="the peer ended with"):
        Peer(Path(shutil.which("false"))).started(Work("ours", "forward", "bert", "tiny"))


def test_what_a_library_lacks_is_left_out() -> None:
    work = Work("ours", "forward", "bert", "tiny", "prefix_tuning")
    found = Bench(1, ("bert",), ("tiny",)).compared(work, Work("plain", "forward", "bert", "tiny"))
    assert found.taken.keys() == found.against.keys() == {"ours"}


def test_memory_is_in_bytes() -> None:
    used = started(Work("ours", "memory", "bert", "tiny", "lora"))()
    full = started(Work("plain", "memory", "bert", "tiny"))()
    assert 100_000 < used < full


def test_turns_alternate() -> None:
    seen: list[str] = []
    sides = {name: lambda name=name: seen.append(name) or 1.0 for name in "abc"}
    assert turns(sides, 2) == {name: [1.0, 1.0] for name in "abc"}
    assert "".join(seen) == "abccba"


def test_ratios() -> None:
    assert ratio([2.0, 4.0, 9.0], [1.0, 1.0, 3.0]) == Spread(3.0, 2.5, 3.5)
    assert ratio([3.0], [2.0]) == Spread(1.5, 1.5, 1.5)
    assert overhead(Spread(1.5, 1.25, 2.0), Spread(2.0, 1.0, 3.0)) == Spread(0.5, 0.25, 1.0)


def test_fast_calls_are_sampled_together() -> None:
    calls = []
    taken = timed(lambda: calls.append(torch.ones(8).sum()))
    before = len(calls)
    assert 0 < taken() < 0.001
    assert len(calls) - before > 10


def test_the_page_is_that_of_the_kept_figures() -> None:
    kept = json.loads((ROOT / report.KEPT).read_text())
    page = report.page(kept["measured"], [from_json(given) for given in kept["figures"]])
    assert (ROOT / report.PAGE).read_text() == page


def test_missed_goals_are_told() -> None:
    figure = Figure("row", "on", "that", Spread(1.2, 1.1, 1.3), 1.1, peers={"PEFT": Spread(2.0, 2.0, 2.0)})
    assert line(figure).endswith("goal 1.10 MISSED; PEFT 2.000 × (2.000–2.000)")
    measured = {"device": "one", "date": "day", "python": "3", **dict.fromkeys(report.PACKAGES, "1")}
    page = report.page(measured, [figure])
    assert "| row | on | that | 1.200 × (1.100–1.300) | **1.10** | PEFT 2.000 × (2.000–2.000) |" in page
    assert "0 of 1 goals are reached" in page


def test_figures_are_kept_beside_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(report, "ROOT", tmp_path)
    for path in (report.KEPT, report.PLOT):
        (tmp_path / path).parent.mkdir(parents=True)
    peers = {"PEFT": Spread(2.0, 2.0, 2.0)}
    first = Figure("forward, a", "on", "that", Spread(1.2, 1.1, 1.3), peers=peers)
    second = Figure("forward, b", "on", "that", Spread(1.4, 1.1, 1.5), peers=peers)
    report.write([first, second])
    report.write([Figure("forward, b", "on", "that", Spread(1.0, 1.0, 1.0), peers=peers)])

    kept = [from_json(given) for given in json.loads((tmp_path / report.KEPT).read_text())["figures"]]
    assert [figure.value.median for figure in kept] == [1.2, 1.0]
    assert (tmp_path / report.PLOT).stat().st_size > 10_000
