"""Which class of a file do heads stand on, where the auto mappings of transformers do not say?"""

from __future__ import annotations

import pytest

from adaptergen.analysis import _around, _likely_bases
from adaptergen.source import parse_source


CLASSES = """
class CasePreTrainedModel(PreTrainedModel):
    base_model_prefix = "backbone"

class CaseEncoder(CasePreTrainedModel):
    pass

class CaseBackbone(CasePreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.encoder = CaseEncoder(config)

class CaseForAll(CasePreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.backbone = CaseBackbone(config)
"""


@pytest.mark.parametrize(
    ("offered", "likely"),
    [
        ("", ["CaseBackbone", "CasePreTrainedModel", "CaseEncoder", "CaseForAll"]),
        (
            '__all__ = ["CasePreTrainedModel", "CaseForAll", "CaseEncoder"]',
            ["CasePreTrainedModel", "CaseEncoder", "CaseForAll", "CaseBackbone"],
        ),
    ],
)
def test_what_others_hold_comes_first_and_what_is_not_offered_last(offered: str, likely: list[str]) -> None:
    source = parse_source(CLASSES + offered, name="case.modeling_case", path="modeling_case.py")

    assert _likely_bases(source, lambda _: None) == likely


def test_what_holds_the_base_is_around_it() -> None:
    source = parse_source(CLASSES, name="case.modeling_case", path="modeling_case.py")

    assert list(_around(source, "CaseBackbone", lambda _: None)) == ["CaseForAll"]
    assert list(_around(source, "CaseForAll", lambda _: None)) == []
