"""Are adapters where the plan says, in every layer, and is each called, with the norm of its own layer?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from torch import nn
from transformers import PreTrainedModel

from adaptergen.verify import places
from adaptergen.verify.adapters import NAME, AdapterForm, add_random
from adaptergen.verify.outputs import CheckFailed, run
from adaptergen.verify.subjects import ModelCase, Subject


def every_site_is_reached(subject: Subject, form: AdapterForm) -> None:
    """Each planned place of each layer holds the adapter, and the forward passes it exactly once."""
    model = subject.initialized()
    add_random(model, subject.case, form)
    planned = dict(_PLANNED_SITES[form.method](subject.case, model.base_model))
    missing = [path for path, module in planned.items() if module is None]
    if missing:
        raise CheckFailed(f"no adapter at {', '.join(missing)}")
    with _counted({path: module for path, module in planned.items() if module is not None}) as calls:
        run(model, subject.inputs(model, padded=True))
    times = 2 if form.method == "invertible" and model.inverse_site() is not None else 1  # there and back
    wrong = {path: calls[path] for path in planned if calls[path] != times}
    if wrong or not planned:
        listed = ", ".join(f"{path} ({count} times)" for path, count in wrong.items())
        raise CheckFailed(f"not passed exactly once in a forward: {listed or 'anything'}")


def every_layer_uses_its_own_norm(subject: Subject, form: AdapterForm) -> None:
    """The norm that an adapter is given stands in the layer that it sits in."""
    model = subject.initialized()
    add_random(model, subject.case, form)
    layers = [layer for _, layer in model.iter_layers()]
    norms: list[tuple[nn.Module, nn.Module]] = []
    layer_class = places.core(subject.case.runtime, "layers").AdapterLayerMixin
    original = layer_class.adapter_layer_forward

    def noted(slot: nn.Module, hidden: Any, residual: Any, *norm: Any, **inner_norm: Any) -> Any:
        given = (*norm, *inner_norm.values())
        norms.extend((slot, module) for module in given if isinstance(module, nn.Module))
        return original(slot, hidden, residual, *norm, **inner_norm)

    with patch.object(layer_class, "adapter_layer_forward", noted):
        run(model, subject.inputs(model, padded=False))
    for slot, norm in norms:
        home = next(layer for layer in layers if slot in set(layer.modules()))
        if norm not in set(home.modules()):
            raise CheckFailed("an adapter is given the norm of another layer")
    if any(norms.count(pair) > 1 for pair in norms):
        raise CheckFailed("an adapter is passed twice in one forward")


def unreached_places(case: ModelCase) -> tuple[str, ...]:
    """Planned places that no class of the architecture has, in any of its roles."""
    models = [subject.initialized().base_model for subject in case.subjects]
    planned = frozenset().union(*map(places.planned_places, models))
    present = frozenset().union(*(places.present_places(case.runtime, model) for model in models))
    return tuple(sorted(f"{place} of {cls}" for cls, place in planned - present))


def _bottlenecks(case: ModelCase, base: PreTrainedModel) -> Iterator[tuple[str, nn.Module | None]]:
    sites = places.core(case.runtime, "sites")
    for layer in sites.placed_layers(base):
        for place in layer.sites.bottleneck:
            host = places.module_at(case.runtime, layer.module, place)
            if host is not None:
                slot = getattr(host, place.slot) if place.slot else host
                yield f"layer {layer.index} {place.location}", _child(getattr(slot, "adapters", None))


def _attentions(case: ModelCase, base: PreTrainedModel) -> Iterator[tuple[str, nn.Module | None]]:
    sites = places.core(case.runtime, "sites")
    for layer in sites.placed_layers(base):
        for place in layer.sites.attention:
            attention = places.module_at(case.runtime, layer.module, place)
            if attention is not None and (place.kind == "self" or _cross_attends(base)):
                shim = getattr(attention, "prefix_tuning", None)
                yield f"layer {layer.index} {place.path}", shim if shim is not None and NAME in shim.held else None


def _cross_attends(base: PreTrainedModel) -> bool:
    config = base.config
    return bool(
        config.is_encoder_decoder
        or getattr(config, "add_cross_attention", False)
        or getattr(config, "is_decoder", False)
    )


def _projections(case: ModelCase, base: PreTrainedModel) -> Iterator[tuple[str, nn.Module | None]]:
    """(IA)³ takes a part of the projections only, LoRA in the form that is tried here all of them."""
    sites = places.core(case.runtime, "sites")
    roles = set(base.adapters_config[NAME].roles)
    for layer in sites.placed_layers(base):
        for place in layer.sites.projections:
            linear = places.module_at(case.runtime, layer.module, place)
            if linear is not None and roles & set(place.parts):
                yield f"layer {layer.index} {place.path}", _child(getattr(linear, "loras", None), then=linear)


def _invertible(case: ModelCase, base: PreTrainedModel) -> Iterator[tuple[str, nn.Module | None]]:
    yield "the entry of the first layer", base.get_invertible_adapter()


def _layers(case: ModelCase, base: PreTrainedModel) -> Iterator[tuple[str, nn.Module | None]]:
    sites = places.core(case.runtime, "sites")
    for layer in sites.placed_layers(base):
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


@contextmanager
def _counted(modules: Mapping[str, nn.Module]) -> Iterator[Counter[str]]:
    """Count how often each module is called."""
    calls: Counter[str] = Counter()
    handles = [
        module.register_forward_hook(lambda *_, path=path: calls.update([path])) for path, module in modules.items()
    ]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()
