"""What methods reach, with how many weights: runs, their means, a table and a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean


@dataclass(frozen=True)
class Run:
    """
    One training.

    Args:
        score: between 0 and 1, on the evaluation split.
        trained, parameters: how many weights were trained, the head's included, and how many the model has.
        seconds: of the training; of the processor, where there is no GPU.
        peak: bytes of tensors at one time.
    """

    method: str
    task: str
    seed: int
    score: float
    trained: int
    parameters: int
    seconds: float
    peak: int

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
    """Mean scores, with the worst and the best seed, over the share of trained weights, as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for row in rows:
        below, above = 100 * (row.score - row.lowest), 100 * (row.highest - row.score)
        (x, y) = 100 * row.share, 100 * row.score
        axes.errorbar(x, y, yerr=[[max(0, below)], [max(0, above)]], fmt="o", capsize=3, label=row.method)
        axes.annotate(row.method, (x, y), textcoords="offset points", xytext=(6, 6), fontsize=8)
    axes.set_xscale("log")
    axes.set_xlim(right=400)
    axes.set_xlabel("trained weights, % of the model")
    axes.set_ylabel("mean score, %")
    axes.grid(visible=True, alpha=0.3)
    figure.tight_layout()
    figure.savefig(file, dpi=150)
    pyplot.close(figure)
