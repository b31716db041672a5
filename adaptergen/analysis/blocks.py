"""Which lists of layers do the hidden states go through, and which classes hold them?

self.h = nn.ModuleList([GPTNeoBlock(config, layer_id=i) for i in range(config.num_layers)])
^^^^^^ a stack, when the forward of its elements computes attention
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from adaptergen.source import ClassSource, SourceModule
from adaptergen.tracing.graph import leaf_classes
from adaptergen.tracing.tracer import Loader, Tracer
from adaptergen.tracing.values import Call, Config, External, Instance, Item, Operation, Sequence, Value, alternatives


MAX_NESTING = 6
KERNELS = ("scaled_dot_product_attention", "_flash_attention_forward", "flash_attn_func")


@dataclass(frozen=True, eq=False)
class TracedLayer:
    """A layer of one stack, followed from its own forward: paths in it are relative to the layer."""

    list_path: str  # of the ModuleList, from the base model
    instance: Instance
    tracer: Tracer
    output: Value

    @property
    def cls(self) -> ClassSource:
        assert isinstance(self.instance.cls, ClassSource)
        return self.instance.cls


def find_layers(source: SourceModule, model_class: str, load: Loader) -> tuple[TracedLayer, ...]:
    """The layers of a model class: elements of its module lists that compute attention, in order of appearance."""
    tracer = Tracer(source, leaves=leaf_classes(source), load=load)
    model = tracer.make(model_class, Config())
    layers: list[TracedLayer] = []
    for path, element in _repeated_modules(tracer, model, MAX_NESTING):
        layer = _trace(source, path, element, load)
        if computes_attention(layer.tracer):
            layers.append(layer)
    return tuple(layers)


def _repeated_modules(tracer: Tracer, parent: Instance, depth: int) -> Iterator[tuple[str, Instance]]:
    """Every kind of element of every module list made by a loop, with the list's path."""
    if depth == 0:
        return
    for name, value in tracer.attributes(parent).items():
        path = f"{parent.path}.{name}" if parent.path else name
        for option in alternatives(value):
            if isinstance(option, Sequence) and option.is_modules and option.repeated:
                yield from ((path, element) for element in _instances(option))
            elif isinstance(option, Instance) and isinstance(option.cls, ClassSource):
                yield from _repeated_modules(tracer, option, depth - 1)


def _instances(sequence: Sequence) -> Iterator[Instance]:
    for item in sequence.items:
        for option in alternatives(item):
            if isinstance(option, Instance) and isinstance(option.cls, ClassSource):
                yield option


def _trace(source: SourceModule, list_path: str, element: Instance, load: Loader) -> TracedLayer:
    tracer = Tracer(source, leaves=leaf_classes(source), load=load)
    instance = element.moved("")
    return TracedLayer(list_path, instance, tracer, tracer.call_method(instance, "forward"))


def computes_attention(tracer: Tracer) -> bool:
    """Does anything that was followed call an attention function, or a softmax over a product?"""
    return any(is_interface_call(call) for call in tracer.calls) or any(
        operation.name in ("softmax", *KERNELS) for operation in tracer.operations
    )


def is_interface_call(call: Call) -> bool:
    """A call of one of transformers' attention functions, looked up in their registry."""
    match call.callee:
        case Operation(origin=origin):
            return _REGISTRY in origin
        case Item(value=External(dotted=dotted)):
            return dotted.endswith(_REGISTRY)
    return False


_REGISTRY = "ALL_ATTENTION_FUNCTIONS"


def holders(
    source: SourceModule, layers: tuple[TracedLayer, ...], load: Loader
) -> Iterator[tuple[str, frozenset[str]]]:
    """Pretrained classes that hold one of these layer lists under the same path, with the paths they hold."""
    wanted = {(layer.list_path, layer.cls.name) for layer in layers}
    for name in pretrained_classes(source, load):
        tracer = Tracer(source, leaves=leaf_classes(source), load=load)
        model = tracer.make(name, Config())
        found = {(path, e.class_name) for path, e in _repeated_modules(tracer, model, MAX_NESTING)} & wanted
        if found:
            yield name, frozenset(path for path, _ in found)


def pretrained_classes(source: SourceModule, load: Loader) -> Iterator[str]:
    """Classes that derive from transformers' PreTrainedModel, in the order of the file."""
    for name in source.classes:
        if any("PreTrainedModel" in base for ancestor in source.ancestry(name) for base in ancestor.bases):
            yield name
