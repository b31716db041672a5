"""What mangled files have found, in small: each once ended with a traceback, without end, or in wrong code."""

from __future__ import annotations

import pytest

from adaptergen.pipeline import Integration
from adaptergen.problems import ProblemsFound
from adaptergen.tracing.choices import MOST, choice
from adaptergen.tracing.values import Choice, Constant, Dead, External, Input, Value
from tests_adapters.generator.hostile.decisions import decisions
from tests_adapters.generator.hostile.judging import defects
from tests_adapters.generator.hostile.originals import Original, cases, unharmed
from tests_adapters.generator.hostile.trials import SECONDS, limited


def original(name: str) -> Original:
    return next(each for each in cases() if each.name == name)


def made_of(name: str, before: str, after: str) -> Integration:
    """The integration of a case in which one text was exchanged."""
    text = original(name).modeling
    assert before in text
    with limited(SECONDS):
        return original(name).integrated(text.replace(before, after).encode())


def same_decisions(name: str, before: str, after: str) -> Integration:
    """The integration of a case that is written otherwise, and is decided as it was."""
    known, made = unharmed(original(name)), made_of(name, before, after)
    assert isinstance(known, Integration)
    assert decisions(made.plan) == decisions(known.plan)
    return made


def refused(name: str, before: str, after: str) -> str:
    with pytest.raises(ProblemsFound) as found:
        made_of(name, before, after)
    return str(found.value)


def test_tensors_that_are_given_by_name() -> None:
    """`softmax(input=x)` is `softmax(x)`."""
    same_decisions("flat_heads", "softmax(attn_weights, dim", "softmax(input=attn_weights, dim")


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


def test_what_is_too_long_to_follow_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adaptergen.tracing.tracer.MAX_STEPS", 20_000)  # a tenth, of a file a tenth as long
    lines = "        x = x + x + x + x + x + x + x + x\n" * 1_500
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


def test_a_backslash_on_a_line_of_its_own() -> None:
    """The parser has no place for it; the copy lacks it, and undoing the edits gives it back."""
    addition = "        hidden_states = attn_output + residual\n"
    made = same_decisions("chained_layers", addition, f"\\\n        \\\n{addition}")
    lines = [edit.before for edit in made.borrowed.edits if edit.before and not edit.after]

    assert lines == [("\\", "        \\")]
    assert list(defects(made, {}, {})) == []


def test_a_backslash_that_hides_where_a_line_starts() -> None:
    told = refused(
        "chained_layers",
        "        hidden_states = attn_output + residual\n",
        "        \\\n  hidden_states = attn_output + residual\n",
    )

    assert "modeling_case.py:64: error[unkept-line]: the parser does not keep a line of CaseLayer.forward" in told


@pytest.mark.parametrize(
    "written",
    [
        "hidden_states = \\\nself.self_attn_layer_norm(hidden_states)",
        "hidden_states = self.self_attn_layer_norm ( hidden_states,)",
        "hidden_states = (\n  self.self_attn_layer_norm(hidden_states)  # residual +\n)",
        "'''\n # '''\n        hidden_states = self.self_attn_layer_norm(hidden_states)",
    ],
    ids=["continued", "spaces", "brackets", "string between"],
)
def test_a_norm_of_a_sum_that_is_written_otherwise(written: str) -> None:
    same_decisions("encoder_decoder", "hidden_states = self.self_attn_layer_norm(hidden_states)", written)


@pytest.mark.parametrize("before", ["", '"""{{ plan }}"""\n        ', "'''\n super()\n# '''\n        "])
@pytest.mark.parametrize("made", ["{}", "({})", "\\\n{}"])
def test_a_norm_of_a_branch_that_is_written_otherwise(before: str, made: str) -> None:
    norm, addition = "self.post_attention_layernorm(hidden_states)", "hidden_states = residual + hidden_states\n"
    same_decisions(
        "sandwich_norms",
        f"hidden_states = {norm}\n        {addition}",
        f"hidden_states = {made.format(norm)}\n        {before}{addition}",
    )


def test_a_sum_of_hundreds() -> None:
    """It is something that nothing is known of."""
    ones = " + 1" * 300
    known = unharmed(original("chained_layers"))
    assert isinstance(known, Integration)
    assert known.plan.methods["prefix_tuning"].supported
    made = made_of("chained_layers", "self.head_dim**-0.5\n", f"self.head_dim**-0.5{ones}\n")

    assert not made.plan.methods["prefix_tuning"].supported


@pytest.mark.parametrize("taken", ["*, ", "*args, "])
def test_layers_that_take_nothing_in_order(taken: str) -> None:
    """What brings the hidden states in is not known then, and neither is what is added to them."""
    taking = "(self, {}attention_mask=None, **kwargs):\n        residual = "
    made = made_of("pre_norm", taking.format("hidden_states, "), taking.format(taken))

    assert not made.plan.methods["bottleneck"].supported


def test_layers_that_take_their_input_by_place_alone() -> None:
    taking = "(self, {} attention_mask=None, **kwargs):\n        residual = "
    same_decisions("pre_norm", taking.format("hidden_states,"), taking.format("hidden_states, /,"))


def test_brackets_that_are_too_deep_to_be_copied() -> None:
    deep = f"{'[' * 150}self.head_dim{']' * 150}"
    told = refused("positions_in_frames", "-1, self.head_dim)", f"-1, {deep})")

    assert told.startswith(
        "transformers/models/case/modeling_case.py: error[too-deep]: nested too deeply to be followed"
    )


VALUES = "        value = self.v_proj(hidden_states).view(shape).transpose(1, 2)\n\n"


@pytest.mark.parametrize("head", ["", "if True: "])
def test_scores_that_are_computed_on_the_line_of_the_values(head: str) -> None:
    """A prefix joins them before that line, or not at all."""
    made = made_of("chained_layers", f"{VALUES}        attn", f"        {head}{VALUES.strip()}; attn")
    told = made.plan.methods["prefix_tuning"]

    assert not told.supported
    assert "scores are computed on one line with something else, in `" in told.because


def test_something_to_keep_on_the_line_of_something_else() -> None:
    told = refused(
        "windows_beside_heads",
        "        scores = scores.softmax(dim=-1)\n",
        "        x = 1; scores = scores.softmax(dim=-1)\n",
    )

    assert "modeling_case.py:31: error[shared-line]: `x = 1; scores = scores.softmax(dim=-1)` is several" in told


def test_a_block_that_is_indented_by_thousands() -> None:
    """What is not indented as the first block of the file is keeps its own."""
    made = same_decisions("pre_norm", "class CaseAttention(", f"if x:\n{' ' * 5000}y\n\n\nclass CaseAttention(")

    assert "\n    def forward(self" in made.borrowed.code


def test_a_forward_in_a_loop() -> None:
    text = original("mixers_between").modeling
    start = text.index("    def forward", text.index("class CaseMixerLayer("))
    forward = text[start : text.index("\n\n\n", start)]
    looped = "    for _ in range(3):\n" + "\n".join(f"    {line}" for line in forward.split("\n"))

    assert made_of("mixers_between", forward, looped)


def test_two_changes_of_one_statement() -> None:
    view = "scores.view(-1, self.num_heads, length, length)"
    told = refused("windows_of_scores", view, view.replace("num_heads, length", "num_heads, super().forward(length)"))

    assert "error[changes-meet]: `scores = scores.view(-1, self.num_heads, super().forward(length), length)`" in told


def test_a_private_name_of_a_class() -> None:
    """In another class it would have that class's name in front."""
    told = refused("pre_norm", "CaseModel(", "__x(")

    assert "error[private-class]: __x is a private name, which means something else inside of another class" in told


def test_a_parameter_whose_type_is_imported_in_a_loop() -> None:
    """Names that the file has, however it came by them, are imported from the file."""
    text = original("grouped_rotary").modeling
    importing = "from ...cache_utils import DynamicCache\n"
    given = "past_key_values=None, "
    start = text.index(given, text.index("class CaseModel("))
    odd = text[:start] + "past_key_values: Cache | None = GIVEN, " + text[start + len(given) :]
    odd = odd.replace(
        importing,
        f"GIVEN = None\nfor _ in ():\n    pass\nelse:\n    {importing}    from ...cache_utils import Cache\n",
    )
    made = made_of("grouped_rotary", text, odd)

    module = made.plan.source.module
    assert made.plan.adapter_model.imports == (f"{module}.Cache", f"{module}.GIVEN")
