"""How is a survey carried out: on all cores, with a bar, and with every result stored as soon as it is there?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from adaptergen.cli.proving import require_torch
from adaptergen.cli.reporting import progress


if TYPE_CHECKING:
    from adaptergen.surveying.judging import Proof
    from adaptergen.surveying.proving import Limits
    from adaptergen.surveying.record import Architecture, Survey
    from adaptergen.upstream import Upstream
    from adaptergen.workspace import Workspace


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
        require_torch("leave out --verify")
        preload()
    looked_at = surveyed(names, upstream, workspace, jobs or cores())
    found = progress(looked_at, "analysing", lambda each: each.name, length=len(names))
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
    for name, proof in progress(run, "running", lambda item: item[0], length=len(pending)):
        found = found.with_architectures([judged(pending[name], proof)])
        store(found)
        _write_log(log, name, proof)
    return found


def _write_log(log: Path | None, name: str, proof: Proof) -> None:
    """Everything that failed, with tracebacks; nothing if nothing did."""
    failed = [outcome for outcome in proof.outcomes if outcome.failure]
    if log is None or not (failed or proof.ended):
        return
    log.mkdir(parents=True, exist_ok=True)
    parts = [f"{each.method or 'without adapters'}, {each.check}: {each.failure}\n\n{each.trace}" for each in failed]
    ended = [f"{proof.ended}\n"] if proof.ended else []
    (log / f"{name}.txt").write_text("\n".join([*ended, *parts]), encoding="utf-8")
