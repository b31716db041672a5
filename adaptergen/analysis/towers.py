"""Which models does a model consist of? Those of its own file, and those that are made of other files' classes.

self.text_model = CLIPTextModel._from_config(config.text_config)    an inner model of the file
self.language_model = AutoModel.from_config(config.text_config)     a sub-model: any other architecture
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from msgspec.structs import replace

from adaptergen.analysis.blocks import MAX_NESTING, TracedLayer, find_layers, pretrained_classes
from adaptergen.analysis.embeddings import find_stacks
from adaptergen.analysis.picks import find_pick
from adaptergen.facts import Stack, SubModel, Tower
from adaptergen.source import ClassSource, SourceModule, string_value
from adaptergen.tracing.graph import config_of, leaf_classes, module_of
from adaptergen.tracing.tracer import Loader, Tracer
from adaptergen.tracing.values import Config, External, Instance, alternatives


def sub_models(source: SourceModule, cls: str, load: Loader) -> tuple[SubModel, ...]:
    """Models of other files that a class holds, by their paths; with several ways to make one, the first."""
    tracer = Tracer(source, leaves=leaf_classes(source), load=load)
    found: dict[str, SubModel] = {}
    for path, instance in _modules(tracer, tracer.make(cls, Config()), MAX_NESTING):
        if isinstance(instance.cls, External) and _is_other_model(instance.cls, load):
            made_by = instance.cls.dotted.rpartition(".")[2]
            at = source.at(source.classes[cls].node)
            found.setdefault(path, SubModel(path, made_by, config_of(instance), at))
    return tuple(found.values())


def with_picks(models: tuple[SubModel, ...], source: SourceModule, cls: str, load: Loader) -> tuple[SubModel, ...]:
    """The same models; of each, where numbers are picked that alone lead from it to the results of the class."""
    tracer = Tracer(source, leaves=leaf_classes(source), load=load)
    output = tracer.call_method(tracer.make(cls, Config()), "forward")
    calls = {instance.path: call for call in reversed(tracer.calls) if (instance := module_of(call)) is not None}
    return tuple(
        replace(model, picked=find_pick(output, calls[model.path])) if model.path in calls else model
        for model in models
    )


def find_towers(
    source: SourceModule, base_class: str, layers: tuple[TracedLayer, ...], names: Iterable[str], load: Loader
) -> tuple[tuple[Tower, tuple[TracedLayer, ...]], ...]:
    """Each of the named classes that has layers, its stacks by paths from itself, and those layers."""
    inner = {instance.class_name: path for path, instance in inner_models(source, base_class, load)}
    towers = []
    for name in names:
        own = _below(layers, inner[name]) if name in inner else find_layers(source, name, load)
        stacks = _of_own_config(stacks_of(source, name, own, load)) if own else ()
        if stacks:
            towers.append((Tower(name, stacks), own))
    return tuple(towers)


def _of_own_config(stacks: tuple[Stack, ...]) -> tuple[Stack, ...]:
    """What is a part of the outer model's configuration is the tower's own."""
    same = len({stack.config for stack in stacks}) == 1
    return tuple(replace(stack, config="") for stack in stacks) if same else stacks


def stacks_of(source: SourceModule, cls: str, layers: tuple[TracedLayer, ...], load: Loader) -> tuple[Stack, ...]:
    """The stacks of a class, in order; where its own forward does not show how, as inner models run them."""
    found = {stack.path: stack for stack in find_stacks(source, cls, layers, load)}
    paths = list(dict.fromkeys(layer.list_path for layer in layers))
    for inner, instance in sorted(inner_models(source, cls, load), key=lambda pair: -len(pair[0])):
        missing = tuple(layer for layer in _below(layers, inner) if f"{inner}.{layer.list_path}" not in found)
        for stack in find_stacks(source, instance.class_name, missing, load) if missing else ():
            path = f"{inner}.{stack.path}"
            found[path] = replace(stack, path=path, owner=f"{inner}.{stack.owner}" if stack.owner else inner)
    return tuple(found[path] for path in paths if path in found)


def inner_models(source: SourceModule, cls: str, load: Loader) -> Iterator[tuple[str, Instance]]:
    """Models of the file that a class holds, with their paths."""
    models = frozenset(pretrained_classes(source, load))
    tracer = Tracer(source, leaves=leaf_classes(source), load=load)
    for path, instance in _modules(tracer, tracer.make(cls, Config()), MAX_NESTING):
        if instance.class_name in models and isinstance(instance.cls, ClassSource):
            yield path, instance


def parts_with_heads(
    source: SourceModule, base_class: str, bases: Collection[str], heads: Iterable[str], load: Loader
) -> Iterator[str]:
    """Inner models of the base class on which there are heads: these hold one of them, and none of the bases."""
    inner = {instance.class_name for _, instance in inner_models(source, base_class, load)}
    for name in heads if inner else ():
        held = {path: instance.class_name for path, instance in inner_models(source, name, load)}
        if name not in inner and not {name, *held.values()} & set(bases):
            yield from (cls for path, cls in held.items() if "." not in path and cls in inner)


def composites(source: SourceModule, towers: Mapping[str, Tower], load: Loader) -> Iterator[str]:
    """Classes that hold towers or sub-models themselves, and not through a base model."""
    for name in pretrained_classes(source, load):
        tracer = Tracer(source, leaves=leaf_classes(source), load=load)
        model = tracer.make(name, Config())
        prefix = base_model_prefix(source, name)
        if name in towers or (prefix and prefix in tracer.attributes(model)):
            continue
        inside = [instance for _, instance in _modules(tracer, model, MAX_NESTING)]
        if any(_is_part(instance, towers, load) for instance in inside):
            yield name


def _is_part(instance: Instance, towers: Mapping[str, Tower], load: Loader) -> bool:
    if isinstance(instance.cls, External):
        return _is_other_model(instance.cls, load)
    return instance.class_name in towers


def base_model_prefix(source: SourceModule, cls: str) -> str:
    """The attribute under which a model with a head holds its base model."""
    for ancestor in source.ancestry(cls):
        if "base_model_prefix" in ancestor.constants:
            return string_value(ancestor.constants["base_model_prefix"])
    return ""


def held_bases(source: SourceModule, names: Iterable[str], load: Loader) -> Iterator[str]:
    """What the named classes hold as their base model."""
    for name in names:
        tracer = Tracer(source, leaves=leaf_classes(source), load=load)
        held = tracer.attributes(tracer.make(name, Config())).get(base_model_prefix(source, name))
        for option in alternatives(held) if held else ():
            if isinstance(option, Instance) and isinstance(option.cls, ClassSource):
                yield option.class_name


def _modules(tracer: Tracer, parent: Instance, depth: int) -> Iterator[tuple[str, Instance]]:
    """Every module below another one that is no element of a list, with its path."""
    if depth == 0:
        return
    for name, value in tracer.attributes(parent).items():
        path = f"{parent.path}.{name}" if parent.path else name
        for option in alternatives(value):
            if isinstance(option, Instance):
                yield path, option
                if isinstance(option.cls, ClassSource):
                    yield from _modules(tracer, option, depth - 1)


def _is_other_model(cls: External, load: Loader) -> bool:
    """Is it made by an auto class or as a backbone, or of a model class of another modeling file?"""
    module, _, name = cls.dotted.rpartition(".")
    if name == "load_backbone" or name.startswith("Auto"):
        return True
    loaded = load(module)
    if loaded is None or name not in loaded.classes:
        return False
    return any("PreTrainedModel" in base for ancestor in loaded.ancestry(name) for base in ancestor.bases)


def _below(layers: tuple[TracedLayer, ...], path: str) -> tuple[TracedLayer, ...]:
    """The layers in a part of the model, by paths from there."""
    start = f"{path}."
    inside = (layer for layer in layers if layer.list_path.startswith(start))
    return tuple(replace(layer, list_path=layer.list_path.removeprefix(start)) for layer in inside)
