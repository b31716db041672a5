"""The mean of several heads."""

import pytest
import torch

from generated.core.errors import AdapterConfigError
from generated.core.heads.errors import HeadExistsError, UnknownHeadError
from tests_adapters.core.heads import tiny
from tests_adapters.core.heads.random_models import adapter_model, randomize


def three_heads(kind: str = "classification", **options):
    model = adapter_model(tiny.BERT)
    for seed, name in enumerate("abc"):
        getattr(model, f"add_{kind}_head")(name, **options)
        randomize(model.heads[name], seed)
    return model


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"head_list": ["a", "b", "c"]}, (1 / 3, 1 / 3, 1 / 3)),
        ({"head_list": ["a", "b"], "weights": [1, 3]}, (0.25, 0.75, 0)),
        ({"head_list": {"a": 2.0, "c": -1.0}}, (2, 0, -1)),
        ({"head_list": ["a", "c"], "weights": [1, 3], "normalize_weights": False}, (1, 0, 3)),
        ({"head_list": ["b"]}, (0, 1, 0)),
    ],
)
def test_weights(arguments: dict, expected: tuple[float, ...]) -> None:
    model = three_heads()

    model.average_head("mean", **arguments)

    for name, tensor in model.heads["mean"].state_dict().items():
        parts = [model.heads[head].state_dict()[name] for head in "abc"]
        torch.testing.assert_close(tensor, sum(weight * part for weight, part in zip(expected, parts, strict=True)))
    assert model.heads["mean"].config == model.heads["a"].config
    assert model.active_head == "c"


def test_a_head_can_be_replaced_by_the_mean_it_is_part_of() -> None:
    model = three_heads()
    expected = (model.heads["a"][1].bias + model.heads["b"][1].bias) / 2
    with pytest.raises(HeadExistsError):
        model.average_head("a", ["a", "b"])

    model.average_head("a", ["a", "b"], overwrite_ok=True, set_active=True)

    torch.testing.assert_close(model.heads["a"][1].bias, expected)
    assert model.active_head == "a"


def test_tied_projections_stay_tied_and_others_are_averaged() -> None:
    model = three_heads("masked_lm")
    embeddings = model.get_input_embeddings().weight
    model.average_head("tied", ["a", "b"])
    assert model.heads["tied"].is_tied
    assert model.heads["tied"].get_output_embeddings().weight is embeddings

    own = torch.nn.Linear(tiny.WIDTH, tiny.VOCABULARY)
    model.active_head = "c"
    model.set_output_embeddings(own)
    model.heads["c"].is_tied = False
    model.average_head("mixed", ["a", "c"])

    assert not model.heads["mixed"].is_tied
    torch.testing.assert_close(model.heads["mixed"].get_output_embeddings().weight, (embeddings + own.weight) / 2)


def test_heads_that_differ_have_no_mean() -> None:
    model = three_heads()
    model.add_classification_head("other", num_labels=3)
    before = list(model.heads)

    with pytest.raises(AdapterConfigError, match=r"'a' and 'other' .* differ in label2id, num_labels"):
        model.average_head("mean", ["a", "other"])
    with pytest.raises(UnknownHeadError):
        model.average_head("mean", ["a", "nope"])
    with pytest.raises(AdapterConfigError, match="nothing to average"):
        model.average_head("mean", [])
    assert list(model.heads) == before
