"""Mangled modeling files are refused with their place, or what is made of them is sound: a few of each kind.

`make fuzz` tries a thousand.
"""

from __future__ import annotations

import mmap
import random
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from adaptergen.pipeline import Integration
from adaptergen.plan import PrefixHook, ResidualHook
from tests_adapters.generator.case import integration, plan_of
from tests_adapters.generator.hostile import harmless, trials
from tests_adapters.generator.hostile.decisions import decisions
from tests_adapters.generator.hostile.judging import defects
from tests_adapters.generator.hostile.memory import MARKS
from tests_adapters.generator.hostile.originals import cases
from tests_adapters.generator.hostile.spans import Text
from tests_adapters.generator.hostile.trials import Mutant, judged, mutant, trial


SEED, SHARES, EACH = 7, 10, 12


@pytest.mark.parametrize("share", range(SHARES))
def test_mutants(share: int) -> None:
    """A failure is looked at with `python utils/hostile_sources.py --seed 7 --only NUMBER`."""
    numbers = range(share * EACH, (share + 1) * EACH)
    outcomes = {number: trial(SEED, number) for number in numbers}

    assert {number: outcome.defect for number, outcome in outcomes.items() if outcome.defect} == {}


def test_mutants_are_drawn_again() -> None:
    """The same numbers give the same file, and others another one."""
    assert mutant(3, 5) == mutant(3, 5)
    assert len({mutant(3, number).text for number in range(20)}) > 15


@pytest.mark.parametrize("way", harmless.WAYS, ids=lambda way: way.__name__.strip("_"))
def test_what_is_harmless_leaves_the_program(way: harmless.Way) -> None:
    """Python compiles it, and it is another text."""
    draw, texts = random.Random(1), set()
    for original in cases()[:20]:
        found = Text.of(original.modeling)
        assert found is not None
        try:
            texts.add(way(found, draw))
        except IndexError:
            continue
    assert texts - {original.modeling for original in cases()}
    for text in texts:
        compile(text, "mutant.py", "exec")


def tampered(made: Integration, before: str, after: str) -> list[str]:
    """What is said of an integration whose borrowed code was changed."""
    code = made.borrowed.code.replace(before, after)
    assert code != made.borrowed.code
    other = replace(made, borrowed=replace(made.borrowed, code=code))
    return list(defects(other, {"modeling.py": code}, {}))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("self.mlp(", "self.MLP(", "does not give upstream's method back"),
        ("hidden_states = self.mlp", "self = self.mlp", "has no self"),
        ("hidden_states = self.mlp", "hidden_states = super().mlp", "calls a bare super()"),
        ("hidden_states = self.mlp", "hidden_states = self.__mlp", "uses the private name __mlp"),
        ("attn_output, attn_weights = ", "value = key; attn_output, attn_weights = ", "a prefix comes before all of"),
        ("class CaseLayerWithAdapters", "class Other", "not the classes of the plan are emitted"),
    ],
)
def test_wrong_code_is_noticed(before: str, after: str, said: str) -> None:
    assert any(said in defect for defect in tampered(integration("pre_norm"), before, after))


def test_a_lost_hook_is_noticed() -> None:
    made = integration("pre_norm")
    fewer = replace(made.plan, residuals=made.plan.residuals[:1], prefixes=())
    said = list(defects(replace(made, plan=fewer), {}, {}))

    assert "1 residuals are planned, and 2 are called" in said
    assert "0 prefixes are planned, and 1 are called" in said


@pytest.mark.parametrize(
    "change",
    [
        lambda hook: replace(hook, cls="Other"),
        lambda hook: replace(hook, norm="self.norm"),
        lambda hook: replace(hook, slot="other"),
    ],
)
def test_another_decision_is_noticed(change: Callable[[ResidualHook | PrefixHook], ResidualHook | PrefixHook]) -> None:
    plan = plan_of("pre_norm")
    other = replace(plan, residuals=(change(plan.residuals[0]), *plan.residuals[1:]))

    assert decisions(other) != decisions(plan)


def test_another_text_is_no_other_decision() -> None:
    plan = plan_of("pre_norm")
    moved = [replace(hook, at="x.py:1", branch="x", because="x") for hook in plan.residuals]

    assert decisions(replace(plan, residuals=tuple(reversed(moved)))) == decisions(plan)


def test_what_takes_too_long_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests_adapters.generator.hostile.trials.SECONDS", 0.02)
    original = cases()[0]
    outcome = judged(Mutant("mangled", original, original.modeling.encode(), "nothing"))

    assert outcome.defect.startswith("it took more than")


@pytest.mark.skipif(not MARKS.exists(), reason="the system does not tell how much memory was taken")
def test_what_takes_too_much_memory_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    taking = Mutant("mangled", cases()[0], cases()[0].modeling.encode(), "nothing")
    monkeypatch.setattr(trials, "MEMORY", 8 * 2**20)

    def wasteful(tried: Mutant) -> Integration:
        """What the process has already, and does not use, would not be counted: this it has not."""
        mmap.mmap(-1, 64 * 2**20, flags=mmap.MAP_PRIVATE | mmap.MAP_POPULATE).close()
        return tried.original.integrated()

    monkeypatch.setattr(Mutant, "integrated", wasteful)

    assert judged(taking).defect.startswith("it took 6")
    damaged = Mutant("damaged", taking.original, taking.text, taking.done)
    assert judged(damaged).memory > 60 * 2**20


def test_configurations_are_mangled_too() -> None:
    mutants = [mutant(SEED, number) for number in range(100)]

    assert any(each.is_configuration for each in mutants)
    for each in mutants:
        own = each.original.configuration if each.is_configuration else each.original.modeling
        assert own is not None
