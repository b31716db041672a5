"""Which module's output enters the first layer, and which module embeds the input and runs the layers?

hidden_states = self.drop(hidden_states)
                ^^^^^^^^^ entry: every path to the first layer goes through it, once
for block in self.h: hidden_states = block(hidden_states, …)
"""

from __future__ import annotations

import re

import libcst as cst
from msgspec import Struct

from adaptergen.analysis.attention import attention_calls, first_input
from adaptergen.analysis.blocks import TracedLayer
from adaptergen.analysis.grids import find_frames, find_picture
from adaptergen.analysis.picks import find_pick
from adaptergen.analysis.rows import find_stacked, joins_rows
from adaptergen.facts import Stack, StackKind
from adaptergen.nodes import descendants
from adaptergen.problems import Location
from adaptergen.source import ClassSource, SourceModule
from adaptergen.tracing.graph import config_of, depends_on, leaf_classes, module_of, reached, walk
from adaptergen.tracing.tracer import Loader, Tracer, inputs
from adaptergen.tracing.values import Call, Config, Input, Instance, Item, Operation, Value, alternatives


class _Entry(Struct, frozen=True):
    owner: Instance
    path: str  # "" when the module can be bypassed, runs twice, or does not exist


def find_stacks(
    source: SourceModule, base_class: str, layers: tuple[TracedLayer, ...], load: Loader
) -> tuple[Stack, ...]:
    """Each list of layers with its owner and the module whose output enters its first layer."""
    names = {layer.cls.name for layer in layers}
    tracer = Tracer(source, leaves=leaf_classes(source) | names, load=load)
    model = tracer.make(base_class, Config())
    output = tracer.call_method(model, "forward")
    made_of = {layer.list_path: config_of(layer.instance) for layer in layers}
    stacks: list[Stack] = []
    for layer in layers:
        call = _first_call(tracer, layer)
        if call is None or any(stack.path == layer.list_path for stack in stacks):
            continue
        entry = _entry(tracer, call)
        stacks.append(
            Stack(
                kind=_kind(layer, call, several=list(made_of.values()).count(made_of[layer.list_path]) > 1),
                path=layer.list_path,
                layer=layer.cls.name,
                owner=_of_first(entry.owner.path),
                owner_class=entry.owner.class_name,
                entry=_of_first(entry.path),
                at=source.at(call.at.statement),
                config=made_of[layer.list_path],
                is_packed=_is_packed(layer, call),
                joins_rows=joins_rows(_entering(call)),
                stacked=find_stacked(_entering(call)),
                positions=_positions(layer),
                told=_told(call),
                added=_added(tracer, call),
                repeated=_repeated(tracer, model, call),
                grid=_grid(tracer, layer, call),
                picked=find_pick(output, call),
            )
        )
    return tuple(stacks)


def _of_first(path: str) -> str:
    """Of the modules in every element of a list those in its first one, which alone sees the input."""
    return path.replace("*", "0")


def returns_pooled(source: SourceModule, base_class: str, layers: tuple[TracedLayer, ...], load: Loader) -> bool:
    """Does the base model give a pooled representation of each sequence beside the hidden states?"""
    names = {layer.cls.name for layer in layers}
    tracer = Tracer(source, leaves=leaf_classes(source) | names, load=load)
    output = tracer.call_method(tracer.make(base_class, Config()), "forward")
    return any(isinstance(option, Instance) and "pooler_output" in option.kwargs for option in alternatives(output))


def pools_if_told(source: SourceModule, base_class: str) -> bool:
    """Does the base model pool only if it is made with `add_pooling_layer=True`?"""
    method = source.find_method(base_class, "__init__")
    parameters = (*method[1].params.params, *method[1].params.kwonly_params) if method else ()
    defaults = {each.name.value: source.code(each.default) for each in parameters if each.default is not None}
    return defaults.get("add_pooling_layer") == "False"


def _first_call(tracer: Tracer, layer: TracedLayer) -> Call | None:
    """The call of a layer of this list, in the loop over the list."""
    for call in tracer.calls:
        instance = module_of(call)
        if instance is not None and instance.path.rpartition(".")[0] == layer.list_path and (call.args or call.kwargs):
            return call
    return None


def _entry(tracer: Tracer, call: Call) -> _Entry:
    loop_owner = call.at.instance
    assert loop_owner is not None
    entering = _entering(call)
    module = _only_module(entering)
    if module is None or module.at.instance is None:
        embedding = next((c for c in map(_as_module_call, reached(entering, _is_module_call)) if c), None)
        owner = embedding.at.instance if embedding and embedding.at.instance else loop_owner
        return _Entry(owner, "")
    owner = module.at.instance
    instance = module_of(module)
    assert instance is not None
    path = instance.path.removeprefix(f"{owner.path}.") if owner.path else instance.path
    runs_once = sum(module_of(other) is instance for other in tracer.calls) == 1
    return _Entry(owner, path if runs_once else "")


def _entering(call: Call) -> Value:
    """What a layer is given."""
    return call.args[0] if call.args else next(iter(call.kwargs.values()))


def _told(call: Call) -> str:
    """The parameter of the model from which a layer is told more of each word than what it is given."""
    for value in (*call.args, *call.kwargs.values()):
        if isinstance(value, Input) and value.name == "input_ids":
            return value.name
        for found in reached(value, _is_box) if value is not _entering(call) else ():
            assert isinstance(found, Input)
            return found.name
    return ""


def _is_box(value: Value) -> bool:
    return isinstance(value, Input) and bool(re.fullmatch(r"bbox|\w*boxes", value.name))


def _added(tracer: Tracer, call: Call) -> Location | None:
    """Where what runs the layers adds something to their output that is made of nothing that goes through them."""
    entering = _entering(call)
    for total in tracer.sums:
        if (total.at.instance, total.at.method) == (call.at.instance, call.at.method):
            for stream, other in ((total.left, total.right), (total.right, total.left)):
                is_new = isinstance(other, Call | Operation | Item) and not depends_on(other, entering)
                if depends_on(stream, call) and is_new:
                    return total.at.module.at(total.at.statement)
    return None


def _repeated(tracer: Tracer, model: Instance, call: Call) -> Location | None:
    """The loop of the model's forward in which the part that runs the layers is called."""
    runner = call.at.instance
    found = tracer.find_method(model.cls, "forward") if isinstance(model.cls, ClassSource) else None
    if found is None or runner is None or not runner.path:
        return None
    module, forward = found[0].module, found[1]
    for loop in descendants(forward, cst.For):
        if any(module.code(called.func) == f"self.{runner.path}" for called in descendants(loop.body, cst.Call)):
            return module.at(loop)
    return None


def _grid(tracer: Tracer, layer: TracedLayer, call: Call) -> Location | None:
    """Where a layer, or the model behind the layers, lays the positions out in rows and columns."""
    first = first_input(layer)
    inside = find_frames(layer.tracer.operations, lambda value: isinstance(value, Input) and value.name == first)
    return inside or find_picture(tracer.operations, lambda value: value is call)


def _is_packed(layer: TracedLayer, call: Call) -> bool:
    """Are layers told, as transformers calls it, where in one sequence of all examples each of them is?"""
    found = layer.tracer.find_method(layer.cls, "forward")
    names = {*call.kwargs, *(inputs(found[1]) if found else ())}
    return not names.isdisjoint(("cu_seqlens", "grid_thw"))


def _positions(layer: TracedLayer) -> str:
    """The parameter by which the layer is told positions, as transformers calls it."""
    found = layer.tracer.find_method(layer.cls, "forward")
    names = inputs(found[1]) if found is not None else ()
    return next((name for name in ("position_embeddings", "position_ids") if name in names), "")


def _only_module(value: Value) -> Call | None:
    """The module call that the value is, or that functional dropout was applied to."""
    while isinstance(value, Operation) and value.name == "dropout" and value.args:
        value = value.first
    return _as_module_call(value)


def _as_module_call(value: Value) -> Call | None:
    return value if isinstance(value, Call) and isinstance(value.callee, Instance) else None


def _is_module_call(value: Value) -> bool:
    return _as_module_call(value) is not None


def _kind(layer: TracedLayer, call: Call, *, several: bool) -> StackKind:
    """With several of one configuration the one with cross-attention decodes; alone, one with a causal mask."""
    if several:
        return "decoder" if any(found.kind == "cross" for found in attention_calls(layer)) else "encoder"
    given = (*call.args, *call.kwargs.values())
    if any(map(_mask_makers, given)):
        return "decoder" if any(map(_is_causal_mask, given)) else "encoder"
    return "decoder" if any(map(_is_triangular, given)) or _caches_keys(layer) else "encoder"


def _is_causal_mask(value: Value) -> bool:
    makers = _mask_makers(value)
    return bool(makers) and not any("bidirectional" in name for name in makers)


def _mask_makers(value: Value) -> set[str]:
    return {made.name for made in walk(value) if isinstance(made, Operation) and _MASK_MAKER.match(made.name)}


_MASK_MAKER = re.compile(r"create_\w*mask")


def _is_triangular(value: Value) -> bool:
    """A mask that the file makes by itself, and that ends at the diagonal."""
    return any(isinstance(made, Operation) and made.name in ("triu", "tril", "triu_", "tril_") for made in walk(value))


def _caches_keys(layer: TracedLayer) -> bool:
    """Are the keys of earlier calls kept? That is of use only where nothing sees the future."""
    keys = (call.key for call in attention_calls(layer) if call.kind == "self")
    return any(isinstance(value, Operation) and value.name == "cache_update" for key in keys for value in walk(key))
