"""The projection of language modeling heads: tied to the input embeddings, or of its own; resized with the
vocabulary.
"""

import pytest
import torch
from torch import nn
from transformers import PreTrainedConfig

from tests_adapters.core.heads import tiny
from tests_adapters.core.heads.examples import BATCH, text
from tests_adapters.core.heads.random_models import adapter_model, with_head


TYING = [(tiny.BERT, "masked_lm"), (tiny.GPT2, "causal_lm"), (tiny.BART, "seq2seq_lm"), (tiny.T5, "seq2seq_lm")]


@pytest.mark.parametrize(("config", "kind"), TYING, ids=["bert", "gpt2", "bart", "t5"])
def test_tied_where_the_model_ties(config: PreTrainedConfig, kind: str) -> None:
    model = with_head(config, kind)

    assert model.get_output_embeddings() is model.heads["task"][-1]
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert any(name.startswith("heads.task.") for name in model.all_tied_weights_keys)


def test_of_its_own_where_the_model_does_not_tie() -> None:
    model = with_head(tiny.LLAMA, "causal_lm")

    assert model.get_output_embeddings().weight is not model.get_input_embeddings().weight
    assert not any(name.startswith("heads.") for name in model.all_tied_weights_keys)


def test_only_the_active_head_has_output_embeddings() -> None:
    model = with_head(tiny.BERT, "masked_lm", "lm")
    model.add_tagging_head("tags")
    assert model.get_output_embeddings() is None

    model.add_causal_lm_head("next")
    model.active_head = ["lm", "tags", "next"]
    assert list(model.get_output_embeddings()) == [model.heads["lm"][-1], model.heads["next"][-1]]


def test_output_embeddings_can_be_replaced() -> None:
    model = with_head(tiny.LLAMA, "causal_lm")
    new = nn.Linear(tiny.WIDTH, 7)

    model.set_output_embeddings(new)

    assert model.heads["task"][-1] is new
    assert model.heads["task"].config["vocab_size"] == 7


@pytest.mark.parametrize("size", [tiny.VOCABULARY + 6, tiny.VOCABULARY - 6], ids=["longer", "shorter"])
@pytest.mark.parametrize(("config", "kind"), [*TYING, (tiny.LLAMA, "causal_lm")])
def test_all_heads_are_resized(config: PreTrainedConfig, kind: str, size: int) -> None:
    model = with_head(config, kind, "active")
    getattr(model, f"add_{kind}_head")("idle")
    model.active_head = "active"
    kept = min(size, tiny.VOCABULARY)
    prompts = {name: tensor % kept if name == "input_ids" else tensor for name, tensor in text(config, BATCH).items()}
    before = model(**prompts).logits

    model.resize_token_embeddings(size)

    assert model.active_head == "active"
    for head in model.heads.values():
        assert head[-1].weight.shape[0] == head[-1].out_features == head.config["vocab_size"] == size
        assert (head[-1].weight is model.get_input_embeddings().weight) == head.is_tied
    torch.testing.assert_close(model(**prompts).logits[..., :kept], before[..., :kept])


def test_tying_again_keeps_what_is_not_tied() -> None:
    model = with_head(tiny.BERT, "masked_lm", "own")
    model.heads["own"].is_tied = False
    model.heads["own"][-1].weight = nn.Parameter(torch.zeros(tiny.VOCABULARY, tiny.WIDTH))
    model.add_masked_lm_head("tied")

    model.tie_weights()

    assert not model.heads["own"][-1].weight.any()
    assert model.heads["tied"][-1].weight is model.get_input_embeddings().weight


def test_a_head_for_another_vocabulary_is_not_tied() -> None:
    model = adapter_model(tiny.GPT2)
    config = with_head(tiny.GPT2, "causal_lm").heads["task"].config | {"vocab_size": 7}

    model.add_prediction_head_from_config("small", config)

    assert model.get_output_embeddings().weight.shape == (7, tiny.WIDTH)
