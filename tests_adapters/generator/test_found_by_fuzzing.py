"""What mangled files have found, in small: each once ended with a traceback, without end, or in wrong code."""

from __future__ import annotations

import pytest

from adaptergen.pipeline import Integration
from adaptergen.problems import ProblemsFound
from adaptergen.tracing.choices import MOST, choice
from adaptergen.tracing.values import Choice, Constant, Dead, External, Input, Value
from tests_adapters.generator.hostile.decisions import decisions
from tests_adapters.generator.hostile.originals import Original, cases, unharmed
from tests_adapters.generator.hostile.trials import SECONDS, limited


def original(name: str) -> Original:
    return next(each for each in cases() if each.name == name)


def made_of(name: str, before: str, after: str) -> Integration:
    """The integration of a case in which one text was exchanged."""
    text = original(name).modeling
    assert before in text
    with limited(SECONDS):
        return original(name).integrated(text.replace(before, after).encode(), original(name).configuration)


def refused(name: str, before: str, after: str) -> str:
    with pytest.raises(ProblemsFound) as found:
        made_of(name, before, after)
    return str(found.value)


def test_tensors_that_are_given_by_name() -> None:
    """`softmax(input=x)` is `softmax(x)`."""
    known = unharmed(original("flat_heads"))
    assert isinstance(known, Integration)
    made = made_of("flat_heads", "softmax(attn_weights, dim", "softmax(input=attn_weights, dim")

    assert decisions(made.plan) == decisions(known.plan)


def test_functions_that_are_given_nothing() -> None:
    """They would fail when they are run; nothing is known of what they make."""
    made = made_of("flat_heads", "softmax(attn_weights, dim", "softmax(dim")

    assert not made.plan.methods["prefix_tuning"].supported


def test_a_layer_that_makes_itself() -> None:
    called = "hidden_states = CaseLayer(self.config)(hidden_states)"

    assert made_of(
        "dropout_and_scale",
        "        hidden_states = hidden_states + self",
        f"        {called}\n        hidden_states = hidden_states + self",
    )


def test_hundreds_of_branches() -> None:
    """Alternatives that nobody can tell apart any more are something that nothing is known of."""
    branches = (
        "        if inputs_embeds:\n            x = self.dropout(x)\n        else:\n            inputs_embeds = x\n"
        * 300
    )

    assert made_of(
        "pre_norm",
        "        hidden_states = self.dropout(inputs_embeds)\n",
        f"        x = inputs_embeds\n{branches}        hidden_states = self.dropout(inputs_embeds)\n",
    )


def test_what_is_too_long_to_follow_says_where() -> None:
    lines = "        x = x + x + x + x + x + x + x + x\n" * 15_000
    told = refused(
        "pre_norm", "        hidden_states = self.dropout(inputs_embeds)\n", f"        x = inputs_embeds\n{lines}"
    )

    assert told.startswith(
        "transformers/models/case/modeling_case.py: error[too-complex]: following it takes more than"
    )
    assert "\n  fix: " in told


@pytest.mark.parametrize("head", ["if is_torch_available():", "try:", "with suppress():", "for _ in (1,):"])
def test_classes_under_a_condition(head: str) -> None:
    text = original("pre_norm").modeling
    start, end = text.index("class CaseAttention("), text.index("class CaseMLP(")
    inside = "".join(f"    {line}" if line.strip() else line for line in text[start:end].splitlines(keepends=True))
    tail = "except ImportError:\n    pass\n\n\n" if head == "try:" else ""

    told = refused("pre_norm", text[start:end], f"{head}\n{inside}{tail}")
    assert "error[other-class]" in told or "error[no-attention]" in told


def test_a_self_that_is_something_else() -> None:
    told = refused("first_without_mask", "attention_interface", "self")

    assert "error[not-in-subclass]: `self` that is bound again means something else in a subclass" in told


@pytest.mark.parametrize("written", ['("model")', "(\n  'model'\n )", '"mo" "del"', "r'model'"])
def test_strings_that_are_written_otherwise(written: str) -> None:
    made = made_of("pre_norm", 'base_model_prefix = "model"', f"base_model_prefix = {written}")

    assert made.plan.adapter_model.base_attribute == "model"


def test_choices_keep_what_can_be_told_apart() -> None:
    options = [Constant(1), Constant(1), Constant(True), External("a"), External("a"), Dead(), x := Input("x"), x]
    kept = choice(list(options))

    assert isinstance(kept, Choice)
    assert len(kept.options) == 4
    assert isinstance(choice([Input(str(number)) for number in range(MOST)]), Choice)
    assert type(choice([Input(str(number)) for number in range(MOST + 1)])) is Value
