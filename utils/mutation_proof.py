"""Does a hook in the wrong place get through? Plant mistakes, one at a time, and see what notices.

    python utils/mutation_proof.py gpt_neo bert
    python utils/mutation_proof.py --write          every model of the spanning set, and the table in the docs

Each mistake is written into a copy of the project, into the plan of a model as if a person had decided so, and
everything is generated from it. So `adaptergen check`, which notices any other edit, has nothing to say; the tests of
the model must fail.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from scratch import ROOT, SPANNING_SET, copy_project, run

from adaptergen.plan import BottleneckPlace, IntegrationPlan, LayerPlan, PrefixHook, ProjectionPlace, ResidualHook
from adaptergen.plan_file import dump, load
from adaptergen.sources import source_of
from adaptergen.upstream import installed_transformers
from adaptergen.verify.checks import ADAPTER_CHECKS, MODEL_CHECKS


PAGE = "adapter_docs/mutations.md"
TABLE = re.compile(r"(?<=<!-- table -->\n).*?(?=<!-- end of table -->)", re.DOTALL)
CACHE_UPDATE = re.compile(r"\.update\(")
FAILED = re.compile(r"^FAILED (?P<test>[^:]+::\w+::(?P<name>.+?))(?: - .*)?$", re.MULTILINE)
NOT_THERE = "–"
PASSES = (("not slow", ""), ("slow", "ClassConversion or without_adapters"), ("slow", ""))  # what is fast first
NOTHING_SELECTED = 5  # says pytest
WRITING = {"masked_lm", "causal_lm", "seq2seq_lm"}
UNDONE = ("generated/core/methods/invertible.py", "    _undo_here(adapters, model.inverse_site())\n", "")
NORM = "        norm = inner_norm if is_inner else layer_norm\n"
FIRST_NORM = '        norm = type(self).first_norm = getattr(type(self), "first_norm", norm)\n'
NORM_OF_THE_FIRST = ("generated/core/layers/adapter_layer.py", NORM, NORM + FIRST_NORM)

Found = dict[str, dict[str, str]]  # mistake → model → what notices it
Mutate = Callable[[IntegrationPlan], IntegrationPlan | str]


@dataclass(frozen=True)
class Mistake:
    """
    Args:
        title: what is wrong.
        mutate: writes it into a plan; where the architecture has nothing of the kind, says why.
        edit: file of the runtime, text in it and what comes in its place, where no plan can be so wrong.
    """

    title: str
    mutate: Mutate
    edit: tuple[str, str, str] | None = None


def wrong_residual(plan: IntegrationPlan) -> IntegrationPlan | str:
    """The adapters of two additions change places: by their slots in one class, or by what two classes are for."""
    found = _of_one_class(plan.residuals)
    if found is not None:
        first, second = found
        exchanged = {first: _by_hand(first, slot=second.slot), second: _by_hand(second, slot=first.slot)}
        return _with_residuals(plan, exchanged)
    for layer in plan.layers:
        places = {place.location: place for place in layer.bottleneck}
        first, second = places.get("mh_adapter"), places.get("output_adapter")
        if first and second:
            # of entries for the same location the first is replaced, so both have to be by hand
            exchanged = {first: second, second: first}
            hosts = {place: {"host": other.host, "of": other.of} for place, other in exchanged.items()}
            return _with_places(plan, layer, hosts)
    return "no layer has two additions"


def swapped_operands(plan: IntegrationPlan) -> IntegrationPlan | str:
    if not plan.residuals:
        return "no addition is hooked"
    hook = plan.residuals[-1]
    return _with_residuals(plan, {hook: _by_hand(hook, branch=hook.residual, residual=hook.branch)})


def norm_of_another(plan: IntegrationPlan) -> IntegrationPlan | str:
    """Of two additions of a class that are followed by a norm, one gets the norm of the other."""
    normed = [hook for hook in plan.residuals if hook.norm]
    found = next(((a, b) for a in normed for b in normed if a.cls == b.cls and a.norm != b.norm), None)
    if found is None:
        return "no class has two additions that are followed by norms"
    return _with_residuals(plan, {found[0]: _by_hand(found[0], norm=found[1].norm)})


def norm_of_the_first(plan: IntegrationPlan) -> IntegrationPlan | str:
    """Adapters of all layers are given the norm of the first one: the plan is right, the runtime is not."""
    return plan if any(hook.norm or hook.inner_norm for hook in plan.residuals) else "no norm belongs to an addition"


def dropped_hook(plan: IntegrationPlan) -> IntegrationPlan | str:
    """The place of an addition is declared, and nothing calls it: another is hooked twice, or it is never there."""
    found = _of_one_class(plan.residuals)
    if found is not None:
        first, second = found
        twice = {name: getattr(first, name) for name in ("statement", "nth", "addition", "branch", "residual")}
        return _with_residuals(plan, {second: _by_hand(second, **twice)})
    layer = next((layer for layer in plan.layers if layer.bottleneck), None)
    if layer is None:
        return "no layer has a place for bottlenecks"
    return _with_places(plan, layer, {layer.bottleneck[-1]: {"needs": "gone"}})


def prefix_before_the_cache(plan: IntegrationPlan) -> IntegrationPlan | str:
    """The prefix joins keys and values in front of the statement that puts them into the cache."""
    source = source_of(plan, ROOT, installed_transformers())
    for hook in plan.prefixes:
        method = source.classes[hook.cls].methods[hook.method]
        update = next((s for s in source.statements(method) if CACHE_UPDATE.search(source.header(s))), None)
        if update is not None and not hook.function:
            return _with_prefix(plan, hook, statement=source.header(update), nth=0)
    return "no attention has a cache"


def inverted_mask(plan: IntegrationPlan) -> IntegrationPlan | str:
    hook = next((hook for hook in plan.prefixes if hook.mask and not hook.mask_is_none), None)
    return "no attention takes a mask" if hook is None else _with_prefix(plan, hook, mask_hides=not hook.mask_hides)


def wrong_projection(plan: IntegrationPlan) -> IntegrationPlan | str:
    """The output projection of attention is taken for that of the values, or one part of a fused map for another."""
    for layer in plan.layers:
        places = {place.roles: place for place in layer.projections}
        first, second = places.get(("v",)), places.get(("o",))
        if first and second:
            exchanged = {first: _by_hand(first, roles=("o",)), second: _by_hand(second, roles=("v",))}
            return _with_projections(plan, layer, exchanged)
        fused = next((place for place in layer.projections if len(place.roles) > 1), None)
        if fused:
            return _with_projections(plan, layer, {fused: _by_hand(fused, roles=fused.roles[::-1])})
    return "values have no map of their own or in common with others"


def missing_inverse(plan: IntegrationPlan) -> IntegrationPlan | str:
    """Where words are written, the invertible adapter is not undone: the plan is right, the runtime is not."""
    return plan if WRITING & set(plan.adapter_model.head_types) else "it writes no words"


def wrong_conversion(plan: IntegrationPlan) -> IntegrationPlan | str:
    """The weights of a fixed head go to the wrong layers of the flexible one, or nowhere if there is but one."""
    weighted = {head.cls: [name for name in head.modules if name] for head in plan.heads}
    for head in sorted(plan.heads, key=lambda head: -len(weighted[head.cls])):
        names = weighted[head.cls]
        if names:
            turned = iter(reversed(names) if len(names) > 1 else [""])
            return _with_head(plan, head.cls, modules=tuple(next(turned) if name else "" for name in head.modules))
    return "no class with a fixed head has weights for a flexible one"


MISTAKES = (
    Mistake("hook at the wrong residual", wrong_residual),
    Mistake("swapped operands", swapped_operands),
    Mistake("norm of another addition", norm_of_another),
    Mistake("norm of another layer", norm_of_the_first, NORM_OF_THE_FIRST),
    Mistake("dropped hook", dropped_hook),
    Mistake("prefix before the cache update", prefix_before_the_cache),
    Mistake("inverted mask", inverted_mask),
    Mistake("LoRA on the wrong projection", wrong_projection),
    Mistake("missing inverse", missing_inverse, UNDONE),
    Mistake("wrong head conversion", wrong_conversion),
)
CHECKS = {*(check.__name__ for check in MODEL_CHECKS), *(check.name for check in ADAPTER_CHECKS)}
STALE_ROW = "stale row of a registry"
TITLES = (*(mistake.title for mistake in MISTAKES), STALE_ROW)


@click.command()
@click.argument("names", nargs=-1)
@click.option("--mistake", "titles", multiple=True, type=click.Choice(TITLES), help="Plant this one alone.")
@click.option("--write", is_flag=True, help=f"Write what is found into the table of {PAGE}; its other cells stay.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def main(names: tuple[str, ...], titles: tuple[str, ...], write: bool, as_json: bool) -> None:
    """Plant each mistake in each of NAMES, and tell what notices it. Ends with 1 if something gets through."""
    found: Found = {}
    for name in names or SPANNING_SET:
        for title, notice in planted(_plan(name), titles or TITLES):
            found.setdefault(title, {})[name] = notice
            click.echo(f"{name}: {title}: {notice or 'NOT NOTICED'}", err=True)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    if write:
        page = ROOT / PAGE
        text = page.read_text()
        page.write_text(TABLE.sub(lambda told: table(found, cells(told[0])), text))
    sys.exit(0 if all(notice for notices in found.values() for notice in notices.values()) else 1)


def planted(plan: IntegrationPlan, titles: Collection[str] = TITLES) -> Iterator[tuple[str, str]]:
    """
    (mistake, what notices it) of these, one of which may be a row of a table that is left behind; "" if nothing
    notices, and a dash with the reason where the architecture has nothing of the kind.
    """
    for mistake in (each for each in MISTAKES if each.title in titles):
        mutant = mistake.mutate(plan)
        if isinstance(mutant, str):
            yield mistake.title, f"{NOT_THERE} {mutant}"
            continue
        with TemporaryDirectory(prefix="adaptergen-mutant-") as folder:
            yield mistake.title, noticed(mutant, mistake.edit, Path(folder))
    if STALE_ROW in titles:
        with TemporaryDirectory(prefix="adaptergen-mutant-") as folder:
            yield STALE_ROW, stale_row(plan, Path(folder))


def noticed(mutant: IntegrationPlan, edit: tuple[str, str, str] | None, folder: Path) -> str:
    """What fails on a project with this plan: the generator, the check, or a test, by its name."""
    copy_project(folder)
    if edit is not None:
        path, old, new = edit
        text = (folder / path).read_text()
        assert text.count(old) == 1
        (folder / path).write_text(text.replace(old, new))
    (folder / f"generated/models/{mutant.name}/plan.toml").write_text(dump(mutant))
    update = run(folder, "-m", "adaptergen", "update", mutant.name, "--no-verify")
    if update.returncode:
        return f"update: {_code(update.stderr)}"
    check = run(folder, "-m", "adaptergen", "check", mutant.name)
    if check.returncode:
        return f"check: {_code(check.stderr)}"
    for speed, names in PASSES:
        tests = f"tests_adapters/models/test_{mutant.name}.py"
        options = ("-x", "-q", "-p", "no:cacheprovider", "-m", speed, "-k", names)
        result = run(folder, "-m", "pytest", *options, tests)
        if result.returncode == 1:
            failed = FAILED.search(result.stdout)
            if failed is None:
                return "test: at collection"
            _expect_passed_without(failed["test"])
            return f"test: {failed['name']}"
        if result.returncode not in (0, NOTHING_SELECTED):
            return f"tests cannot be collected ({result.returncode})"
    return ""


@cache
def _expect_passed_without(test: str) -> None:
    """
    Raises:
        click.ClickException: it fails without any mistake, too, so that it says nothing.
    """
    if run(ROOT, "-m", "pytest", "-q", "-p", "no:cacheprovider", test).returncode != 0:
        raise click.ClickException(f"{test} fails with nothing planted, too: mend that first")


def stale_row(plan: IntegrationPlan, folder: Path) -> str:
    """A line of a registry is that of another architecture."""
    copy_project(folder)
    registry = folder / "generated/models/__init__.py"
    text = registry.read_text()
    registry.write_text(text.replace(f'"{plan.adapter_model.name}"', '"GoneAdapterModel"', 1))
    check = run(folder, "-m", "adaptergen", "check", plan.name)
    return f"check: {_code(check.stderr)}" if check.returncode else ""


def cells(told: str) -> dict[str, dict[str, str]]:
    """Mistake → model → cell of a table that was written here."""
    rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in told.splitlines() if line[:1] == "|"]
    head, body = rows[:1], rows[2:]
    return {title: dict(zip(head[0][1:], row, strict=True)) for title, *row in body}


def table(found: Found, before: Mapping[str, Mapping[str, str]]) -> str:
    """Markdown: a row for each mistake with what notices it, where known now or before; and why there are dashes."""
    told = {
        title: {**before.get(title, {}), **{name: _cell(notice) for name, notice in found.get(title, {}).items()}}
        for title in TITLES
    }
    names = [name for name in SPANNING_SET if any(name in notices for notices in told.values())]
    head = ["mistake", *names]
    rows = [[title, *(told[title].get(name, "") for name in names)] for title in TITLES]
    lines = [head, ["---"] * len(head), *rows]
    reasons = "".join(f"- {title}: {why} ({', '.join(models)}).\n" for (title, why), models in _reasons(names).items())
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + (reasons and f"\n{reasons}")


def _reasons(names: Sequence[str]) -> dict[tuple[str, str], list[str]]:
    """(mistake, why it cannot be planted) → in which of these."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for name in names:
        plan = _plan(name)
        for mistake in MISTAKES:
            if isinstance(why := mistake.mutate(plan), str):
                reasons.setdefault((mistake.title, why), []).append(name)
    return reasons


def _cell(notice: str) -> str:
    """The check that a test runs, where it runs one; else the test, or what the command says."""
    if notice.startswith(NOT_THERE):
        return NOT_THERE
    name, _, arguments = notice.removeprefix("test: ").partition("[")
    check = next((each for each in arguments.rstrip("]").split("-") if each in CHECKS), "")
    return f"`{check or name}`" if name else "**not**"


def _plan(name: str) -> IntegrationPlan:
    return load((ROOT / f"generated/models/{name}/plan.toml").read_text(), "plan.toml")


def _code(errors: str) -> str:
    found = re.search(r"error\[([\w-]+)\]", errors)
    return found[1] if found else errors.strip().splitlines()[-1]


def _of_one_class(hooks: Sequence[ResidualHook]) -> tuple[ResidualHook, ResidualHook] | None:
    """Two that are told apart by their slots alone."""
    return next(((a, b) for a in hooks for b in hooks if a.cls == b.cls and a.slot < b.slot and a.slot), None)


def _by_hand(entry, /, **changes):
    return replace(entry, by="hand", because="planted", **changes)


def _with_residuals(plan: IntegrationPlan, changed: dict[ResidualHook, ResidualHook]) -> IntegrationPlan:
    return replace(plan, residuals=tuple(changed.get(hook, hook) for hook in plan.residuals))


def _with_prefix(plan: IntegrationPlan, hook: PrefixHook, **changes: object) -> IntegrationPlan:
    return replace(plan, prefixes=tuple(_by_hand(h, **changes) if h is hook else h for h in plan.prefixes))


def _with_projections(
    plan: IntegrationPlan, layer: LayerPlan, changed: dict[ProjectionPlace, ProjectionPlace]
) -> IntegrationPlan:
    return _with_layer(plan, layer, projections=tuple(changed.get(place, place) for place in layer.projections))


def _with_places(
    plan: IntegrationPlan, layer: LayerPlan, changes: dict[BottleneckPlace, dict[str, object]]
) -> IntegrationPlan:
    places = tuple(_by_hand(each, **changes[each]) if each in changes else each for each in layer.bottleneck)
    return _with_layer(plan, layer, bottleneck=places)


def _with_layer(plan: IntegrationPlan, layer: LayerPlan, **changes: object) -> IntegrationPlan:
    other = replace(layer, **changes)
    return replace(plan, layers=tuple(other if each is layer else each for each in plan.layers))


def _with_head(plan: IntegrationPlan, cls: str, **changes: object) -> IntegrationPlan:
    return replace(plan, heads=tuple(_by_hand(h, **changes) if h.cls == cls else h for h in plan.heads))


if __name__ == "__main__":
    main()
