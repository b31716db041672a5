"""What templates see: the plan and names made from it, ready to be written. No template computes anything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import takewhile

from msgspec import Struct

from adaptergen import naming
from adaptergen.plan import (
    AttentionPlace,
    BottleneckPlace,
    IntegrationPlan,
    LayerPlan,
    PrefixHook,
    ProjectionPlace,
    StackPlan,
)
from adaptergen.rendering import layout
from adaptergen.rendering.environment import literal, quoted
from adaptergen.transforms.edits import call_lines


# Lines of the first comment that speak of the file and not of those who wrote it.
OF_THE_FILE = re.compile(
    r"#\s*(coding|-\*-|!|🚨)|#\s+(This file was automatically|Do NOT edit|the file from|modular_\w+\.py file)"
)


class HostMixin(Struct, frozen=True):
    """The mixin of one class of which methods are copied."""

    name: str
    cls: str
    doc: str
    base: str
    shim: str  # the call that makes its prefix shim, "" without one
    slots: tuple[str, ...]


class ModelClass(Struct, frozen=True):
    """A model-level class and the mixins that make it an adapter model."""

    cls: str
    name: str
    bases: tuple[str, ...]


def host_mixins(plan: IntegrationPlan) -> tuple[HostMixin, ...]:
    return tuple(_host_mixin(plan, cls) for cls in plan.copied_classes)


def _host_mixin(plan: IntegrationPlan, cls: str) -> HostMixin:
    prefix = next((hook for hook in plan.prefixes if hook.cls == cls), None)
    hooks = [hook for hook in plan.residuals if hook.cls == cls]
    slots = tuple(dict.fromkeys(hook.slot for hook in hooks if hook.slot))
    is_layer = any(not hook.slot for hook in hooks)
    parts = []
    if prefix:
        parts.append("prefixes for the keys and values")
    if is_layer:
        parts.append("bottleneck adapters at the residual")
    elif slots:
        parts.append("bottleneck adapters at the residuals")
    doc = " and ".join(parts)
    base = "AdapterLayerMixin" if is_layer else "AdapterHostMixin"
    shim = _shim(prefix) if prefix else ""
    return HostMixin(naming.mixin(cls), cls, f"{doc[0].upper()}{doc[1:]} of `{cls}`.", base, shim, slots)


def _shim(prefix: PrefixHook) -> str:
    config = "self.config" if prefix.has_config else "None"
    sizes = {"value_dim": prefix.value_dim, "heads": prefix.heads, "hidden_dim": prefix.hidden_dim}
    others = (f"{name}={_of_self(size)}" for name, size in sizes.items() if size)
    arguments = (config, f"head_dim={_of_self(prefix.head_dim)}", f"is_causal={prefix.is_causal}", *others)
    return layout.call(8, "self.prefix_tuning = PrefixTuningShim", arguments)


def _of_self(expression: str) -> str:
    """`self.head_dim` for `head_dim`."""
    return f"self.{expression}" if expression[0].isalpha() or expression[0] == "_" else expression


def model_classes(plan: IntegrationPlan) -> tuple[ModelClass, ...]:
    """Holders, towers and heads in one list, the base class first, then in upstream's order."""
    towers = (tower.cls for tower in plan.towers)
    names = dict.fromkeys([*plan.classes.holders, *towers, *plan.classes.heads])
    return tuple(_model_class(plan, cls) for cls in names)


class TowerMixin(Struct, frozen=True):
    """The mixin of a class that is a model by itself and a part of others."""

    name: str
    cls: str
    stacks: str


def tower_mixins(plan: IntegrationPlan) -> tuple[TowerMixin, ...]:
    return tuple(TowerMixin(naming.mixin(each.cls), each.cls, stacks_line(each.stacks)) for each in plan.towers)


def _model_class(plan: IntegrationPlan, cls: str) -> ModelClass:
    mixins = []
    if cls in plan.classes.heads:
        mixins.append("ModelWithHeadsAdaptersMixin")
    if cls in plan.classes.writers:
        mixins.append("WritingAdaptersMixin")
    if cls in plan.classes.holders:
        mixins.append(naming.mixin(plan.classes.base))
    if any(tower.cls == cls for tower in plan.towers):
        mixins.append(naming.mixin(cls))
    return ModelClass(cls, naming.with_adapters(cls), (*mixins, cls))


def class_line(name: str, bases: tuple[str, ...]) -> str:
    """`class Name(Bases):`, broken as a formatter breaks it."""
    return "\n".join(call_lines("", f"class {name}", bases, ":"))


def site_lines(layer: LayerPlan) -> tuple[str, ...]:
    """The keyword arguments of `LayerSites`."""
    groups: Mapping[str, tuple[str, ...]] = {
        "bottleneck": tuple(map(_bottleneck, layer.bottleneck)),
        "attention": tuple(map(_attention, layer.attention)),
        "projections": tuple(map(_projection, layer.projections)),
    }
    return tuple(_sites(f"{name}=", found) for name, found in groups.items() if found)


def _sites(head: str, found: tuple[str, ...]) -> str:
    """One site on the line of its name, several below each other."""
    write = layout.entries if len(found) == 1 else layout.lines
    return write(12, head, found, tail=",")


def _bottleneck(place: BottleneckPlace) -> str:
    host = f", host={quoted(place.host)}" if place.host else ""
    slot = f", slot={quoted(place.slot)}" if place.slot else ""
    of = f", of={place.of}" if place.of else ""
    needs = f", needs={quoted(place.needs)}" if place.needs else ""
    return f"BottleneckSite({quoted(place.location)}{host}{slot}{of}{needs})"


def _attention(place: AttentionPlace) -> str:
    kind = f", {quoted(place.kind)}" if place.kind != "self" else ""
    return f"AttentionSite({quoted(place.path)}{kind}, keys={quoted(place.keys)})"


def _projection(place: ProjectionPlace) -> str:
    roles = quoted(place.roles[0]) if len(place.roles) == 1 else f"({', '.join(map(quoted, place.roles))})"
    group = f", group={quoted(place.group)}" if place.group else ""
    widths = f", widths=({', '.join(map(quoted, place.widths))})" if place.widths else ""
    return f"Projection({quoted(place.path)}, {roles}{group}{widths})"


def stacks_line(stacks: tuple[StackPlan, ...]) -> str:
    found = tuple(map(_stack, stacks))
    write = layout.entries if len(found) < 2 else layout.lines
    return write(4, "adapter_stacks = ", found)


def _stack(stack: StackPlan) -> str:
    config = f", config={quoted(stack.config)}" if stack.config else ""
    flags = "".join(f", {name}=True" for name in ("packed", "joins_rows", "called_by_heads") if getattr(stack, name))
    return (
        f"AdapterStack(kind={quoted(stack.kind)}, layers={quoted(stack.layers)}, "
        f"owner={quoted(stack.owner)}, entry={quoted(stack.entry)}{config}{flags})"
    )


ENCODER_DECODER = "EncoderDecoderHeadsMixin"
WHOLE = "WholeModelAdaptersMixin"
GENERATION = "transformers.generation.GenerationMixin"


def adapter_model_bases(plan: IntegrationPlan) -> tuple[str, ...]:
    if plan.classes.is_whole:
        return (WHOLE, naming.with_adapters(plan.classes.base))
    own = plan.adapter_model
    mixins = [ENCODER_DECODER] if own.encoder_decoder else []
    generation = [(own.generation or GENERATION).rpartition(".")[2]] if own.generates else []
    return (*mixins, "ModelWithFlexibleHeadsAdaptersMixin", plan.classes.pretrained, *generation)


def head_types_line(plan: IntegrationPlan) -> str:
    """The class attribute, one type a line once there are several."""
    types = tuple(map(quoted, plan.adapter_model.head_types))
    write = layout.entries if len(types) < 2 else layout.lines
    return write(4, "head_types = ", types)


def tiny_config_lines(plan: IntegrationPlan) -> tuple[str, ...]:
    """The entries of the settings that make a model tiny."""
    return tuple(
        layout.entry(8, f"{quoted(key)}: {literal(held)}") for key, held in plan.tiny_config.arguments.items()
    )


def unsupported_lines(plan: IntegrationPlan) -> tuple[str, ...]:
    """The entries of the methods that are refused, with the reason of each."""
    refused = ((name, method.because) for name, method in plan.methods.items() if not method.supported)
    return tuple(layout.entry(8, f"{quoted(name)}: {quoted(because)}") for name, because in refused)


def target_names(plan: IntegrationPlan) -> tuple[str, ...]:
    """What heads are trained towards: the Trainer reads off the signature which columns of a data set to keep."""
    types = plan.adapter_model.head_types
    names = ["labels"]
    if "question_answering" in types:
        names += ["start_positions", "end_positions"]
    if "dependency_parsing" in types:
        names += ["word_starts", "labels_arcs", "labels_rels"]
    return tuple(name for name in names if name not in parameter_names(plan))


def parameter_names(plan: IntegrationPlan) -> tuple[str, ...]:
    return tuple(parameter.partition(":")[0].partition("=")[0].strip() for parameter in plan.adapter_model.parameters)


def notice(source_text: str) -> str:
    """Upstream's copyright and licence: the comment that it begins with, without what says how it was made."""
    comment = takewhile(lambda line: line.startswith("#"), source_text.splitlines())
    return "\n".join(line.rstrip() for line in comment if not OF_THE_FILE.match(line))
