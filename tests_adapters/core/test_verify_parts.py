"""What is asked of a class that is one of several models inside the base class?"""

from __future__ import annotations

import pytest
from transformers.models.gemma4.configuration_gemma4 import Gemma4Config

from adaptergen.verify.adapters import FORMS, has_place
from adaptergen.verify.checks.attention import reads_text
from adaptergen.verify.checks.training import supports_checkpointing
from adaptergen.verify.subjects import ModelCase, Subject
from generated.models.gemma4 import Gemma4AdapterModel


CASE = ModelCase(name="gemma4", adapter_model_class=Gemma4AdapterModel, config_class=Gemma4Config)
SUBJECTS = {subject.label: subject for subject in CASE.subjects}
PREFIX, LORA = (next(form for form in FORMS if form.method == method) for method in ("prefix_tuning", "lora"))


@pytest.fixture
def subject(request: pytest.FixtureRequest) -> Subject:
    return SUBJECTS[request.param]


@pytest.mark.parametrize(
    ("subject", "is_part", "takes_prefixes"),
    [
        ("Gemma4Model", False, True),
        ("Gemma4ForConditionalGeneration", False, True),
        ("Gemma4TextModel", True, True),
        ("Gemma4VisionModel", True, False),
        ("Gemma4AudioModel", True, False),
    ],
    indirect=["subject"],
)
def test_a_part_takes_what_has_a_place_in_it(subject: Subject, is_part: bool, takes_prefixes: bool) -> None:
    assert subject.is_part is is_part
    assert has_place(subject, PREFIX) is takes_prefixes
    assert has_place(subject, LORA)


@pytest.mark.parametrize(
    ("subject", "reads"),
    [("Gemma4Model", True), ("Gemma4TextModel", True), ("Gemma4VisionModel", False), ("Gemma4AudioModel", False)],
    indirect=["subject"],
)
def test_only_what_takes_words_reads_text(subject: Subject, reads: bool) -> None:
    assert reads_text(subject) is reads


@pytest.mark.parametrize("subject", ["Gemma4AudioModel"], indirect=True)
def test_upstream_may_refuse_checkpointing_when_it_is_enabled(subject: Subject) -> None:
    assert not supports_checkpointing(subject)
