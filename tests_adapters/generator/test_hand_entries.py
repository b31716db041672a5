"""What people write into a plan survives planning, and decides what is generated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from adaptergen.plan import (
    AttentionPlace,
    BottleneckPlace,
    ConfigAlias,
    Decision,
    HeadPlan,
    IntegrationPlan,
    LayerPlan,
    ProjectionPlace,
    ResidualHook,
    StackPlan,
)
from adaptergen.planning.hand import keep_hand_entries
from adaptergen.problems import Location, ProblemsFound
from tests_adapters.generator.case import plan_of, planned_again


BUFFER, LM = "causal_buffer", "pre_norm"
HAND = {"by": "hand", "because": "I have looked"}
Entries = tuple[Decision, ...]


def by_hand(entry: Any, /, **changes: object) -> Any:
    return replace(entry, **HAND, **changes)


def in_list(name: str) -> tuple[Callable[[IntegrationPlan], Entries], Callable[..., IntegrationPlan]]:
    """How entries of a list of the plan are read, and how the list is replaced."""
    return (lambda plan: getattr(plan, name)), (lambda plan, entries: replace(plan, **{name: entries}))


def in_layer(name: str) -> tuple[Callable[[IntegrationPlan], Entries], Callable[..., IntegrationPlan]]:
    def with_entries(plan: IntegrationPlan, entries: Entries) -> IntegrationPlan:
        return replace(plan, layers=(replace(plan.layers[0], **{name: entries}), *plan.layers[1:]))

    return (lambda plan: getattr(plan.layers[0], name)), with_entries


CHANGED = {
    "stacks": (BUFFER, in_list("stacks"), {"entry": ""}),
    "bottleneck": (BUFFER, in_layer("bottleneck"), {"slot": "my_adapters"}),
    "attention": (BUFFER, in_layer("attention"), {"keys": "attn.v_proj"}),
    "projections": (BUFFER, in_layer("projections"), {"roles": ("v",)}),
    "residuals": (BUFFER, in_list("residuals"), {"slot": "my_adapters"}),
    "prefixes": (BUFFER, in_list("prefixes"), {"is_causal": "True"}),
    "heads": (LM, in_list("heads"), {"head_type": "", "modules": ()}),
    "config_names": (BUFFER, in_list("config_names"), {"attribute": "embed_dropout"}),
}
ADDED = {
    "stacks": (
        in_list("stacks"),
        StackPlan(kind="encoder", layers="g", layer="CaseLayer", owner="", entry="", **HAND),
    ),
    "bottleneck": (in_layer("bottleneck"), BottleneckPlace(location="cross_adapter", slot="more", **HAND)),
    "attention": (in_layer("attention"), AttentionPlace(path="more", kind="cross", keys="more.k", **HAND)),
    "projections": (in_layer("projections"), ProjectionPlace(path="more.q", roles=("q",), **HAND)),
    "heads": (in_list("heads"), HeadPlan(cls="CaseForMore", **HAND)),
    "config_names": (in_list("config_names"), ConfigAlias(canonical="hidden_size", attribute="width", **HAND)),
}


@pytest.mark.parametrize("kind", CHANGED)
def test_a_changed_entry_stays(kind: str) -> None:
    case, (entries, with_entries), changes = CHANGED[kind]
    planned = plan_of(case)
    first, *others = entries(planned)
    kept = keep_hand_entries(planned, with_entries(planned, (by_hand(first, **changes), *others)))

    assert entries(kept) == (by_hand(first, **changes), *others)


@pytest.mark.parametrize("kind", ADDED)
def test_an_added_entry_stays(kind: str) -> None:
    (entries, with_entries), added = ADDED[kind]
    planned = plan_of(BUFFER)
    kept = keep_hand_entries(planned, with_entries(planned, (*entries(planned), added)))

    assert entries(kept) == (*entries(planned), added)


@pytest.mark.parametrize("kind", CHANGED)
def test_a_change_that_does_not_say_by_hand_is_planned_again(kind: str) -> None:
    case, (entries, with_entries), changes = CHANGED[kind]
    planned = plan_of(case)
    first, *others = entries(planned)
    edited = with_entries(planned, (replace(first, **changes), *others))

    assert keep_hand_entries(planned, edited) == planned


def test_entries_of_a_class_of_layers_that_was_not_found_stay() -> None:
    planned = plan_of(BUFFER)
    more = LayerPlan("CaseMoreLayer", bottleneck=(BottleneckPlace(location="mh_adapter", slot="more", **HAND),))
    kept = keep_hand_entries(planned, replace(planned, layers=(*planned.layers, more)))

    assert kept.layers == (*planned.layers, more)


def test_adapter_model_and_tiny_configuration_stay() -> None:
    planned = plan_of(LM)
    previous = replace(
        planned,
        adapter_model=by_hand(planned.adapter_model, sentence="first_token"),
        tiny_config=by_hand(planned.tiny_config, arguments={"hidden_size": 16}),
    )
    kept = keep_hand_entries(planned, previous)

    assert kept.adapter_model == previous.adapter_model
    assert kept.tiny_config == previous.tiny_config


def test_a_method_that_is_ruled_out_is_not_hooked() -> None:
    planned = plan_of(BUFFER)
    refused = by_hand(planned.methods["prefix_tuning"], supported=False)
    made = planned_again(BUFFER, replace(planned, methods={**planned.methods, "prefix_tuning": refused}))

    assert made.plan.methods["prefix_tuning"] == refused
    assert made.plan.prefixes == ()
    assert all(not layer.attention for layer in made.plan.layers)
    assert "prefix_tuning" not in made.borrowed.code


def test_a_changed_hook_changes_the_code() -> None:
    planned = plan_of(BUFFER)
    attention, feed_forward = planned.residuals
    edited = replace(planned, residuals=(by_hand(attention, slot="my_adapters"), feed_forward))
    made = planned_again(BUFFER, edited)

    assert "self.my_adapters.adapter_layer_forward(attn_output, residual, None)" in made.borrowed.code
    assert "self.attention_adapters" not in made.borrowed.code


def test_a_hook_that_planning_did_not_find_is_made() -> None:
    hook = ResidualHook(
        cls="CaseMLP",
        method="forward",
        statement="hidden_states = self.fc1(hidden_states) + self.shift",
        addition="self.fc1(hidden_states) + self.shift",
        branch="self.shift",
        residual="self.fc1(hidden_states)",
        slot="more",
        **HAND,
    )
    planned = plan_of("other_additions")
    made = planned_again("other_additions", replace(planned, residuals=(*planned.residuals, hook)))

    line = "hidden_states = self.more.adapter_layer_forward(self.shift, self.fc1(hidden_states), None)"
    assert line in made.borrowed.code
    assert "class CaseMLPWithAdapters(CaseMLPAdaptersMixin, CaseMLP):" in made.borrowed.code


@pytest.mark.parametrize(
    ("changes", "message", "line"),
    [
        ({"statement": "gone = a + b"}, "CaseLayer.forward has no statement `gone = a + b`", 72),
        ({"nth": 1}, "CaseLayer.forward has no statement `hidden_states = attn_output + residual`", 72),
        ({"method": "gone"}, "method CaseLayer.gone, which the plan names, is not in this file", 0),
        ({"cls": "Gone"}, "class Gone, which the plan names, is not in this file", 0),
    ],
)
def test_a_statement_that_is_gone_is_an_error_with_its_place(changes: dict[str, Any], message: str, line: int) -> None:
    planned = plan_of(BUFFER)
    attention, feed_forward = planned.residuals
    with pytest.raises(ProblemsFound) as found:
        planned_again(BUFFER, replace(planned, residuals=(by_hand(attention, **changes), feed_forward)))

    (problem,) = found.value.problems
    assert problem.code == "anchor-gone"
    assert problem.message.startswith(message)
    assert problem.at == Location("transformers/models/case/modeling_case.py", line)
    assert "adaptergen plan" in problem.fix


def test_an_addition_that_is_not_in_its_statement_is_an_error() -> None:
    planned = plan_of(BUFFER)
    attention, feed_forward = planned.residuals
    with pytest.raises(ProblemsFound, match="anchor-gone"):
        planned_again(BUFFER, replace(planned, residuals=(by_hand(attention, addition="a + b"), feed_forward)))


@pytest.mark.parametrize(
    ("cls", "path", "message"),
    [
        ("CaseGoneLayer", "fc1", "class CaseGoneLayer, which the plan names, is not in this file"),
        ("CaseLayer", "gone.fc1", "CaseLayer has no `self.gone`, though the plan names gone.fc1 in it"),
    ],
)
def test_a_place_in_what_is_gone_is_an_error(cls: str, path: str, message: str) -> None:
    planned = plan_of(BUFFER)
    more = LayerPlan(cls, projections=(ProjectionPlace(path=path, roles=("up",), **HAND),))
    with pytest.raises(ProblemsFound) as found:
        planned_again(BUFFER, replace(planned, layers=(*planned.layers, more)))

    (problem,) = found.value.problems
    assert (problem.code, problem.message.partition("; nearest")[0]) == ("anchor-gone", message)
