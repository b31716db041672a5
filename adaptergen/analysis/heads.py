"""Which classes put a fixed head on the model, and through which modules does the head go?

hidden_states = transformer_outputs[0]            reads: all tokens
logits = self.score(hidden_states)                modules: score (linear)
pooled_logits = logits[arange, last_non_pad]      reads: the last token
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst
from msgspec import Struct

from adaptergen.analysis.config_names import config_path
from adaptergen.analysis.feed_forward import is_activation
from adaptergen.analysis.logit_arithmetic import conditional, config_expression, softcap
from adaptergen.facts import Head, HeadModule
from adaptergen.nodes import descendants, expressions
from adaptergen.source import SourceModule, dotted_name
from adaptergen.tracing.graph import is_dropout, is_linear, is_norm, leaf_classes, module_of, walk
from adaptergen.tracing.tracer import Loader, Tracer
from adaptergen.tracing.values import (
    Attribute,
    Call,
    Choice,
    Config,
    Constant,
    Instance,
    Item,
    Operation,
    Sum,
    Value,
    alternatives,
)


LOGITS = ("logits", "start_logits", "prediction_logits")
IDENTITY = "torch.nn.Identity"
SHIFT = "prepare_decoder_input_ids_from_labels"
OF_EACH_WORD = re.compile(r"token_type_ids|(?!attention|pixel|decoder)\w+_mask")  # beside whether it is padding


class _Chain(Struct):
    """What was met on the way from the logits down to the base model's output."""

    modules: list[HeadModule] = []
    reads: str = "all_tokens"
    output_bias: str = ""
    scale: str = ""
    softcap: str = ""


def find_head(
    source: SourceModule,
    cls: str,
    task: str,
    *,
    auto_model: str,
    base_classes: frozenset[str],
    stack_owners: frozenset[str],
    load: Loader,
) -> Head | None:
    """The head of a class that holds one of the base classes, or the stacks themselves; None if it holds neither."""
    is_base = cls in base_classes
    leaves = leaf_classes(source) | ((base_classes | stack_owners) - {cls})
    tracer = Tracer(source, leaves=leaves, load=load, auto_model=source.classes.get(auto_model))
    model = tracer.make(cls, Config())
    held = _held(tracer, model, leaves)
    if held is None:
        return None
    path, held_class = ("", cls) if is_base else held
    at = source.at(source.classes[cls].node)
    logits = next(_logits(tracer.call_method(model, "forward")), None)
    if logits is None:
        return Head(cls, task, path, held_class, "", (), at, "its forward does not return logits by that name")
    chain = _Chain()
    why_not = _follow(logits, leaves, chain) or _made_for_base(source, cls)
    modules = tuple(reversed(chain.modules))
    output_bias = chain.output_bias or _tied_bias(source, cls, modules)
    return Head(
        cls,
        task,
        path,
        held_class,
        chain.reads,
        modules,
        at,
        why_not,
        output_bias=output_bias,
        scale=chain.scale,
        softcap=chain.softcap,
        called=frozenset(_called(source, cls, f"self.{path}.")),
        shifts=SHIFT in source.classes[cls].methods,
        generation=_own_generation(source, cls),
    )


def _made_for_base(source: SourceModule, cls: str) -> str:
    """Why a flexible head cannot be the same: the forward tells the base model more of each word than it is told."""
    forward = source.find_method(cls, "forward")
    for branch in descendants(forward[1], cst.If) if forward is not None else ():
        untold = {name for name in map(source.code, expressions(branch.test)) if OF_EACH_WORD.fullmatch(name)}
        for assignment in descendants(branch.body, cst.Assign):
            for target in assignment.targets:
                if (name := source.code(target.target)) in untold:
                    return f"its forward makes {name} where none is given"
    return ""


def _called(source: SourceModule, cls: str, prefix: str) -> Iterator[str]:
    """`decoder`, of the forward of a class that calls `self.model.decoder` where others call `self.model`."""
    forward = source.find_method(cls, "forward")
    for call in descendants(forward[1], cst.Call) if forward is not None else ():
        if (name := dotted_name(call.func)).startswith(prefix):
            yield name.removeprefix(prefix)


def generates(source: SourceModule, cls: str) -> bool:
    """Can a model of the class write text by itself?"""
    return any(_generations(source, cls))


def _own_generation(source: SourceModule, cls: str) -> str:
    """`WhisperGenerationMixin` among the bases: one of the architecture's own, not that of transformers."""
    own = (base for base in _generations(source, cls) if base != "GenerationMixin")
    return next((f"{source.name}.{base}" for base in own), "")


def _generations(source: SourceModule, cls: str) -> Iterator[str]:
    bases = (base for ancestor in source.ancestry(cls) for base in ancestor.bases)
    return (base for base in bases if base.endswith("GenerationMixin"))


def _tied_bias(source: SourceModule, cls: str, modules: tuple[HeadModule, ...]) -> str:
    """The parameter that `_tied_weights_keys` ties the last linear module's bias to."""
    tied = source.classes[cls].constants.get("_tied_weights_keys")
    last = next((module.path for module in reversed(modules) if module.kind == "linear"), "")
    for element in tied.elements if isinstance(tied, cst.Dict) else ():
        match element:
            case cst.DictElement(key=cst.SimpleString() as key, value=cst.SimpleString() as value):
                if key.evaluated_value == f"{last}.bias":
                    return str(value.evaluated_value)
    return ""


def _held(tracer: Tracer, model: Instance, leaves: frozenset[str]) -> tuple[str, str] | None:
    for name, value in tracer.attributes(model).items():
        for option in alternatives(value):
            if isinstance(option, Instance) and option.class_name in leaves and not is_norm(option):
                return name, option.class_name
    return None


def _logits(output: Value) -> Iterator[Value]:
    """The logits field of the output objects that the forward can return."""
    for option in alternatives(output):
        if isinstance(option, Instance):
            for name in LOGITS:
                if name in option.kwargs:
                    yield option.kwargs[name]


def _follow(value: Value, leaves: frozenset[str], chain: _Chain) -> str:
    """Walk from the logits to the base model's output, one step at a time; why it got stuck, or ""."""
    for _ in range(64):
        if _is_base_call(value, leaves):
            return ""
        if not chain.modules and not chain.scale:
            cap, value = softcap(value)
            chain.softcap = chain.softcap or cap
        _note_selection(value, leaves, chain)
        _note_module(value, chain)
        why_not = _note_arithmetic(value, leaves, chain)
        if why_not:
            return why_not
        sources = [part for part in value.parts() if _comes_from_base(part, leaves)]
        if isinstance(value, Choice):
            sources = sorted(sources, key=_module_count)[-1:]
        if not sources:
            return "its logits do not come from the base model's output"
        if len(sources) > 1 and not isinstance(value, Item):
            return "its logits combine several outputs of the base model"
        value = sources[0]
    return "the way from the base model's output to its logits is too long"


def _is_base_call(value: Value, leaves: frozenset[str]) -> bool:
    instance = module_of(value)
    return instance is not None and instance.class_name in leaves and not (is_norm(instance) or is_linear(instance))


def _comes_from_base(value: Value, leaves: frozenset[str]) -> bool:
    return any(_is_base_call(part, leaves) for part in walk(value))


def _module_count(value: Value) -> tuple[int, int]:
    """Of two ways to the logits the one through more modules, or more steps, is the head; `nn.Identity` is none."""
    parts = list(walk(value))
    modules = [module for part in parts if (module := module_of(part)) is not None]
    return sum(module.class_name != IDENTITY for module in modules), len(parts)


def _note_selection(value: Value, leaves: frozenset[str], chain: _Chain) -> None:
    """Which tokens the step picks."""
    match value:
        case Attribute(name="pooler_output") | Item(value=Call(), index=1) if _is_base_output(value, leaves):
            chain.reads = "pooler"
        case Item(index=str(text), arguments=arguments) if chain.reads == "all_tokens":
            settings = {part.path for given in arguments for part in walk(given) if isinstance(part, Config)}
            if "eos_token_id" in settings:
                chain.reads = "last_eos"
            elif "pad_token_id" in settings:
                chain.reads = "last_token"
            elif text.replace(" ", "") in (":,0", ":,0,:"):
                chain.reads = "first_token"


def _is_base_output(value: Attribute | Item, leaves: frozenset[str]) -> bool:
    owner = value.owner if isinstance(value, Attribute) else value.value
    return _is_base_call(owner, leaves)


def _note_module(value: Value, chain: _Chain) -> None:
    instance = module_of(value)
    if isinstance(value, Call) and value.result is not None:
        return
    if instance is not None and is_linear(instance):
        chain.modules.append(HeadModule(instance.path, "linear", has_bias=_has_bias(instance)))
    elif instance is not None and is_norm(instance):
        chain.modules.append(HeadModule(instance.path, "norm"))
    elif instance is not None and is_dropout(instance):
        chain.modules.append(HeadModule(instance.path, "dropout", rates=_rates(instance)))
    elif is_activation(value):
        chain.modules.append(HeadModule("", "activation", _activation_name(value)))


def _note_arithmetic(value: Value, leaves: frozenset[str], chain: _Chain) -> str:
    """A bias that is added or a factor that is applied on the way; a reason when it cannot be expressed."""
    match value:
        case Sum(left=left, right=right):
            added = right if _comes_from_base(left, leaves) else left
            chain.output_bias = _own_attribute(added)
            return "" if chain.output_bias else "something is added to its logits"
        case Operation(name="mul" | "div") if chain.scale:
            return "its hidden states are scaled more than once"
        case Operation(name="mul", args=(left, right)):
            factor = config_expression(right if _comes_from_base(left, leaves) else left)
            chain.scale = factor and conditional(value, factor)
            return "" if chain.scale else "its hidden states are multiplied by something"
        case Operation(name="div", args=(_, divisor)) if by := config_expression(divisor):
            chain.scale = conditional(value, f"1.0 / {by}")
            return "" if chain.scale else "its hidden states are divided by something"
        case Operation(name="div" | "tanh" | "clamp") if not chain.modules:
            return f"its logits go through {value.name}"
    return ""


def _own_attribute(value: Value) -> str:
    """`final_logits_bias` for `self.final_logits_bias.to(device)`."""
    while isinstance(value, Operation) and value.name == "to":
        value = value.first
    if isinstance(value, Attribute) and isinstance(value.owner, Instance):
        return f"{value.owner.path}.{value.name}" if value.owner.path else value.name
    return ""


def _rates(dropout: Instance) -> tuple[str | float, ...]:
    given = next(iter((*dropout.args, *dropout.kwargs.values())), None)
    rates: list[str | float] = []
    for option in alternatives(given) if given is not None else ():
        path = config_path(option)
        if path:
            rates.append(path)
        elif isinstance(option, Constant) and isinstance(option.value, int | float):
            rates.append(float(option.value))
    return tuple(rates)


def _has_bias(linear: Instance) -> bool:
    given = linear.kwargs.get("bias") or (linear.args[2] if len(linear.args) > 2 else None)
    return not (isinstance(given, Constant) and given.value is False)


def _activation_name(value: Value) -> str:
    """`tanh` for torch.tanh or nn.Tanh, `config.hidden_act` for a function that the configuration names, `gelu` for
    one that is looked up by that name."""
    if isinstance(value, Operation):
        return value.name
    assert isinstance(value, Call)
    if isinstance(value.callee, Instance):
        return value.callee.class_name.rpartition(".")[2].lower()
    setting = next((path for part in walk(value.callee) if (path := config_path(part))), "")
    named = [part.value for part in walk(value.callee) if isinstance(part, Constant) and isinstance(part.value, str)]
    return f"config.{setting}" if setting else "".join(named[:1])
