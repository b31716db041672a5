"""How is a survey carried out: on all cores, with a bar, and with every result stored as soon as it is there?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from adaptergen.cli.proving import require_torch


if TYPE_CHECKING:
    from adaptergen.surveying.judging import Proof
    from adaptergen.surveying.proving import Limits
    from adaptergen.surveying.record import Architecture, Survey
    from adaptergen.upstream import Upstream
    from adaptergen.workspace import Workspace

T = TypeVar("T")


def analysed(
    names: Sequence[str],
    upstream: Upstream,
    workspace: Workspace | None,
    jobs: int | None,
    earlier: Iterable[Architecture],
    is_run_later: bool,
) -> Survey:
    """These architectures as they are now, with the proofs of those that are as they were."""
    from adaptergen.processes import cores
    from adaptergen.surveying.proving import preload
    from adaptergen.surveying.record import Survey
    from adaptergen.surveying.resuming import with_known_proofs
    from adaptergen.surveying.workers import surveyed

    if is_run_later:
        require_torch()
        preload()
    looked_at = surveyed(names, upstream, workspace, jobs or cores())
    with _counting(looked_at, len(names), "analysing", lambda each: each.name) as found:
        return Survey(upstream.version).with_architectures(with_known_proofs(found, earlier))


def verified(
    found: Survey,
    workspace: Workspace | None,
    jobs: int | None,
    limits: Limits,
    store: Callable[[Survey], None],
    log: Path | None,
) -> Survey:
    """Run everything whose proof is missing; each result is stored when it is there."""
    from adaptergen.processes import cores
    from adaptergen.surveying.judging import judged
    from adaptergen.surveying.proving import proofs
    from adaptergen.surveying.resuming import is_proven_throughout

    pending = {each.name: each for each in found.architectures if not is_proven_throughout(each)}
    run = proofs(list(pending), jobs or cores(), limits, workspace.root if workspace else None)
    with _counting(run, len(pending), "running", lambda item: item[0]) as results:
        for name, proof in results:
            found = found.with_architectures([judged(pending[name], proof)])
            store(found)
            _write_log(log, name, proof)
    return found


@contextmanager
def _counting(items: Iterable[T], length: int, label: str, shown: Callable[[T], str]) -> Iterator[Iterable[T]]:
    """The items as they come, with a bar on a terminal when there are several."""
    if length < 2 or not sys.stderr.isatty():
        yield items
        return

    def show(item: T | None) -> str:
        return "" if item is None else shown(item)

    with click.progressbar(items, length=length, label=label, file=sys.stderr, item_show_func=show) as bar:
        yield bar


def _write_log(log: Path | None, name: str, proof: Proof) -> None:
    """Everything that failed, with tracebacks; nothing if nothing did."""
    failed = [outcome for outcome in proof.outcomes if outcome.failure]
    if log is None or not (failed or proof.ended):
        return
    log.mkdir(parents=True, exist_ok=True)
    parts = [f"{each.method or 'without adapters'}, {each.check}: {each.failure}\n\n{each.trace}" for each in failed]
    ended = [f"{proof.ended}\n"] if proof.ended else []
    (log / f"{name}.txt").write_text("\n".join([*ended, *parts]), encoding="utf-8")
