"""Do few architectures stand for all, whatever their plans hold?"""

from pathlib import Path

import generated.models
from tests_adapters.core.representatives import plans_below, representatives


PLAIN = {"name": "plain", "stacks": [{"kind": "encoder", "entry": "embeddings"}], "prefixes": [{"flat": False}]}
NORMED = {**PLAIN, "name": "normed", "residuals": [{"norm": "self.norm", "because": "it follows"}, {"slot": "first"}]}
OTHER = {**PLAIN, "name": "other", "residuals": [{"norm": "self.other_norm"}]}
DECODER = {**PLAIN, "stacks": [{"kind": "decoder"}]}
FLAT = {**PLAIN, "prefixes": [{"flat": True}, {"flat": False}]}


def test_names_and_reasons_are_no_structure() -> None:
    assert representatives({"a": PLAIN, "b": {**PLAIN, "name": "b", "title": "B"}}) == ("a",)
    assert representatives({"b": NORMED, "a": OTHER}) == ("b",)


def test_each_kind_and_each_decision_has_one() -> None:
    assert representatives({"a": PLAIN, "b": NORMED, "c": DECODER, "d": FLAT}) == ("b", "c", "d")
    assert representatives({}) == ()


def test_every_structure_of_this_project_is_tested_in_full() -> None:
    plans = plans_below(Path(generated.models.__file__).parent)
    chosen = representatives(plans)

    assert representatives({name: plans[name] for name in chosen}) == chosen
    assert set(chosen) < set(plans)
