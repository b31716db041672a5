"""Figures as they are kept and shown: `results.json`, of which `RESULTS.md` and the plot are made."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from benchmarks.figures import Figure, from_json, shown
from utils.pages import table


ROOT = Path(__file__).parents[1]
KEPT, PAGE, PLOT = "benchmarks/results.json", "benchmarks/RESULTS.md", "adapter_docs/_static/speed.png"
PACKAGES = ("torch", "transformers", "peft", "libcst")
MARKS = {"ours": ("o", "#1f77b4"), "PEFT": ("s", "#ff7f0e"), "adapters": ("^", "#2ca02c")}
COLUMNS = ("---", "---", "---", "--:", "--:", "---")
PLOTTED = ("forward", "train step", "cached generation", "16 LoRA")

HEAD = """# Results

Written by `make bench` from `results.json`. Both sides of each ratio take turns, in one run, on the same weights and
inputs; every other round goes backwards. Where transformers and the peers take part, each side has several models, as
where weights lie makes a difference of a hundredth. Given is the median over the rounds of the ratio of a round, with
its quartiles. A CPU's times are those of the process, one thread; an accelerator's are those of the clock.

- tiny: 2 layers, width 32, 2 examples of 16 tokens. What counts is Python, and how many operations there are.
- middle: 4 layers, width 256, 8 examples of 128 tokens. What counts is arithmetic.
- LoRA of rank 8 on queries and values, bottlenecks of a sixteenth of the width, (IA)³ in its usual places, prefixes of
  10 positions without a network. PEFT adapts GPT-2's fused map whole, and has no prefixes for BERT.
- The library `adapters` needs an older transformers. It works in a process of its own, and takes its turns there
  against that transformers.
- A goal in a row of peers is what the better one reaches.

"""


def machine() -> dict[str, str]:
    """On what it is measured."""
    gpu = [torch.cuda.get_device_name()] if torch.cuda.is_available() else []
    return {
        "device": ", ".join([_processor(), *gpu]),
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
        "date": date.today().isoformat(),
    }


def write(found: Sequence[Figure]) -> None:
    """Keep these figures, beside those of other rows that were kept before, and show them all."""
    kept = _kept()
    figures = {_key(figure): figure for figure in map(from_json, kept.get("figures", ()))}
    figures |= {_key(figure): figure for figure in found}
    ordered = [*figures.values()]
    content = {"measured": machine(), "figures": [asdict(figure) for figure in ordered]}
    _file(KEPT).write_text(f"{json.dumps(content, indent=1, ensure_ascii=False)}\n", encoding="utf-8")
    _file(PAGE).write_text(page(content["measured"], ordered), encoding="utf-8")
    plot(ordered, _file(PLOT))


def page(measured: Mapping[str, str], figures: Sequence[Figure]) -> str:
    device, day, *packages = measured["device"], measured["date"], *(f"{name} {measured[name]}" for name in PACKAGES)
    reached = sum(figure.is_reached for figure in figures if figure.goal is not None)
    goals = sum(figure.goal is not None for figure in figures)
    said = (
        f"{day}, {device}, Python {measured['python']}, {', '.join(packages)}: {reached} of {goals} goals are reached."
    )
    return f"{HEAD}{said}\n\n{_table(figures)}"


def _table(figures: Iterable[Figure]) -> str:
    head = ("what", "on", "against", "measured", "goal", "peers")
    return f"{table(head, [*map(_cells, figures)], COLUMNS)}\nA goal in bold type was missed.\n"


def _cells(figure: Figure) -> list[str]:
    goal = "" if figure.goal is None else f"{figure.goal:.2f}" if figure.is_reached else f"**{figure.goal:.2f}**"
    peers = ", ".join(f"{name} {shown(peer, figure.unit)}" for name, peer in figure.peers.items()) or figure.note
    return [figure.row, figure.setting, figure.against, shown(figure.value, figure.unit), goal, peers]


def plot(figures: Iterable[Figure], file: Path) -> None:
    """Ratios of ours and of peers, a panel for each kind of work."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    kinds = {
        kind: [figure for figure in figures if figure.row.startswith(kind) and figure.unit == "×"] for kind in PLOTTED
    }
    kinds = {kind: [one for one in some if "costs more" not in one.row] for kind, some in kinds.items() if some}
    if not kinds:
        return
    heights = [len(some) for some in kinds.values()]
    drawing, panels = pyplot.subplots(
        len(kinds), 1, figsize=(9, 1.5 + 0.2 * sum(heights)), squeeze=False, height_ratios=heights
    )
    for axes, some in zip(panels[:, 0], kinds.values(), strict=True):
        for place, figure in enumerate(some):
            for name, value in {"ours": figure.value, **figure.peers}.items():
                mark, colour = MARKS[name]
                axes.plot(value.median, place, mark, color=colour, markersize=4)
                axes.plot([value.low, value.high], [place, place], "-", color=colour, linewidth=1)
        axes.axvline(1, color="grey", linewidth=0.8)
        axes.set_yticks(range(len(some)), [f"{figure.row}, {figure.setting}" for figure in some], fontsize=6)
        axes.invert_yaxis()
        axes.grid(axis="x", alpha=0.3)
        axes.set_xlabel(f"times {some[0].against}", fontsize=7)
        axes.tick_params(axis="x", labelsize=7)
    handles = [pyplot.Line2D([], [], marker=mark, color=colour, label=name) for name, (mark, colour) in MARKS.items()]
    drawing.legend(handles=handles, loc="upper center", ncols=len(MARKS), frameon=False)
    drawing.tight_layout(rect=(0, 0, 1, 0.98))
    drawing.savefig(file, dpi=110, bbox_inches="tight")
    pyplot.close(drawing)


def _kept() -> dict[str, Any]:
    return json.loads(_file(KEPT).read_text(encoding="utf-8")) if _file(KEPT).exists() else {}


def _file(path: str) -> Path:
    return ROOT / path


def _key(figure: Figure) -> tuple[str, str]:
    return figure.row, figure.setting


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    """What Linux calls it; what Python knows elsewhere."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
