"""Which forms of adapters is a test run with, and when?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from adaptergen.verify.adapters import ROLES, AdapterForm, supported_forms
from adaptergen.verify.proof import first_forms
from adaptergen.verify.subjects import ModelCase


# Classes with heads differ from their base model in what happens behind the layers: an adapter in the layers, one that
# is undone in front of the head, and one that makes the sequence longer show it. All others run in the slow suite.
SEEN_BY_HEADS = ("bottleneck", "invertible (nice)", "prompt_tuning")

each_share = pytest.mark.parametrize("share", ["some", pytest.param("rest", marks=pytest.mark.slow)])

# One form of each method is run on every architecture; the other forms are the same code in all of them, and run on
# those that stand for others.
thorough = pytest.mark.thorough
each_form = pytest.mark.parametrize("forms", ["first", pytest.param("further", marks=thorough)])

# Methods that act inside of layers, each of which has weights of its own.
IN_LAYERS = ("bottleneck", "lora", "ia3", "reft")


def forms_of(case: ModelCase, share: str) -> list[AdapterForm]:
    """Some forms of adapters, or the rest of them."""
    forms = [form for form in supported_forms(case) if (form.label in SEEN_BY_HEADS) == (share == "some")]
    return _any(forms)


def first_forms_of(case: ModelCase, *methods: str) -> list[AdapterForm]:
    """One form of each of these methods that the architecture takes, or of all."""
    return _any([form for form in first_forms(case) if not methods or form.method in methods])


def unions(case: ModelCase) -> Iterator[AdapterForm]:
    """Adapters of several methods: those of the papers, and one of all methods that go together."""
    mixtures = {
        "mix-and-match": (("prefix_tuning", "bottleneck"), lambda rt: rt.MAMConfig(_prefix(rt), _parallel(rt))),
        "unipelt": (
            ("prefix_tuning", "bottleneck", "lora"),
            lambda rt: rt.UniPELTConfig(_prefix(rt), rt.SeqBnConfig(reduction_factor=4), rt.LoRAConfig(r=4, **ROLES)),
        ),
    }
    for label, (methods, make) in mixtures.items():
        if not case.unsupported.keys() & set(methods):
            yield AdapterForm(label, "union", make, reads_all=label == "unipelt")
    together = [form for form in first_forms(case) if form.method in ("bottleneck", "lora", "reft", "prompt_tuning")]
    if len(together) > 1:
        lengthens = any(form.lengthens for form in together)
        yield AdapterForm("all that go together", "union", _union(together), lengthens=lengthens)


def _union(forms: list[AdapterForm]) -> Callable[[ModuleType], Any]:
    return lambda rt: rt.ConfigUnion(*(form.make(rt) for form in forms))


def _prefix(runtime: ModuleType) -> Any:
    return runtime.PrefixTuningConfig(prefix_length=3, bottleneck_size=8)


def _parallel(runtime: ModuleType) -> Any:
    return runtime.ParBnConfig(reduction_factor=4)


def _any(forms: list[AdapterForm]) -> list[AdapterForm]:
    if not forms:
        pytest.skip("the architecture takes none of these")
    return forms
