"""Which configuration attributes hold the sizes and dropout rates that every architecture has under some name?

attribute_map = {"num_attention_heads": "num_heads"}          the class answers to the canonical name
self.resid_dropout = nn.Dropout(float(config.resid_dropout))  applied to a branch: hidden_dropout_prob
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import libcst as cst

from adaptergen.analysis.additions import additions
from adaptergen.analysis.attention import attention_calls, through_elementwise
from adaptergen.analysis.blocks import TracedLayer
from adaptergen.facts import ConfigName
from adaptergen.problems import Location
from adaptergen.source import SourceModule
from adaptergen.tracing.graph import is_dropout, is_linear_call, is_norm, module_of, reached, walk
from adaptergen.tracing.values import Attribute, Call, Config, Instance, Operation, Value


CANONICAL = ("num_attention_heads", "hidden_size", "hidden_dropout_prob", "attention_probs_dropout_prob")


def find_config_names(
    layers: tuple[TracedLayer, ...], configuration: SourceModule | None, config_class: str
) -> Iterator[ConfigName]:
    """One entry per canonical name whose attribute was found."""
    known = config_fields(configuration, config_class) | attribute_map(configuration, config_class).keys()
    for canonical in CANONICAL:
        if canonical in known:
            attribute = attribute_map(configuration, config_class).get(canonical, canonical)
            yield ConfigName(canonical, attribute, True, _place(configuration, config_class))
            continue
        for layer in layers:
            found = next(_FINDERS[canonical](layer), None)
            if found is not None:
                yield ConfigName(canonical, *found)
                break


Found = Iterator[tuple[str, bool, Location]]


def _hidden_dropout(layer: TracedLayer) -> Found:
    """The rate of the dropout between a branch's last linear module and the addition."""
    for addition in additions(layer):
        last = reached(addition.branch, is_linear_call, stop=addition.stream)
        below = {id(value) for linear in last for value in walk(linear)}
        above = [value for value in walk(addition.branch) if id(value) not in below]
        yield from _rates(layer, above)


def _attention_dropout(layer: TracedLayer) -> Found:
    """The rate given to the attention function, or of the dropout on the attention weights."""
    for call in attention_calls(layer):
        given = call.output.kwargs.get("dropout") if call.form == "interface" else None
        if given is not None:
            yield from _paths(layer, walk(given), call.output)
        elif call.softmax is not None:
            assert isinstance(call.output, Operation)
            yield from _rates(layer, through_elementwise(call.output.first))


def _heads(layer: TracedLayer) -> Found:
    """An attribute of the attention module that counts heads."""
    for call in attention_calls(layer):
        for name, value in layer.tracer.attributes(call.module).items():
            if "head" in name and "dim" not in name and "size" not in name and "key_value" not in name:
                yield from _paths(layer, [value], call.output)


def _hidden_size(layer: TracedLayer) -> Found:
    """The width that the layer's norms are made for."""
    for call in layer.tracer.calls:
        instance = module_of(call)
        if instance is not None and is_norm(instance) and instance.args:
            yield from _paths(layer, [instance.args[0]], call)


def _rates(layer: TracedLayer, values: Iterable[Value]) -> Found:
    for value in values:
        instance = module_of(value)
        if isinstance(value, Call) and instance is not None and is_dropout(instance):
            yield from _paths(layer, (*instance.args, *instance.kwargs.values()), value)
        elif isinstance(value, Operation) and value.name == "dropout":
            yield from _paths(layer, (*value.args[1:], *value.kwargs.values()), value)


def _paths(
    layer: TracedLayer, values: Iterator[Value] | list[Value] | tuple[Value, ...], call: Call | Operation
) -> Found:
    for value in values:
        path = config_path(value)
        if path and "." not in path:
            yield path, False, call.at.module.at(call.at.statement)


def config_path(value: Value) -> str:
    """`hidden_size` for a value that was read from `config.hidden_size`, "" for any other."""
    while isinstance(value, Attribute) and value.value is not None:
        value = value.value
    if isinstance(value, Attribute) and isinstance(value.owner, Instance) and value.name == "p":
        return next((p for p in map(config_path, (*value.owner.args, *value.owner.kwargs.values())) if p), "")
    return value.path if isinstance(value, Config) else ""


_FINDERS = {
    "num_attention_heads": _heads,
    "hidden_size": _hidden_size,
    "hidden_dropout_prob": _hidden_dropout,
    "attention_probs_dropout_prob": _attention_dropout,
}


def config_fields(configuration: SourceModule | None, config_class: str) -> set[str]:
    """Attributes that the configuration class declares or assigns in its constructor."""
    return set(config_defaults(configuration, config_class))


def config_defaults(configuration: SourceModule | None, config_class: str) -> dict[str, str]:
    """Declared attributes with their defaults as written, in the order of the file, ancestors first."""
    if configuration is None:
        return {}
    defaults: dict[str, str] = {}
    for ancestor in reversed(list(configuration.ancestry(config_class))):
        for statement in ancestor.node.body.body:
            match statement:
                case cst.SimpleStatementLine(body=[cst.AnnAssign(target=cst.Name(value=name), value=value)]):
                    defaults[name] = configuration.code(value) if value is not None else ""
        init = ancestor.methods.get("__init__")
        for parameter in init.params.params if init else ():
            if parameter.default is not None:
                defaults[parameter.name.value] = configuration.code(parameter.default)
    return defaults


def attribute_map(configuration: SourceModule | None, config_class: str) -> Mapping[str, str]:
    """Canonical names that the configuration class translates to its own."""
    if configuration is None:
        return {}
    names: dict[str, str] = {}
    for ancestor in reversed(list(configuration.ancestry(config_class))):
        node = ancestor.constants.get("attribute_map")
        for element in node.elements if isinstance(node, cst.Dict) else ():
            match element:
                case cst.DictElement(key=cst.SimpleString() as key, value=cst.SimpleString() as value):
                    names[str(key.evaluated_value)] = str(value.evaluated_value)
    return names


def _place(configuration: SourceModule | None, config_class: str) -> Location:
    assert configuration is not None
    return configuration.at(configuration.classes[config_class].node)
