"""Every class of an architecture, in every role that it can have, with every adapter method."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest

from adaptergen.verify.adapters import FORMS, AdapterForm, has_place, supported_forms
from adaptergen.verify.checks import ADAPTER_CHECKS, MODEL_CHECKS, AdapterCheck
from adaptergen.verify.checks.sites import unreached_places
from adaptergen.verify.proof import first_forms
from adaptergen.verify.subjects import ModelCase, Subject
from tests_adapters.core.suite.forms import each_form, each_share, forms_of, thorough, unions


CHECKS = [
    pytest.param(check, id=check.name, marks=[pytest.mark.slow] if check.slow else []) for check in ADAPTER_CHECKS
]

# A union puts methods together that are asked for everything by themselves.
OF_UNIONS = (
    "idle_adapter_changes_nothing",
    "deleting_leaves_no_trace",
    "adapter_has_an_effect",
    "gradients_reach_the_adapter_alone",
    "checkpointing_equals_plain",
    "saved_adapter_loads",
    "eager_equals_sdpa",
    "cache_equals_recompute",
)


class MethodTests:
    """The checks of `adaptergen verify`."""

    case: ClassVar[ModelCase]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        base, *others = self.case.subjects
        for name, subjects in (("subject", [base, *others]), ("further_subject", others)):
            if name in metafunc.fixturenames:
                marked = [pytest.param(each, marks=[thorough] if each is not base else []) for each in subjects]
                metafunc.parametrize(name, marked, ids=[subject.label for subject in subjects])

    @pytest.mark.parametrize("check", MODEL_CHECKS, ids=lambda check: check.__name__)
    def test_without_adapters(self, subject: Subject, check: Callable[[Subject], None]) -> None:
        check(subject)

    @each_form
    @pytest.mark.parametrize("check", CHECKS)
    def test_base_model_with_adapters(self, check: AdapterCheck, forms: str) -> None:
        first = list(first_forms(self.case))
        further = [form for form in supported_forms(self.case) if form not in first]
        self.run_check(check, self.case.subjects[0], first if forms == "first" else further)

    @each_share
    @pytest.mark.parametrize("check", CHECKS)
    def test_with_adapters(self, further_subject: Subject, check: AdapterCheck, share: str) -> None:
        self.run_check(check, further_subject, forms_of(self.case, share))

    @thorough
    @pytest.mark.parametrize("check", [each for each in CHECKS if each.id in OF_UNIONS])
    def test_unions_of_methods(self, check: AdapterCheck) -> None:
        """On the first class to which the check applies: text is written by classes with heads."""
        subject = next(filter(check.applies, self.case.subjects), None)
        if subject is None:
            pytest.skip("upstream's own model makes no such promise")
        self.run_forms(check, subject, list(unions(self.case)))

    def run_check(self, check: AdapterCheck, subject: Subject, forms: list[AdapterForm]) -> None:
        if not check.applies(subject):
            pytest.skip("upstream's own model makes no such promise")
        self.run_forms(check, subject, forms)

    def run_forms(self, check: AdapterCheck, subject: Subject, forms: list[AdapterForm]) -> None:
        for form in forms:
            if check.is_about(form) and has_place(subject, form):
                check.run(subject, form)

    def test_every_planned_place_exists(self) -> None:
        assert unreached_places(self.case) == ()

    def test_unsupported_methods_are_refused_with_their_reason(self) -> None:
        model = self.case.subjects[0].initialized()
        for method, reason in self.case.unsupported.items():
            config = next(form for form in FORMS if form.method == method).make(self.case.runtime)
            with pytest.raises(ValueError, match="cannot take") as refusal:
                model.add_adapter("refused", config=config)
            assert reason in str(refusal.value)
