"""What methods reach, with how many weights: runs, their means, a table and a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import NamedTuple


class Key(NamedTuple):
    """
    Which run it is.

    Args:
        setting: of all that decides what comes of it, a digest.
    """

    method: str
    task: str
    seed: int
    setting: str


@dataclass(frozen=True)
class Run:
    """
    One training.

    Args:
        method, task, seed, setting: as in its key.
        adapter: what was trained beside the head: a configuration, or other words for all weights, or none.
        score: between 0 and 1, on the evaluation split.
        trained, parameters: how many weights were trained, the head's included, and how many the model has.
        seconds: of the training; of the processor, where there is no GPU.
        peak: bytes of tensors at one time.
    """

    method: str
    task: str
    seed: int
    setting: str
    adapter: str
    learning_rate: float
    score: float
    trained: int
    parameters: int
    seconds: float
    peak: int

    @property
    def key(self) -> Key:
        return Key(self.method, self.task, self.seed, self.setting)

    @property
    def share(self) -> float:
        """Trained weights, for each weight of the model."""
        return self.trained / self.parameters


@dataclass(frozen=True)
class Row:
    """
    The means of a method.

    Args:
        scores: by task, over all seeds.
        lowest, highest: of the means over all tasks, the one of the worst and of the best seed.
    """

    method: str
    scores: Mapping[str, float]
    score: float
    lowest: float
    highest: float
    trained: float
    share: float
    seconds: float
    peak: float


def rows_of(runs: Sequence[Run]) -> list[Row]:
    """A row for each method, in the order of the runs."""
    return [_row(method, [run for run in runs if run.method == method]) for method in _each(runs, "method")]


def _row(method: str, runs: Sequence[Run]) -> Row:
    scores = {task: mean(run.score for run in runs if run.task == task) for task in _each(runs, "task")}
    seeds = [mean(run.score for run in runs if run.seed == seed) for seed in _each(runs, "seed")]
    sizes = {name: mean(getattr(run, name) for run in runs) for name in ("trained", "share", "seconds", "peak")}
    return Row(method, scores, mean(scores.values()), min(seeds), max(seeds), **sizes)


def _each(runs: Sequence[Run], name: str) -> list[str]:
    return list(dict.fromkeys(getattr(run, name) for run in runs))


def table(rows: Sequence[Row]) -> str:
    """Markdown; scores in percent."""
    tasks = list(rows[0].scores)
    titles = ["Method", "Trained", "Share", *(task.capitalize() for task in tasks), "Mean", "Seconds", "Peak"]
    lines = [_line(titles), _line(["---", *["--:"] * (len(titles) - 1)])]
    for row in rows:
        scores = [f"{100 * score:.1f}" for score in (*row.scores.values(), row.score)]
        sizes = [f"{row.trained:,.0f}", f"{100 * row.share:.2f} %"]
        lines.append(_line([row.method, *sizes, *scores, f"{row.seconds:.1f}", f"{row.peak / 2**20:.1f} MiB"]))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def plot(rows: Sequence[Row], file: Path) -> None:
    """Mean scores, with the worst and the best seed, over trained weights, time and memory, as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 3, figsize=(12, 4.5), sharey=True)
    sizes = {
        "trained weights, % of the model": [100 * row.share for row in rows],
        "seconds of training": [row.seconds for row in rows],
        "memory at the peak, MiB": [row.peak / 2**20 for row in rows],
    }
    for axes, (title, values) in zip(panels, sizes.items(), strict=True):
        for row, value in zip(rows, values, strict=True):
            below, above = (100 * max(0, apart) for apart in (row.score - row.lowest, row.highest - row.score))
            axes.errorbar(value, 100 * row.score, yerr=[[below], [above]], fmt="o", capsize=3, label=row.method)
        axes.set_xlabel(title)
        axes.margins(0.1)
        axes.grid(visible=True, alpha=0.3)
    panels[0].set_xscale("log")
    panels[0].set_ylabel("mean score, %")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="upper center", ncols=len(rows), frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 0.93))
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
