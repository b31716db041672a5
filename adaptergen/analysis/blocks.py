"""Which lists of layers do the hidden states go through, and which classes hold them?

self.h = nn.ModuleList([GPTNeoBlock(config, layer_id=i) for i in range(config.num_layers)])
^^^^^^ a stack, when the forward of its elements computes attention
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from adaptergen.source import ClassSource, SourceModule
from adaptergen.tracing.binding import elements
from adaptergen.tracing.graph import depends_on, leaf_classes, walk
from adaptergen.tracing.tracer import Loader, Tracer
from adaptergen.tracing.values import Call, Config, External, Instance, Item, Operation, Sequence, Value, alternatives


MAX_NESTING = 6
# Those that take weights, too, and project by themselves.
PROJECTING_KERNELS = ("multi_head_attention_forward", "multi_head_attention")
KERNELS = ("scaled_dot_product_attention", "_flash_attention_forward", "flash_attn_func", *PROJECTING_KERNELS)


class TracedLayer(Struct, frozen=True, eq=False):
    """A layer of one stack, followed from its own forward: paths in it are relative to the layer."""

    list_path: str  # of the ModuleList, from the base model
    instance: Instance
    tracer: Tracer
    output: Value

    @property
    def cls(self) -> ClassSource:
        assert isinstance(self.instance.cls, ClassSource)
        return self.instance.cls


class ListedModule(Struct, frozen=True, eq=False):
    """One kind of element of a list that a loop made, and the lists in it."""

    path: str  # of the list, from the model; `stages.*.blocks` for a list in every element of another one
    element: Instance
    inner: tuple[ListedModule, ...]


def find_layers(source: SourceModule, model_class: str, load: Loader) -> tuple[TracedLayer, ...]:
    """
    The layers of a model class: elements of its module lists that compute attention, in order of appearance, and
    others that stand in one list with them.
    """
    tracer = Tracer(source, leaves=leaf_classes(source), load=load)
    model = tracer.make(model_class, Config())
    listed = tuple(_listed_modules(tracer, model, MAX_NESTING))
    layers = [layer for each in listed for layer in _layers_of(source, each, load)]
    known = {(layer.list_path, layer.cls.name) for layer in layers}
    for each in _flat(listed):
        is_new = (each.path, each.element.class_name) not in known
        if is_new and any(layer.list_path == each.path for layer in layers):
            known.add((each.path, each.element.class_name))
            layers.append(_trace(source, each.path, each.element, load))
    return tuple(layers)


def _layers_of(source: SourceModule, listed: ListedModule, load: Loader) -> list[TracedLayer]:
    """Where stages hold blocks it is the blocks that are layers; heads or experts in a list are none."""
    inner = [layer for each in listed.inner for layer in _layers_of(source, each, load)]
    if inner and all(map(_adds_to_its_input, inner)):
        return inner
    layer = _trace(source, listed.path, listed.element, load)
    return [layer] if computes_attention(layer.tracer) else []


def _adds_to_its_input(layer: TracedLayer) -> bool:
    """Does it add to a value what was made from it?"""
    made = {id(value) for value in walk(layer.output)}
    sums = (total for total in layer.tracer.sums if id(total) in made)
    return any(depends_on(total.left, total.right) or depends_on(total.right, total.left) for total in sums)


def _listed_modules(tracer: Tracer, parent: Instance, depth: int) -> Iterator[ListedModule]:
    """Every kind of element of every module list made by a loop, below this module."""
    if depth == 0:
        return
    for value in tracer.attributes(parent).values():
        for option in alternatives(value):
            yield from _listed_in(tracer, option, depth)


def _listed_in(tracer: Tracer, value: Value, depth: int) -> Iterator[ListedModule]:
    match value:
        case Instance(cls=ClassSource()):
            yield from _listed_modules(tracer, value, depth - 1)
        case Sequence(is_modules=True, path=str(path)):
            for element in (option for each in elements(value) for option in alternatives(each)):
                inner = tuple(_listed_in(tracer, element, depth))
                if value.repeated and isinstance(element, Instance) and isinstance(element.cls, ClassSource):
                    yield ListedModule(path, element, inner)
                else:
                    yield from inner


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
        listed = _listed_modules(tracer, model, MAX_NESTING)
        found = {(each.path, each.element.class_name) for each in _flat(listed)} & wanted
        if found:
            yield name, frozenset(path for path, _ in found)


def _flat(listed: Iterable[ListedModule]) -> Iterator[ListedModule]:
    for each in listed:
        yield each
        yield from _flat(each.inner)


def pretrained_classes(source: SourceModule, load: Loader) -> Iterator[str]:
    """Classes that derive from transformers' PreTrainedModel, in the order of the file."""
    for name in source.classes:
        if any("PreTrainedModel" in base for ancestor in source.ancestry(name) for base in ancestor.bases):
            yield name
