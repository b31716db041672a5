"""Source → facts: one question per module, asked in the order of the calls in `analyse`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain

import libcst as cst
from msgspec.structs import replace

from adaptergen.analysis.attention import attention_calls
from adaptergen.analysis.blocks import TracedLayer, find_layers, holders, pretrained_classes
from adaptergen.analysis.config_names import config_defaults, find_config_names
from adaptergen.analysis.embeddings import pools_if_told, returns_pooled
from adaptergen.analysis.gradients import keeps_no_gradients
from adaptergen.analysis.heads import find_head, generates
from adaptergen.analysis.modules import find_attentions
from adaptergen.analysis.projections import find_projections
from adaptergen.analysis.residuals import find_residuals, find_unclear_sums
from adaptergen.analysis.towers import (
    base_model_prefix,
    composites,
    find_towers,
    held_bases,
    parts_with_heads,
    stacks_of,
    sub_models,
    with_picks,
)
from adaptergen.analysis.unfit_sums import find_unfit_sums, leaves_turned
from adaptergen.bindings import bound_names
from adaptergen.facts import Head, Layer, ModelFacts, Stack
from adaptergen.nodes import names_read
from adaptergen.problems import Location, Problem, ProblemsFound
from adaptergen.source import SourceModule
from adaptergen.tracing.graph import config_of
from adaptergen.tracing.tracer import Loader
from adaptergen.upstream import UpstreamModel


def analyse(model: UpstreamModel, load: Loader) -> ModelFacts:
    """Everything that the plan needs to know about an architecture.

    Raises:
        ProblemsFound: the file has no model that runs layers with attention.
    """
    source = model.modeling
    base_class, layers = _base_and_layers(model, load)
    held = {base_class: frozenset(layer.list_path for layer in layers), **dict(holders(source, layers, load))}
    parts = parts_with_heads(source, base_class, held, _tasks(model), load)
    found_towers = find_towers(source, base_class, layers, dict.fromkeys([*model.towers, *parts]), load)
    towers = {tower.cls: tower for tower, _ in found_towers}
    others = sub_models(source, base_class, load)
    if not layers and not towers and not others:
        raise ProblemsFound(_no_layers(source, base_class))
    if (forward := source.find_method(base_class, "forward")) is None:
        raise ProblemsFound(_no_forward(source, base_class))
    if keeps_no_gradients(source, forward[1]):
        raise ProblemsFound(_no_gradients(source, base_class))
    if not model.config_class:
        raise ProblemsFound(_no_config(source, base_class))
    towers = {name: tower for name, tower in towers.items() if name not in held}
    if towers or others:
        held |= {name: held.get(name, frozenset()) for name in composites(source, towers, load)}
    stacks = stacks_of(source, base_class, layers, load)
    if layers and not stacks:
        raise ProblemsFound(_not_run(source, base_class, layers))
    others_of = [(layer, tower.cls) for tower, own in found_towers for layer in own if not _is_known(layer, layers)]
    traced = (*layers, *(layer for layer, _ in others_of))
    told_apart = [*((layer, "") for layer in layers), *others_of]
    return ModelFacts(
        name=model.name,
        model_type=model.model_type,
        module=source.name,
        config_class=model.config_class,
        pretrained_class=_pretrained_class(source, base_class),
        base_class=base_class,
        base_like=tuple(held),
        base_model_prefix=base_model_prefix(source, base_class),
        stacks=stacks,
        layers=tuple(_merged(_layer(layer, tower) for layer, tower in told_apart)),
        heads=tuple(_heads(model, held, towers, stacks, load)),
        config_names=tuple(find_config_names(traced, model.configuration, model.config_class)),
        forward_parameters=tuple(_parameter(source, p) for p in _parameters(source, base_class)),
        forward_imports=_imports(source, _parameters(source, base_class)),
        config_defaults=config_defaults(model.configuration, model.config_class),
        towers=tuple(towers.values()),
        sub_models=others if stacks else with_picks(others, source, base_class, load),
        docstrings=tuple(_first_line(each) for each in (source, model.configuration) if each),
        base_returns_pooled=returns_pooled(source, base_class, layers, load),
        pools_if_told=pools_if_told(source, base_class),
        writers=tuple(cls for cls in held if generates(source, cls)),
    )


def _base_and_layers(model: UpstreamModel, load: Loader) -> tuple[str, tuple[TracedLayer, ...]]:
    """
    The base class with its layers: the mapped one, or what holds it where layers stand beside it alone; else the first
    that holds layers, of those that are public.
    """
    source, mapped = model.modeling, model.base_class
    candidates: list[str] = []
    for candidate in chain([mapped], _around(source, mapped, load)) if mapped else _likely_bases(source, load):
        layers = find_layers(source, candidate, load)
        if layers:
            return candidate, layers
        candidates.append(candidate)
    if not candidates:
        message = "no class derives from PreTrainedModel"
        raise ProblemsFound(
            Problem("no-model", message, Location(source.path), "give a modeling file of transformers")
        )
    return next((name for name in candidates if sub_models(source, name, load)), candidates[0]), ()


def _around(source: SourceModule, base_class: str, load: Loader) -> Iterator[str]:
    """Classes that hold the base class as theirs."""
    return (name for name in pretrained_classes(source, load) if base_class in held_bases(source, [name], load))


def _likely_bases(source: SourceModule, load: Loader) -> list[str]:
    """
    Where no class is said to be the base: those that others hold as theirs, then all in the order of the file. What
    the file does not offer to others comes last.
    """
    names = list(pretrained_classes(source, load))
    offered = source.constants.get("__all__")
    public = source.code(offered) if offered is not None else ""
    likely = dict.fromkeys([*held_bases(source, names, load), *names])
    return sorted(likely, key=lambda name: bool(public) and f'"{name}"' not in public)


def _no_layers(source: SourceModule, base_class: str) -> Problem:
    message = f"no list of layers of {base_class} computes attention in a way that is understood"
    return Problem("no-attention", message, _class_location(source, base_class), _NOT_UNDERSTOOD_FIX)


_NOT_UNDERSTOOD_FIX = "if it has attention, report it with this file: the analysis should learn the construct"


def _no_forward(source: SourceModule, base_class: str) -> Problem:
    message = f"{base_class} has no forward in this file, so that nothing says what runs the models in it"
    fix = "adapt the models inside by themselves"
    return Problem("no-forward", message, _class_location(source, base_class), fix)


def _no_gradients(source: SourceModule, base_class: str) -> Problem:
    message = f"the forward of {base_class} keeps no gradients, so that nothing in it can be trained"
    return Problem(
        "no-gradients", message, _class_location(source, base_class), "adapt the models inside by themselves"
    )


def _no_config(source: SourceModule, base_class: str) -> Problem:
    fix = "say so in its class of pretrained models: `config: FooConfig`, or `config_class = FooConfig`"
    message = f"which configuration {base_class} takes is said nowhere"
    return Problem("no-config", message, _class_location(source, base_class), fix)


def _not_run(source: SourceModule, base_class: str, layers: tuple[TracedLayer, ...]) -> Problem:
    lists = ", ".join(dict.fromkeys(layer.list_path for layer in layers))
    message = f"no forward of {base_class} runs its layers ({lists}) in a way that is understood"
    return Problem("no-stack", message, _class_location(source, base_class), _NOT_UNDERSTOOD_FIX)


def _class_location(source: SourceModule, name: str) -> Location:
    return source.at(source.classes[name].node)


def _layer(layer: TracedLayer, tower: str) -> Layer:
    """What a layer looks like; `tower` is the class of the model that it is in, if that is not the base class."""
    calls = attention_calls(layer)
    projections, unclear = find_projections(layer)
    unfit = tuple(find_unfit_sums(layer))
    return Layer(
        cls=layer.cls.name,
        residuals=tuple(find_residuals(layer)),
        attentions=tuple(find_attentions(layer, calls)),
        projections=projections,
        at=_class_location(layer.cls.module, layer.cls.name),
        unclear=unclear,
        configs=(config_of(layer.instance) or tower,),
        unclear_sums=tuple(find_unclear_sums(layer)),
        unfit_sums=unfit,
        leaves_turned=leaves_turned(layer, unfit),
    )


def _is_known(layer: TracedLayer, others: Iterable[TracedLayer]) -> bool:
    return any(layer.instance is other.instance for other in others)


def _merged(layers: Iterable[Layer]) -> Iterator[Layer]:
    """One entry per class: what its instances in different stacks show is put together."""
    by_class: dict[str, Layer] = {}
    for layer in layers:
        known = by_class.get(layer.cls)
        by_class[layer.cls] = layer if known is None else _union(known, layer)
    yield from by_class.values()


def _union(left: Layer, right: Layer) -> Layer:
    residuals = {(r.site, r.host, r.sublayer): r for r in (*left.residuals, *right.residuals)}
    attentions = {(a.path, a.cls): a for a in (*left.attentions, *right.attentions)}
    projections = {p.path: p for p in (*left.projections, *right.projections)}
    return replace(
        left,
        residuals=tuple(residuals.values()),
        attentions=tuple(attentions.values()),
        projections=tuple(projections.values()),
        unclear=tuple(dict.fromkeys((*left.unclear, *right.unclear))),
        configs=tuple(dict.fromkeys((*left.configs, *right.configs))),
        unclear_sums=tuple(dict.fromkeys((*left.unclear_sums, *right.unclear_sums))),
        unfit_sums=tuple(dict.fromkeys((*left.unfit_sums, *right.unfit_sums))),
        leaves_turned=left.leaves_turned or right.leaves_turned,
    )


def _heads(
    model: UpstreamModel,
    held: Mapping[str, frozenset[str]],
    towers: Collection[str],
    stacks: tuple[Stack, ...],
    load: Loader,
) -> Iterator[Head]:
    base_like = (*held, *towers)
    tasks = _tasks(model)
    owners = frozenset(stack.owner_class for stack in stacks) - set(base_like)
    for cls in pretrained_classes(model.modeling, load):
        if cls in owners or cls in towers or cls == base_like[0]:
            continue
        head = find_head(
            model.modeling,
            cls,
            tasks.get(cls, ""),
            auto_model=base_like[0],
            base_classes=frozenset(base_like),
            stack_owners=owners,
            load=load,
        )
        if head is not None and (cls not in base_like or head.modules):
            yield replace(head, holds=tuple(sorted(held.get(cls, ()))))


def _tasks(model: UpstreamModel) -> dict[str, str]:
    """Class → what the auto mappings say it is for, the most telling mapping first."""
    vague = ("pretraining", "text_encoding", "image")
    ordered = sorted(model.tasks, key=lambda task: (task in vague, task != "seq_to_seq_causal_lm"))
    tasks: dict[str, str] = {}
    for task in ordered:
        for cls in model.tasks[task]:
            tasks.setdefault(cls, task)
    return tasks


def _pretrained_class(source: SourceModule, base_class: str) -> str:
    """The class of the file that derives from transformers' own, from which all models of the file derive."""
    return [ancestor.name for ancestor in source.ancestry(base_class)][-1]


def _parameters(source: SourceModule, base_class: str) -> tuple[cst.Param, ...]:
    found = source.find_method(base_class, "forward")
    parameters = found[1].params.params if found else ()
    return tuple(parameter for parameter in parameters if parameter.name.value != "self")


def _imports(source: SourceModule, parameters: tuple[cst.Param, ...]) -> tuple[str, ...]:
    """What the annotations and defaults name, by the dotted name that it has outside the file."""
    names = {name for parameter in parameters for name in names_read(parameter)}
    imported = {name: source.imports[name] for name in names & source.imports.keys()}
    absolute = {name: found.dotted for name, found in imported.items() if not found.is_relative}
    own = names & (bound_names(source.parsed.body) - absolute.keys())
    return tuple(sorted({*absolute.values(), *(f"{source.name}.{name}" for name in own)}))


def _first_line(source: SourceModule) -> str:
    """Of its docstring."""
    docstring = (source.tree.get_docstring() or "").strip()
    return docstring.splitlines()[0] if docstring else ""


def _parameter(source: SourceModule, parameter: cst.Param) -> str:
    """A parameter as written, without the comma and comment after it."""
    bare = parameter.with_changes(
        comma=cst.MaybeSentinel.DEFAULT, whitespace_after_param=cst.SimpleWhitespace(""), star=""
    )
    return source.code(bare)


__all__ = ["analyse"]
