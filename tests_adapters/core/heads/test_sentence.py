"""Where the vector of a whole sequence is found."""

import pytest
import torch
from transformers import Gemma3Config
from transformers.modeling_outputs import BaseModelOutputWithPooling

from generated.core.heads.sentence import sentence_representation
from tests_adapters.core.heads import tiny
from tests_adapters.core.heads.examples import BATCH, text
from tests_adapters.core.heads.random_models import adapter_model, changed, with_head


STATES = torch.arange(3 * 5 * 2, dtype=torch.float).view(3, 5, 2)
OUTPUTS = BaseModelOutputWithPooling(last_hidden_state=STATES, pooler_output=STATES[:, 0] + 0.5)


def test_first_token() -> None:
    assert torch.equal(sentence_representation("first_token", OUTPUTS, None, tiny.BERT), STATES[:, 0])
    assert torch.equal(sentence_representation("pooler", OUTPUTS, None, tiny.BERT), STATES[:, 0])


def test_pooled_output_where_the_head_asks_for_it() -> None:
    pooled = sentence_representation("pooler", OUTPUTS, None, tiny.BERT, use_pooler=True)

    assert torch.equal(pooled, OUTPUTS.pooler_output)


def test_last_token_on_whichever_side_the_padding_is() -> None:
    input_ids = torch.tensor([[7, 8, 9, 0, 0], [0, 0, 7, 8, 9], [7, 0, 9, 4, 0]])

    found = sentence_representation("last_token", OUTPUTS, input_ids, tiny.GPT2)

    assert torch.equal(found, STATES[[0, 1, 2], [2, 4, 3]])


def test_last_token_needs_a_padding_token_to_tell_rows_apart() -> None:
    config = changed(tiny.GPT2, pad_token_id=None)

    with pytest.raises(ValueError, match=r"Set model\.config\.pad_token_id"):
        sentence_representation("last_token", OUTPUTS, torch.ones(3, 5), config)
    alone = BaseModelOutputWithPooling(last_hidden_state=STATES[:1])
    assert torch.equal(sentence_representation("last_token", alone, torch.ones(1, 5), config), STATES[:1, -1])


def test_padding_token_of_the_configuration_for_text() -> None:
    config = Gemma3Config(text_config={"pad_token_id": 9})

    found = sentence_representation("last_token", OUTPUTS, torch.tensor([[7, 9, 9, 9, 9]] * 3), config)

    assert torch.equal(found, STATES[:, 0])


def test_last_token_of_embeddings_is_the_last_position() -> None:
    assert torch.equal(sentence_representation("last_token", OUTPUTS, None, tiny.GPT2), STATES[:, -1])


def test_last_end_of_sequence() -> None:
    input_ids = torch.tensor([[2, 8, 9, 2, 1], [2, 2, 7, 8, 9], [7, 2, 9, 4, 2]])

    found = sentence_representation("last_eos", OUTPUTS, input_ids, tiny.BART)

    assert torch.equal(found, STATES[[0, 1, 2], [3, 1, 4]])


@pytest.mark.parametrize("rows", [[[7, 8], [7, 2]], [[2, 2], [7, 2]], [[7, 8], [7, 8]]])
def test_each_sequence_needs_as_many_ends(rows: list[list[int]]) -> None:
    outputs = BaseModelOutputWithPooling(last_hidden_state=STATES[:2, :2])

    with pytest.raises(ValueError, match="same number of end-of-sequence tokens"):
        sentence_representation("last_eos", outputs, torch.tensor(rows), tiny.BART)


def test_ends_cannot_be_seen_in_embeddings() -> None:
    with pytest.raises(ValueError, match="found in input_ids"):
        sentence_representation("last_eos", OUTPUTS, None, tiny.BART)


def test_a_base_model_without_pooler_says_so() -> None:
    model = with_head(tiny.BERT, "classification", use_pooler=True)
    model.base_model.pooler = None

    with pytest.raises(ValueError, match="no pooler_output"):
        model(**text(tiny.BERT, BATCH))


def test_a_sentence_vector_can_be_given() -> None:
    model = with_head(tiny.BERT, "classification")
    outputs = model.base_model(**text(tiny.BERT, BATCH))
    vectors = torch.ones(BATCH, tiny.WIDTH)

    (logits,) = model.forward_head(outputs, cls_output=vectors)

    assert torch.equal(logits, torch.nn.Sequential.forward(model.heads["task"], vectors))


def test_a_token_level_head_needs_no_sentence() -> None:
    model = adapter_model(changed(tiny.GPT2, pad_token_id=None))
    model.add_tagging_head("tags")

    assert model(torch.ones(2, 3, dtype=torch.long)).logits.shape == (2, 3, 2)
