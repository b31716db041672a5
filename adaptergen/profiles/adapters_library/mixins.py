"""What `init_adapters` does in each class: LoRA around projections, places for bottlenecks and prefixes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import libcst as cst
from msgspec import Struct

from adaptergen import naming
from adaptergen.plan import IntegrationPlan, LayerPlan, PrefixHook, ProjectionPlace
from adaptergen.rendering import layout
from adaptergen.rendering.environment import quoted
from adaptergen.source import SourceModule
from adaptergen.transforms.imports import Import


CONFIGS = ("model_config", "adapters_config")
QUERY_KEY_VALUE = ("q", "k", "v")
FEED_FORWARD = {"up": "intermediate", "down": "output"}  # role → where the library's configurations look for it
BODY = 8  # columns in front of a statement of a method


class ClassMixin(Struct, frozen=True):
    """
    The mixin of one class below the base model; it is mapped by name where no method of the class is copied.

    Args:
        statements: of `init_adapters`, which begin in the eighth column.
    """

    cls: str
    doc: str
    base: str
    statements: tuple[str, ...]
    copied: bool

    @property
    def name(self) -> str:
        return naming.mixin(self.cls)


def class_mixins(plan: IntegrationPlan, source: SourceModule) -> tuple[ClassMixin, ...]:
    """In the order of upstream's file."""
    layers = {layer.cls: layer for layer in plan.layers}
    classes = sorted({*layers, *plan.copied_classes}, key=lambda cls: source.lines_of(source.classes[cls].node))
    return tuple(_mixin(plan, source, cls, layers.get(cls)) for cls in classes)


def statements_of(mixins: Iterable[ClassMixin]) -> str:
    """What `init_adapters` does in all of them."""
    return "\n".join(statement for mixin in mixins for statement in mixin.statements)


def _mixin(plan: IntegrationPlan, source: SourceModule, cls: str, layer: LayerPlan | None) -> ClassMixin:
    prefix = next((hook for hook in plan.prefixes if hook.cls == cls), None)
    is_adapter_layer = any(hook.cls == cls and not hook.slot for hook in plan.residuals)
    copied = cls in plan.copied_classes
    statements = [
        *(["super().init_adapters(model_config, adapters_config)"] if is_adapter_layer else []),
        *(_of_layer(layer, source) if layer else []),
        *([_prefixes(plan, prefix)] if prefix else []),
        *(["patch_forward(self)"] if copied else []),
    ]
    base = "BottleneckLayer" if is_adapter_layer else ""
    return ClassMixin(cls, f"Adds adapters to the {cls} module.", base, tuple(statements), copied)


def _of_layer(layer: LayerPlan, source: SourceModule) -> Iterator[str]:
    """All of a layer, then what is only there if the model was made with cross-attention."""
    optional = {place.path.partition(".")[0] for place in layer.attention if place.kind == "cross"}
    yield from _statements(layer, source, frozenset(), optional)
    for name in sorted(optional):
        inner = _statements(layer, source, frozenset({name}), optional)
        yield f"\n{' ' * (BODY + 4)}".join([f"if hasattr(self, {quoted(name)}):", *inner])


def _statements(layer: LayerPlan, source: SourceModule, below: frozenset[str], optional: set[str]) -> Iterator[str]:
    """What concerns modules of the layer with these names, or with none of the optional ones."""

    def concerns(path: str) -> bool:
        top = path.partition(".")[0]
        return top in below if below else top not in optional

    indent = BODY + 4 * bool(below)
    for attention in layer.attention:
        if concerns(attention.path):
            key = "cross_prefix" if attention.kind == "cross" else "self_prefix"
            yield f"self.{attention.path}.location_key = {quoted(key)}"
    for projection in layer.projections:
        if concerns(projection.path) and (wrapped := _wrapped(projection, source, indent)):
            yield wrapped
    for place in layer.bottleneck:
        if place.host and concerns(place.host):
            yield f"self.{place.host}.location_key = {quoted(place.location)}"
        elif place.slot and bool(below) == (place.location == "cross_adapter" and bool(optional)):
            yield f"self.{place.slot} = BottleneckLayer({quoted(place.location)})"


def _wrapped(place: ProjectionPlace, source: SourceModule, indent: int) -> str:
    """The projection with room for LoRA; "" for what no configuration of the library names."""
    module = f"self.{place.path}"
    options = ["fan_in_fan_out=True"] if is_conv1d(source, place.path) else []
    if set(place.roles) == set(QUERY_KEY_VALUE):
        bias = [] if options else [f"bias={module}.bias is not None"]
        if place.roles == QUERY_KEY_VALUE and not place.group:
            arguments = [module, quoted("selfattn"), *CONFIGS, *options, *bias]
            return layout.call(indent, f"{module} = LoRAMergedLinear.wrap", arguments)
        order = [f"roles=({', '.join(map(quoted, place.roles))})"]
        group = [f"group={_of_layer_attribute(place.group)}"] if place.group else []
        arguments = [module, quoted("selfattn"), *CONFIGS, *order, *group, *options, *bias]
        return layout.call(indent, f"{module} = LoRAGroupedLinear.wrap", arguments)
    location = next((FEED_FORWARD[role] for role in place.roles if role in FEED_FORWARD), "")
    if location:
        arguments = [module, quoted(location), *CONFIGS, *options]
    elif len(place.roles) == 1 and place.roles[0] in (*QUERY_KEY_VALUE, "o"):
        arguments = [module, quoted("selfattn"), *CONFIGS, f"attn_key={quoted(place.roles[0])}", *options]
    else:
        return ""
    return layout.call(indent, f"{module} = LoRALinear.wrap", arguments)


def is_conv1d(source: SourceModule, path: str) -> bool:
    """Some class of the file makes a module of this name as transformers' Conv1D, whose weights are turned."""
    if "Conv1D" not in source.imports:
        return False
    name = path.rpartition(".")[2]
    return any(
        source.code(assign.targets[0].target) == f"self.{name}" and source.code(assign.value).startswith("Conv1D(")
        for cls in source.classes.values()
        if "__init__" in cls.methods
        for statement in source.statements(cls.methods["__init__"])
        if isinstance(statement, cst.SimpleStatementLine)
        for assign in statement.body
        if isinstance(assign, cst.Assign)
    )


def _of_layer_attribute(expression: str) -> str:
    """`3 * self.attention.head_size` for `3 * attention.head_size`."""
    parts = expression.split(" * ")
    return " * ".join(part if part.isdigit() else f"self.{part}" for part in parts)


def _prefixes(plan: IntegrationPlan, hook: PrefixHook) -> str:
    arguments = (
        "self.location_key",
        *CONFIGS,
        f"n_heads={_heads(plan, hook)}",
        f"head_dim={_of_self(hook.head_dim)}",
        f"is_causal={hook.is_causal}",
    )
    return layout.call(BODY, "self.prefix_tuning = PrefixAttentionLayer", arguments)


def _heads(plan: IntegrationPlan, hook: PrefixHook) -> str:
    """How many heads of keys there are: upstream's expression, or the width of their projection by that of a head."""
    if hook.heads:
        return f"self.{hook.heads}" if hook.heads[0].isalpha() else hook.heads
    (projection, parts), *_ = sorted(key_projections(plan))
    width = _of_self(hook.head_dim)
    return f"self.{projection}.out_features // {f'({parts} * {width})' if parts > 1 else width}"


def key_projections(plan: IntegrationPlan) -> set[tuple[str, int]]:
    """What the attentions of a plan call the projection of their keys, and of how many parts it is."""
    found = set()
    for layer in plan.layers:
        parts = {place.path: len(place.roles) for place in layer.projections}
        for attention in layer.attention:
            inside = attention.keys.removeprefix(f"{attention.path}.")
            found.add((inside if inside != attention.keys else "", parts.get(attention.keys, 1)))
    return found


def _of_self(expression: str) -> str:
    return f"self.{expression}" if expression[0].isalpha() or expression[0] == "_" else expression


def mixin_imports(plan: IntegrationPlan, mixins: Sequence[ClassMixin], *, is_invertible: bool) -> set[Import]:
    """What the module of the mixins imports from the library, besides what every one of them does."""
    text = "\n".join(statement for mixin in mixins for statement in (*mixin.statements, mixin.base))
    known = {
        "BottleneckLayer": "...methods.bottleneck",
        "LoRALinear": "...methods.lora",
        "LoRAMergedLinear": "...methods.lora",
        "LoRAGroupedLinear": "...methods.lora_grouped",
        "PrefixAttentionLayer": "...methods.prefix_attention",
        "patch_forward": "...utils",
    }
    models = [
        "EmbeddingAdaptersMixin",
        "ModelBaseAdaptersMixin",
        *(["InvertibleAdaptersMixin"] if is_invertible else []),
    ]
    return {
        *(Import(module, name) for name, module in known.items() if name in text),
        *(Import("...model_mixin", name) for name in models),
    }
