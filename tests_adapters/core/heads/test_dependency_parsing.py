"""Dependency parsing: words are means of their tokens, pairs are scored by biaffine forms."""

import pytest
import torch
from torch.nn import functional as F

from tests_adapters.core.heads import tiny
from tests_adapters.core.heads.examples import BATCH, LENGTH, text
from tests_adapters.core.heads.random_models import with_head


RELATIONS = 4

# The second text has two words, the third none; padding is whatever does not increase.
WORD_STARTS = torch.tensor([[1, 3, 4, 7], [1, 2, 5, -1], [0, 0, 0, 0]])
WORDS = ([(1, 3), (3, 4), (4, 7)], [(1, 2), (2, 5)], [])


def labels() -> dict[str, torch.Tensor]:
    arcs, relations = torch.full((2, BATCH, LENGTH), -100)
    arcs[0, :3], relations[0, :3] = torch.tensor([2, 0, 1]), torch.tensor([1, 0, 3])
    arcs[1, :2], relations[1, :2] = torch.tensor([0, 1]), torch.tensor([2, 2])
    return {"labels_arcs": arcs, "labels_rels": relations}


def with_one(vector: torch.Tensor) -> torch.Tensor:
    return torch.cat([vector, torch.ones(1)])


@pytest.fixture
def model():
    return with_head(tiny.BERT, "dependency_parsing", num_labels=RELATIONS)


def test_scores_are_biaffine_forms_of_words(model) -> None:
    inputs, head = text(tiny.BERT, BATCH), model.heads["task"]

    output = model(**inputs, word_starts=WORD_STARTS)

    states = model.base_model(**inputs).last_hidden_state
    assert output.arc_preds.shape == (BATCH, LENGTH, LENGTH + 1)
    assert output.rel_preds.shape == (BATCH, LENGTH, LENGTH + 1, RELATIONS)
    for row, words in enumerate(WORDS):
        vectors = [states[row, start:end].mean(0) for start, end in words]
        for i, word in enumerate(vectors):
            for j, other in enumerate([states[row, 0], *vectors]):
                arc = with_one(word) @ head.biaffine_arcs.weight[0] @ other
                relation = torch.stack([with_one(word) @ form @ with_one(other) for form in head.biaffine_rels.weight])
                torch.testing.assert_close(output.arc_preds[row, i, j], arc)
                torch.testing.assert_close(output.rel_preds[row, i, j], relation)


def test_loss_is_that_of_heads_and_of_relations_to_the_true_heads(model) -> None:
    targets = labels()

    output = model(**text(tiny.BERT, BATCH), word_starts=WORD_STARTS, **targets)

    places = [(row, i) for row, words in enumerate(WORDS) for i in range(len(words))]
    arcs = torch.stack([output.arc_preds[place] for place in places])
    heads = torch.stack([targets["labels_arcs"][place] for place in places])
    relations = torch.stack([output.rel_preds[place][head] for place, head in zip(places, heads, strict=True)])
    true = torch.stack([targets["labels_rels"][place] for place in places])
    torch.testing.assert_close(output.loss, F.cross_entropy(arcs, heads) + F.cross_entropy(relations, true))


@pytest.mark.parametrize("padding", [-1, 0, 1])
def test_words_are_found_whatever_stands_for_padding(model, padding: int) -> None:
    """RoBERTa pads with 1, which is where its first word begins."""
    inputs = text(tiny.BERT, 1)
    padded = torch.tensor([[1, 3, 6, padding, padding]])

    output = model(**inputs, word_starts=padded)

    assert torch.equal(output.arc_preds, model(**inputs, word_starts=padded[:, :3]).arc_preds)


def test_without_words_there_is_nothing_to_learn(model) -> None:
    targets = labels()

    output = model(**text(tiny.BERT, BATCH), word_starts=torch.zeros_like(WORD_STARTS), **targets)
    output.loss.backward()

    assert output.loss == 0
    assert not model.heads["task"].biaffine_arcs.weight.grad.any()


def test_new_weights_are_named_as_in_the_format(model) -> None:
    weights = {name: tuple(weight.shape) for name, weight in model.heads["task"].state_dict().items()}
    width = tiny.WIDTH

    assert weights == {
        "biaffine_arcs.weight": (1, width + 1, width),
        "biaffine_rels.weight": (RELATIONS, width + 1, width + 1),
    }
    assert model.heads["task"].config == {
        "head_type": "dependency_parsing",
        "num_labels": RELATIONS,
        "label2id": {f"LABEL_{index}": index for index in range(RELATIONS)},
    }
    assert model.heads["task"].get_label_names() == ["labels_arcs", "labels_rels"]


def test_saved_and_loaded(model, tmp_path) -> None:
    inputs = {**text(tiny.BERT, BATCH), "word_starts": WORD_STARTS}
    model.save_head(tmp_path, "task")

    assert model.load_head(tmp_path, load_as="again") == "again"

    assert torch.equal(model(**inputs).rel_preds, model(**inputs, head="task").rel_preds)


def test_what_is_missing_or_of_another_length_is_named(model) -> None:
    inputs = text(tiny.BERT, BATCH)
    with pytest.raises(ValueError, match="pass word_starts"):
        model(**inputs)
    short = {name: tensor[:, :3] for name, tensor in labels().items()}
    with pytest.raises(ValueError, match=r"pad both with -100 to \(3, 8\)"):
        model(**inputs, word_starts=WORD_STARTS, **short)


def test_compiled_into_one_graph(model) -> None:
    inputs = {**text(tiny.BERT, BATCH), "word_starts": WORD_STARTS, **labels()}
    torch._dynamo.reset()

    compiled = torch.compile(model, fullgraph=True, backend="eager")(**inputs)

    assert torch.equal(compiled.loss, model(**inputs).loss)
