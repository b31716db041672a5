"""Are adapters where the plan says, in every layer, and is each called, with the norm of its own layer?"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from adaptergen.verify import places
from adaptergen.verify.adapters import NAME, AdapterForm, add_random
from adaptergen.verify.calls import Norms, counted, noting_additions
from adaptergen.verify.inputs import batch
from adaptergen.verify.outputs import CheckFailed, NotRun, expect_effect, run, upstream_does
from adaptergen.verify.subjects import ModelCase, Subject
from adaptergen.verify.unread import not_taken, unread


def every_site_is_reached(subject: Subject, form: AdapterForm) -> None:
    """
    Each planned place of each layer holds the adapter, and each run of the layer passes it exactly once.

    A map that makes the keys of two kinds of attention is run more often without adapters, and passed as often; so
    is an attention that two kinds of states share.
    """
    model = subject.initialized()
    add_random(model, subject.case, form)
    planned = dict(_PLANNED_SITES[form.method](subject.case, model.base_model))
    missing = [path for path, module in planned.items() if module is None]
    if missing:
        raise CheckFailed(f"no adapter at {', '.join(missing)}")
    layers = {f"{_RUNS} layer {index}": layer for index, layer in model.iter_layers()}
    hosts = {path: module for path, module in planned.items() if module is not None}
    with counted({**layers, **hosts}) as calls:
        run(model, subject.inputs(model, padded=True))
    there_and_back = form.method == "invertible" and model.inverse_site() is not None
    usual = _usual_runs(subject, model, hosts if form.method in MAPS else {})
    wanted = {path: 2 if there_and_back else max(_runs(path, calls), usual[path]) for path in planned}
    wrong = {path: calls[path] for path in planned if calls[path] != wanted[path]}
    if form.method in HOSTED and any(count > _runs(path, calls) for path, count in wrong.items()):
        places_with_hosts = _hosts(subject.case, model.base_model, HOSTED[form.method])
        more = _usual_runs(subject, model, {path: host for path, _, host in places_with_hosts})
        wrong = {path: count for path, count in wrong.items() if count != more[path] or count <= _runs(path, calls)}
    for explained in (_left_out(subject, model, hosts, wrong, calls), _run_alone(model, layers, hosts, calls)):
        wrong = {path: count for path, count in wrong.items() if path not in explained}
    if wrong and wrong.keys() == planned.keys() and _are_idle(subject, model, hosts):
        raise NotRun("inputs with which the model runs that part of it")
    if wrong or not planned:
        listed = ", ".join(f"{path} ({count} times)" for path, count in wrong.items())
        raise CheckFailed(f"not passed exactly once in a forward: {listed or 'anything'}")


def _left_out(
    subject: Subject,
    model: PreTrainedModel,
    hosts: Mapping[str, nn.Module],
    wrong: Mapping[str, int],
    calls: Mapping[str, int],
) -> Collection[str]:
    """
    Places in parts that a layer has, and upstream's model does not make it run, such as cross-attention. A head may be
    on a part of the base model that skips whole layers for want of what the other parts make.
    """
    skips = subject.cls is not subject.case.base.cls and any(calls[path] for path in hosts)
    never = [path for path, count in wrong.items() if count == 0 and (skips or calls[_layer_of(path)])]
    if not never:
        return ()
    names = {module: name for name, module in model.named_modules()}
    left = unread(subject, [names[hosts[path]] for path in never])
    branches = tuple(f"{path}." for path in not_taken(model))
    return {path for path in never if (name := names[hosts[path]]) in left or name.startswith(branches)}


def _run_alone(
    model: PreTrainedModel, layers: Mapping[str, nn.Module], hosts: Mapping[str, nn.Module], calls: Mapping[str, int]
) -> Collection[str]:
    """
    Places in models inside that the forward of the whole does not run, because it reads words or a sound, or because
    only a generation needs them. Each is passed once when its model is run by itself, and has an effect there.
    """
    idle = {path for path in hosts if not calls[path] and _layer_of(path) in layers and not calls[_layer_of(path)]}
    reached: set[str] = set()
    for part in _models_inside(model) if idle else ():
        own = {path for path in idle if hosts[path] in set(part.modules())}
        if own <= reached or (inputs := _inputs_of(part)) is None:
            continue
        model.set_active_adapters(NAME)
        with counted({**layers, **hosts}) as again:
            acting = run(part, inputs)
        model.set_active_adapters(None)
        passed = {path for path in own if again[path] == _runs(path, again)}
        if passed:
            expect_effect(acting, run(part, inputs), f"an adapter in a {type(part).__name__}")
        reached |= passed
    return reached


def _are_idle(subject: Subject, model: PreTrainedModel, hosts: Mapping[str, nn.Module]) -> bool:
    """Are all places in models inside that upstream's own does not run either?"""
    names = {module: name for name, module in model.named_modules()}
    upstream = subject.upstream()
    inside = {names[part]: upstream.get_submodule(names[part]) for part in _models_inside(model)}
    with counted(inside) as calls:
        run(upstream, subject.inputs(upstream, padded=True))
    idle = tuple(f"{path}." for path in inside if not calls[path])
    return all(names[host].startswith(idle) for host in hosts.values())


def _models_inside(model: PreTrainedModel) -> Iterator[PreTrainedModel]:
    whole = (model, model.base_model)
    yield from (each for each in model.modules() if isinstance(each, PreTrainedModel) and each not in whole)


def _inputs_of(part: PreTrainedModel) -> dict[str, Tensor] | None:
    """What a model takes by itself, if that can be made up: words, or states where others make these of words."""
    words = batch(part, padded=True)
    width = getattr(part.config, "hidden_size", None)
    states = torch.randn(*words["input_ids"].shape[:2], width) if width and "input_ids" in words else None
    embedded = {"inputs_embeds": states, **{name: value for name, value in words.items() if name != "input_ids"}}
    tried = (words, embedded) if states is not None else (words,)
    return next((inputs for inputs in tried if upstream_does(partial(run, part, inputs))), None)


_RUNS = "runs of"
MAPS = ("lora", "ia3")  # methods that act in modules that run without them too
HOSTED = {"bottleneck": "bottleneck", "prefix_tuning": "attention"}  # those that add something to a module, and where


def _usual_runs(subject: Subject, model: PreTrainedModel, maps: Mapping[str, nn.Module]) -> Mapping[str, int]:
    """How often a forward without adapters runs each of these."""
    if not maps:
        return Counter()
    model.set_active_adapters(None)
    with counted(maps) as runs:
        run(model, subject.inputs(model, padded=True))
    return runs


def _hosts(case: ModelCase, base: PreTrainedModel, kind: str) -> Iterator[tuple[str, Any, nn.Module]]:
    """The planned places of a kind that the layers have, "bottleneck" or "attention", with the modules they are in."""
    for layer in places.placed_layers(case.runtime, base):
        for place in getattr(layer.sites, kind):
            host = places.module_at(case.runtime, layer.module, place)
            if host is not None:
                yield f"layer {layer.index} {getattr(place, 'location', '') or place.path}", place, host


def _runs(path: str, calls: Mapping[str, int]) -> int:
    """How often a forward runs the layer of a place: layers may be shared."""
    return max(1, calls[_layer_of(path)])


def _layer_of(path: str) -> str:
    return " ".join((_RUNS, *path.split()[:2]))


def every_layer_uses_its_own_norm(subject: Subject, form: AdapterForm) -> None:
    """The norm that an adapter is given stands in the layer that it sits in."""
    model = subject.initialized()
    add_random(model, subject.case, form)
    layers = [layer for _, layer in model.iter_layers()]
    norms: list[tuple[nn.Module, nn.Module]] = []

    def note(slot: nn.Module, hidden: Tensor, residual: Tensor | None, given: Norms) -> None:
        norms.extend((slot, module) for module in given if isinstance(module, nn.Module))

    modules = {module: module for module in model.modules()}
    with noting_additions(subject.case.runtime, note), counted(modules) as runs:
        run(model, subject.inputs(model, padded=False))
    holders = {child: module for module in modules for child in module.children()}
    for slot, norm in norms:
        home = next(index for index, layer in enumerate(layers) if slot in set(layer.modules()))
        if norm not in set(layers[home].modules()):
            raise CheckFailed("an adapter is given the norm of another layer")
        if norms.count((slot, norm)) > max(1, runs[layers[home]], runs[holders[slot]]):
            raise CheckFailed("an adapter is passed twice in one run of its layer, and of the module that it is in")


def unreached_places(case: ModelCase) -> tuple[str, ...]:
    """Planned places that no class of the architecture has, in any of its roles."""
    models = [subject.initialized().base_model for subject in case.subjects]
    planned = frozenset().union(*map(places.planned_places, models))
    present = frozenset().union(*(places.present_places(case.runtime, model) for model in models))
    return tuple(sorted(f"{place} of {cls}" for cls, place in planned - present))


def _bottlenecks(case: ModelCase, base: PreTrainedModel) -> Iterator[tuple[str, nn.Module | None]]:
    for path, place, host in _hosts(case, base, "bottleneck"):
        slot = getattr(host, place.slot) if place.slot else host
        yield path, _child(getattr(slot, "adapters", None))


def _attentions(case: ModelCase, base: PreTrainedModel) -> Iterator[tuple[str, nn.Module | None]]:
    layers = places.placed_layers(case.runtime, base)
    crossing = _cross_attends(base) or all(place.kind != "self" for each in layers for place in each.sites.attention)
    for path, place, attention in _hosts(case, base, "attention"):
        if place.kind == "self" or crossing:
            yield path, _prefixed(attention)


def _prefixed(attention: nn.Module) -> nn.Module | None:
    """What is called where an attention gets its prefix: the shim, or the attention that calls a method of it."""
    shim = getattr(attention, "prefix_tuning", None)
    if shim is None or NAME not in shim.held:
        return None
    names = inspect.unwrap(type(attention).forward).__code__.co_names
    return attention if {"around", "unmasked"} & set(names) else shim


def _cross_attends(base: PreTrainedModel) -> bool:
    config = base.config
    return bool(
        config.is_encoder_decoder
        or getattr(config, "add_cross_attention", False)
        or getattr(config, "is_decoder", False)
    )


def _projections(case: ModelCase, base: PreTrainedModel) -> Iterator[tuple[str, nn.Module | None]]:
    """(IA)³ takes a part of the projections only, LoRA in the form that is tried here all of them."""
    roles = set(base.adapters_config[NAME].roles)
    for layer in places.placed_layers(case.runtime, base):
        for place in layer.sites.projections:
            linear = places.module_at(case.runtime, layer.module, place)
            if linear is not None and roles & set(place.parts):
                yield f"layer {layer.index} {place.path}", _child(getattr(linear, "loras", None), then=linear)


def _invertible(case: ModelCase, base: PreTrainedModel) -> Iterator[tuple[str, nn.Module | None]]:
    yield "the entry of the first layer", base.get_invertible_adapter()


def _layers(case: ModelCase, base: PreTrainedModel) -> Iterator[tuple[str, nn.Module | None]]:
    """Those in which a position says something: where all examples are one sequence, it does not."""
    for layer in places.placed_layers(case.runtime, base):
        if layer.stack.packed:
            continue
        yield f"layer {layer.index}", _child(getattr(getattr(layer.module, "reft_layer", None), "refts", None))


def _prompt(case: ModelCase, base: PreTrainedModel) -> Iterator[tuple[str, nn.Module | None]]:
    yield "the embeddings", _child(getattr(getattr(base, "prompt_tuning", None), "prompt_tunings", None))


def _child(adapters: Any, then: nn.Module | None = None) -> nn.Module | None:
    """The adapter itself, or the module in whose forward it acts."""
    if adapters is None or NAME not in adapters:
        return None
    return then if then is not None else adapters[NAME]


_PLANNED_SITES = {
    "bottleneck": _bottlenecks,
    "lora": _projections,
    "ia3": _projections,
    "prefix_tuning": _attentions,
    "invertible": _invertible,
    "reft": _layers,
    "prompt_tuning": _prompt,
}
