"""Facts → IntegrationPlan. The only room of the generator that knows the adapter methods."""

from __future__ import annotations

import re

from adaptergen import naming
from adaptergen.facts import ConfigName, ModelFacts, Stack, SubModel
from adaptergen.plan import (
    AdapterModelPlan,
    Classes,
    ConfigAlias,
    HeadPlan,
    IntegrationPlan,
    SourceRecord,
    StackPlan,
    SubModelPlan,
    TowerPlan,
)
from adaptergen.planning.hand import keep_hand_entries, keep_hand_methods
from adaptergen.planning.heads import LANGUAGE_MODELS, head_plans, head_types, sentence_source
from adaptergen.planning.hooks import layer_plans, place, residual_hooks
from adaptergen.planning.methods import method_support
from adaptergen.planning.prefixes import prefix_hooks
from adaptergen.planning.towers import is_encoder_decoder, layers_that_take, stacks_at
from adaptergen.problems import Location, Problem, ProblemsFound


def make_plan(facts: ModelFacts, source: SourceRecord, previous: IntegrationPlan | None = None) -> IntegrationPlan:
    """Decide for every method where it enters the architecture, or why it cannot.

    Raises:
        ProblemsFound: no method can be supported.
    """
    methods = keep_hand_methods(method_support(facts), previous)
    if not any(method.supported for method in methods.values()):
        reasons = "; ".join(dict.fromkeys(method.because for method in methods.values()))
        raise ProblemsFound(Problem("nothing-supported", reasons, Location(facts.module)))
    heads = head_plans(facts)
    bottleneck = layers_that_take("bottleneck", facts, methods)
    prefixes = layers_that_take("prefix_tuning", facts, methods)
    called = _called_by_heads(facts)
    planned = IntegrationPlan(
        name=facts.name,
        title=_title(facts),
        model_type=facts.model_type,
        source=source,
        classes=_classes(facts),
        methods=methods,
        adapter_model=_adapter_model(facts, heads),
        stacks=tuple(_stack(stack, called) for stack in facts.stacks),
        towers=tuple(TowerPlan(tower.cls, tuple(map(_stack, tower.stacks))) for tower in facts.towers),
        sub_models=tuple(map(_sub_model, facts.sub_models)),
        layers=layer_plans(facts, bottleneck=bottleneck, prefixes=prefixes),
        residuals=residual_hooks(bottleneck),
        prefixes=prefix_hooks(prefixes),
        heads=heads,
        config_names=tuple(_alias(name) for name in facts.config_names if not name.known_to_config),
    )
    return keep_hand_entries(planned, previous) if previous else planned


def _title(facts: ModelFacts) -> str:
    """What a docstring of upstream calls it, if those are the letters of its name, or the class name in words."""
    called = (
        re.match(r"(?:PyTorch )?(?:OpenAI )?([\w .+-]{1,40}?) (?:model|configuration)", told)
        for told in facts.docstrings
    )
    known = {_letters(name) for name in (naming.family(facts.base_class), facts.model_type)}
    own = (found[1].strip() for found in called if found and _letters(found[1]) in known)
    return next(own, naming.title(facts.base_class))


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()


def _classes(facts: ModelFacts) -> Classes:
    return Classes(
        config=facts.config_class,
        pretrained=facts.pretrained_class,
        base=facts.base_class,
        holders=facts.base_like,
        heads=tuple(head.cls for head in facts.heads),
        writers=tuple(cls for cls in facts.writers if cls not in {head.cls for head in facts.heads}),
    )


def _adapter_model(facts: ModelFacts, heads: tuple[HeadPlan, ...]) -> AdapterModelPlan:
    types = head_types(facts, heads)
    writers = [head.cls for head in heads if head.head_type in LANGUAGE_MODELS - {"masked_lm"}]
    convertible = {head.cls for head in heads if head.head_type}
    fixed = [head for head in facts.heads if head.cls in convertible]
    return AdapterModelPlan(
        name=naming.adapter_model(facts.base_class),
        base_attribute=facts.base_model_prefix,
        parameters=facts.forward_parameters,
        imports=facts.forward_imports,
        head_types=types,
        sentence=sentence_source(facts),  # type: ignore[arg-type]  # facts read one of the literals
        generates=bool(writers),
        encoder_decoder=is_encoder_decoder(facts),
        pools=facts.pools_if_told and any(head.reads == "pooler" for head in fixed),
        shifts_as=next((head.cls for head in facts.heads if head.shifts and head.cls in writers), ""),
        generation=next((head.generation for head in facts.heads if head.cls in writers), ""),
        lm_scale=next((head.scale for head in fixed if head.scale), ""),
        logit_softcap=next((head.softcap for head in fixed if head.softcap), ""),
        because="head types of the static heads; the sentence is read as the static classifier reads it",
        at=stacks_at(facts),
    )


def _called_by_heads(facts: ModelFacts) -> frozenset[str]:
    """Paths, from the base model, of what some head calls without calling the base model."""
    return frozenset().union(*(head.called for head in facts.heads if head.base_class == facts.base_class))


def _stack(stack: Stack, called: frozenset[str] = frozenset()) -> StackPlan:
    entry = f"every path to the first layer goes through {stack.entry}, once" if stack.entry else _BYPASSED
    return StackPlan(
        kind=stack.kind,
        layers=stack.path,
        layer=stack.layer,
        owner=stack.owner,
        entry=stack.entry,
        config=stack.config,
        packed=stack.is_packed,
        joins_rows=stack.joins_rows,
        called_by_heads=stack.owner in called,
        because=f"{stack.owner_class} runs these layers; {entry}",
        at=place(stack.at),
    )


def _sub_model(model: SubModel) -> SubModelPlan:
    return SubModelPlan(
        path=model.path,
        made_by=model.made_by,
        config=model.config,
        because=f"config.{model.config} says of which architecture it is" if model.config else "it is another model",
        at=place(model.at),
    )


_BYPASSED = "no single module that runs once stands before the first layer on every path"


def _alias(name: ConfigName) -> ConfigAlias:
    return ConfigAlias(
        canonical=name.canonical,
        attribute=name.attribute,
        because=f"config.{name.attribute} reaches the place that {name.canonical} names",
        at=place(name.at),
    )
