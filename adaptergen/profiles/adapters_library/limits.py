"""Which parts of a plan has `adapters` no counterpart for? What it cannot express is refused, never left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from adaptergen.plan import (
    BottleneckPlace,
    Decision,
    IntegrationPlan,
    LayerPlan,
    PrefixHook,
    ProjectionPlace,
    ResidualHook,
)
from adaptergen.problems import Location, Problem, ProblemsFound
from adaptergen.profiles.adapters_library.mixins import key_projections
from adaptergen.rendering.context import parameter_names
from adaptergen.source import SourceModule, string_value


# What its shared tests run on every model, and what would be silently inert otherwise.
REQUIRED = ("bottleneck", "lora", "ia3", "prefix_tuning", "reft")
QUERY_KEY_VALUE = ("q", "k", "v")
SENTENCES = ("last_token", "first_token", "pooler")
FEED_FORWARD = ("gate", "up", "down")
OF_PREFIXES = {  # field of a prefix → what the library's prefixes would need for it
    "flat": "states that are (batch · heads, length, width)",
    "turned": "keys that are (width, length)",
    "mask_hides": "a mask that tells what is hidden",
    "value_dim": "values of another width than keys",
    "hidden_dim": "an input of another width than the model",
    "function": "an attention function that is called in several places",
    "softmaxes": "scores without a mask of their rows",
    "window_mask": "a mask with a row for each window",
}


def check_limits(plan: IntegrationPlan, source: SourceModule) -> None:
    """
    Raises:
        ProblemsFound: everything in the plan that `adapters` cannot do.
    """
    problems = [
        _problem(plan, message, at)
        for message, at in (*_limits(plan), *_variants(plan, source), *_absent(plan, source))
    ]
    if problems:
        raise ProblemsFound(*problems)


def _problem(plan: IntegrationPlan, message: str, at: str) -> Problem:
    path, _, line = at.rpartition(":")
    place = Location(path, int(line)) if path and line.isdigit() else Location(plan.source.module)
    fix = f"give it to a project of adaptergen's own: `adaptergen add-model {plan.name}`"
    return Problem("profile-limit", f"adapters cannot take {plan.title}: {message}", place, fix)


def _limits(plan: IntegrationPlan) -> Iterator[tuple[str, str]]:
    """(what is in the way, where) of everything."""
    for name in REQUIRED:
        support = plan.methods[name]
        if not support.supported:
            yield f"no {name.replace('_', ' ')}: {support.because}", support.at
    yield from _of_model(plan)
    yield from ((reason, hook.at) for hook in plan.residuals if (reason := _of_residual(plan, hook)))
    yield from ((reason, hook.at) for hook in plan.prefixes if (reason := _of_prefix(plan, hook)))
    for layer in plan.layers:
        yield from ((reason, place.at) for place in layer.bottleneck if (reason := _of_place(layer, place, plan)))
        yield from ((reason, place.at) for place in layer.projections if (reason := _of_projection(place)))
        yield from _of_roles(layer)


def _variants(plan: IntegrationPlan, source: SourceModule) -> Iterator[tuple[str, str]]:
    """Other classes of an attention, for other implementations than the one that was planned.

    Flash attention is left to them, as the library itself does: prefix tuning then says that it has no place.
    """
    planned = {hook.cls: hook.at for hook in plan.prefixes}
    for table in source.constants.values():
        for element in table.elements if isinstance(table, cst.Dict) else ():
            if not isinstance(element, cst.DictElement):
                continue
            implementation, cls = string_value(element.key), source.code(element.value)
            parents = {parent.name for parent in source.ancestry(cls)} & set(planned)
            if cls not in planned and parents and not implementation.startswith("flash"):
                yield f"{cls} attends for {implementation}, and has no place for prefixes", planned[parents.pop()]


def _absent(plan: IntegrationPlan, source: SourceModule) -> Iterator[tuple[str, str]]:
    """Modules that only some layers of a class have, but for cross-attention, for which it is looked."""
    for layer in plan.layers:
        optional = {place.path.partition(".")[0] for place in layer.attention if place.kind == "cross"}
        places = [*((a.path, a.at) for a in layer.attention), *((p.path, p.at) for p in layer.projections)]
        tops = {path.partition(".")[0]: at for path, at in places}
        found = source.find_method(layer.cls, "__init__")
        for name, at in tops.items():
            if found and name not in optional and _makes(source, found[1], name) == SOMETIMES:
                yield f"not every {layer.cls} has {name}", at


ALWAYS, SOMETIMES, NEVER = "always", "sometimes", "never"


def _makes(source: SourceModule, node: cst.CSTNode, name: str) -> str:
    """Whether a block assigns an attribute of itself, on every path through it or on some."""
    found = {_made_by(source, statement, name) for statement in _block(node)}
    return ALWAYS if ALWAYS in found else SOMETIMES if SOMETIMES in found else NEVER


def _made_by(source: SourceModule, statement: cst.CSTNode, name: str) -> str:
    if isinstance(statement, cst.SimpleStatementLine):
        targets = (t.target for each in statement.body if isinstance(each, cst.Assign) for t in each.targets)
        return ALWAYS if any(source.code(target) == f"self.{name}" for target in targets) else NEVER
    if isinstance(statement, cst.If):
        otherwise = statement.orelse
        branch = _made_by if isinstance(otherwise, cst.If) else _makes
        other = branch(source, otherwise, name) if otherwise else NEVER
        both = {_makes(source, statement, name), other}
        return both.pop() if len(both) == 1 else SOMETIMES
    return NEVER


def _block(node: cst.CSTNode) -> Sequence[cst.CSTNode]:
    body = getattr(node, "body", None)
    return body.body if isinstance(body, cst.IndentedBlock) else ()


def _of_model(plan: IntegrationPlan) -> Iterator[tuple[str, str]]:
    own = plan.adapter_model
    for inner in plan.sub_models:
        yield f"{inner.path} is a model of another architecture", inner.at
    if plan.classes.holders != (plan.classes.base,):
        yield f"{', '.join(plan.classes.holders[1:])} hold layers themselves", own.at
    if plan.towers:
        yield f"{', '.join(tower.cls for tower in plan.towers)} are models by themselves inside of it", own.at
    if own.encoder_decoder or len(plan.stacks) != 1:
        yield f"it has {len(plan.stacks)} stacks of layers, and this profile writes models with one", own.at
    for stack in plan.stacks:
        for holds, what in (
            (stack.packed, "all examples are one sequence"),
            (stack.joins_rows, "an example has several rows"),
            (bool(stack.config), f"layers are made from config.{stack.config}"),
        ):
            if holds:
                yield f"{what}, which its layers are not told", stack.at
    if lacking := sorted({"input_ids", "attention_mask"} - {*parameter_names(plan)}):
        yield f"it takes no {' and no '.join(lacking)}, and this profile writes models of text", own.at
    if own.sentence not in SENTENCES:
        yield f"sentences are read at {own.sentence.replace('_', ' ')}", own.at
    for expression, what in ((own.lm_scale, "multiplies hidden states by"), (own.logit_softcap, "bounds logits by")):
        if expression:
            yield f"its language-model head {what} {expression}, and flexible heads of adapters do not", own.at
    if own.generation:
        yield f"it generates by {own.generation}", own.at


def _of_residual(plan: IntegrationPlan, hook: ResidualHook) -> str:
    if hook.inner_norm:
        return f"{hook.inner_norm} stands between sub-layer and addition, where BottleneckLayer takes no norm"
    if hook.slot and all(hook.cls != layer.cls for layer in plan.layers):
        return f"adapters would hang on {hook.cls}, which is no layer"
    return ""


def _of_prefix(plan: IntegrationPlan, hook: PrefixHook) -> str:
    for name, what in OF_PREFIXES.items():
        if getattr(hook, name):
            return f"prefixes of adapters do not know {what}"
    if not hook.mask and not hook.mask_is_none:
        return "an attention without a mask cannot hide what fills up a shorter prefix"
    if not hook.heads and (len(found := key_projections(plan)) != 1 or ("", 1) in found):
        return f"how many heads of keys {hook.cls} has cannot be told by the projection of its keys"
    return ""


def _of_place(layer: LayerPlan, place: BottleneckPlace, plan: IntegrationPlan) -> str:
    if place.needs or place.of:
        return f"its adapters are only there with {place.needs or place.of}"
    if place.host and place.slot:
        return f"adapters would hang on {place.host}, which is no layer"
    if not place.host and not place.slot:
        return f"{layer.cls} would be a layer of adapters itself"
    return ""


def _of_projection(place: ProjectionPlace) -> str:
    if not place.path.replace(".", "").isidentifier():
        return f"{place.path} are modules of a list, which LoRA of adapters is not put around"
    if len(place.roles) == 1 or set(place.roles) <= set(FEED_FORWARD):
        return ""
    if set(place.roles) == set(QUERY_KEY_VALUE) and not place.widths:
        return ""
    return f"LoRAMergedLinear cannot split {place.path} into {', '.join(place.roles)}"


def _of_roles(layer: LayerPlan) -> Iterator[tuple[str, str]]:
    roles = {role for place in layer.projections for role in place.roles}
    where: Decision | None = next(iter(layer.attention), None)
    for needed in (*QUERY_KEY_VALUE, "up", "down"):
        if needed not in roles:
            yield (
                f"{layer.cls} has no projection of role {needed}, and LoRA there would do nothing",
                (where.at if where else ""),
            )
