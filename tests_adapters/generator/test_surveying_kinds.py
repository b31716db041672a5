"""Is an architecture put into the right group, family and modality by what its file says?"""

from __future__ import annotations

import ast
import textwrap

import pytest

from adaptergen.surveying.kinds import Kind, kind_of


BASE, CAUSAL, MASKED = "", "FOR_CAUSAL_LM", "FOR_MASKED_LM"


def kind(text: str, *tasks: str) -> Kind:
    return kind_of(ast.parse(textwrap.dedent(text)), {"CaseModel": frozenset(tasks or (BASE,))})


ATTENTION = """
    class CaseAttention(nn.Module):
        def forward(self, query, key, value):
            return {weights} @ value
    class CaseModel(PreTrainedModel):
        def forward(self, input_ids): ...
"""


@pytest.mark.parametrize(
    "weights",
    [
        "nn.functional.softmax(query @ key, dim=-1)",
        "nn.Softmax(dim=-1)(query @ key)",
        "XSoftmax.apply(query @ key)",
        "ALL_ATTENTION_FUNCTIONS['sdpa'](query, key)",
        "hashed(query, key)",
    ],
)
def test_attention_however_it_is_computed(weights: str) -> None:
    assert kind(ATTENTION.format(weights=weights)) == Kind("attention", "text encoder", "text")


def test_a_softmax_elsewhere_is_no_attention() -> None:
    text = """
        class CaseAttention(nn.Module):
            def forward(self, receptance, key, value):
                return receptance.sigmoid() * key * value
        class CaseModel(PreTrainedModel):
            '''Attention with scaled_dot_product_attention is something else.'''
            def forward(self, input_ids):
                return nn.functional.softmax(input_ids)
    """
    assert kind(text).group == "no_attention"


@pytest.mark.parametrize(
    "line",
    [
        "from ..auto import AutoModel",
        "from ..auto.modeling_auto import AutoModelForImageTextToText",
        "from ...backbone_utils import load_backbone",
        "from ..bert.modeling_bert import BertModel",
    ],
)
def test_made_of_other_models(line: str) -> None:
    assert (
        kind(f"{line}\nclass CaseModel(PreTrainedModel):\n    def forward(self, input_ids): ...").group == "combines"
    )


@pytest.mark.parametrize(
    "line",
    ["from ...modeling_utils import PreTrainedModel", "from ...modeling_outputs import BaseModelOutput"],
)
def test_the_library_is_no_other_model(line: str) -> None:
    text = f"{line}\nclass CaseModel(PreTrainedModel):\n    def forward(self, input_ids): ..."
    assert kind(text).group == "no_attention"


def test_attention_without_an_auto_class() -> None:
    text = textwrap.dedent(ATTENTION).format(weights="softmax(query @ key)")
    assert kind_of(ast.parse(text), {}) == Kind("no_auto_class", "other", "other")


@pytest.mark.parametrize(
    ("parameters", "tasks", "family", "modality"),
    [
        ("input_ids", (BASE, MASKED, CAUSAL), "text encoder", "text"),
        ("input_ids", (BASE, CAUSAL), "text decoder", "text"),
        ("input_ids, decoder_input_ids", (BASE,), "text encoder-decoder", "text"),
        ("input_ids", (BASE, "FOR_SEQ_TO_SEQ_CAUSAL_LM"), "text encoder-decoder", "text"),
        ("pixel_values", (BASE,), "vision", "image"),
        ("input_values", ("FOR_CTC",), "audio", "audio"),
        ("input_features, decoder_input_ids", (BASE,), "audio", "audio"),
        ("input_ids, pixel_values", (BASE,), "multimodal", "text + image"),
        ("past_values", (BASE,), "time series", "time"),
        ("states", (BASE,), "other", "other"),
    ],
)
def test_family_and_modality(parameters: str, tasks: tuple[str, ...], family: str, modality: str) -> None:
    found = kind(f"class CaseModel(Other):\n    def forward(self, {parameters}): ...", *tasks)
    assert (found.family, found.modality) == (family, modality)


def test_what_a_class_inherits_counts() -> None:
    text = """
        class CasePreTrainedModel(PreTrainedModel):
            input_modalities = ("image", "text")
        class CaseModel(CasePreTrainedModel):
            def forward(self, pixel_values, input_ids): ...
    """
    assert kind(text) == Kind("no_attention", "multimodal", "text + image")
    assert kind(text.replace(", input_ids", "")) == Kind("no_attention", "vision", "image")
