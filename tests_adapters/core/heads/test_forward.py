"""What the forward pass of an adapter model does with inputs, targets, and several heads."""

import inspect

import pytest
import torch
from transformers import PreTrainedConfig
from transformers.modeling_outputs import BaseModelOutputWithPoolingAndCrossAttentions

from generated.core.heads import MultiHeadOutput
from tests_adapters.core.heads import tiny
from tests_adapters.core.heads.examples import BATCH, CHOICES, LENGTH, example_inputs, text
from tests_adapters.core.heads.random_models import adapter_model, with_head


def test_without_a_head_the_base_model_answers() -> None:
    model, inputs = adapter_model(tiny.BERT), text(tiny.BERT, BATCH)

    output = model(**inputs)

    assert isinstance(output, BaseModelOutputWithPoolingAndCrossAttentions)
    assert torch.equal(output.last_hidden_state, model.base_model(**inputs).last_hidden_state)


def test_labels_without_a_head_are_an_error() -> None:
    with pytest.raises(ValueError, match="no head is active"):
        adapter_model(tiny.BERT)(**text(tiny.BERT, BATCH), labels=torch.zeros(BATCH))


def test_targets_that_no_active_head_takes_are_an_error() -> None:
    model, inputs = with_head(tiny.BERT, "tagging", "tags"), text(tiny.BERT, BATCH)
    with pytest.raises(ValueError, match="start_positions were given, but the active head tags does not take them"):
        model(**inputs, start_positions=torch.zeros(BATCH, dtype=torch.long))


@pytest.mark.parametrize("active", [None, "task"])
def test_writing_needs_a_head_that_scores_words(active: str | None) -> None:
    model = with_head(tiny.GPT2, "classification")
    model.active_head = active
    with pytest.raises(ValueError, match=f"active now: {active or 'none'}"):
        model.generate(**text(tiny.GPT2, BATCH))


def test_a_head_can_be_named_for_one_call() -> None:
    model, inputs = with_head(tiny.BERT, "tagging", "tags"), text(tiny.BERT, BATCH)
    model.add_qa_head("qa")

    assert model(**inputs, head="tags").logits.shape == (BATCH, LENGTH, 2)
    assert model.active_head == "qa"


def test_tuples_on_demand() -> None:
    model, inputs = with_head(tiny.BERT, "tagging"), example_inputs("tagging", tiny.BERT, 2)

    loss, logits = model(**inputs, return_dict=False)

    assert torch.equal(loss, model(**inputs).loss)
    assert torch.equal(logits, model(**inputs).logits)


def test_hidden_states_and_attentions_are_passed_on() -> None:
    model, inputs = with_head(tiny.BERT, "tagging"), text(tiny.BERT, BATCH)
    model.set_attn_implementation("eager")

    output = model(**inputs, output_hidden_states=True, output_attentions=True)

    assert len(output.hidden_states) == tiny.LAYERS + 1
    assert len(output.attentions) == tiny.LAYERS


def test_a_decoder_keeps_its_cache_unless_a_loss_is_computed() -> None:
    model, inputs = with_head(tiny.GPT2, "causal_lm"), example_inputs("causal_lm", tiny.GPT2)

    assert model(**inputs).past_key_values is None
    assert model(**inputs, use_cache=True).past_key_values is not None
    inputs.pop("labels")
    assert model(**inputs).past_key_values is not None


def test_several_heads_share_one_run_of_the_base_model() -> None:
    model = with_head(tiny.BERT, "tagging", "tags")
    model.add_masked_lm_head("lm")
    inputs = example_inputs("tagging", tiny.BERT, 2)
    runs = []
    model.base_model.register_forward_hook(lambda *_: runs.append(1))

    model.active_head = ["tags", "lm"]
    output = model(**inputs)

    assert len(runs) == 1
    assert isinstance(output, MultiHeadOutput)
    assert len(output) == 2
    tags, lm = model(**inputs, head="tags"), model(**inputs, head="lm")
    assert torch.equal(output[0].logits, tags.logits)
    assert torch.equal(output[1].logits, lm.logits)
    torch.testing.assert_close(output.loss, tags.loss + lm.loss)


def test_several_heads_without_labels_have_no_loss() -> None:
    model = with_head(tiny.BERT, "tagging", "tags")
    model.add_qa_head("qa")
    model.active_head = ["tags", "qa"]

    assert model(**text(tiny.BERT, BATCH)).loss is None


def test_choices_may_be_given_flat_or_nested() -> None:
    model = with_head(tiny.BERT, "multiple_choice", num_choices=CHOICES)
    nested = example_inputs("multiple_choice", tiny.BERT)
    flat = {name: tensor.flatten(0, 1) if tensor.dim() > 1 else tensor for name, tensor in nested.items()}

    assert model(**nested).logits.shape == (BATCH, CHOICES)
    assert torch.equal(model(**nested).logits, model(**flat).logits)
    assert torch.equal(model(**nested).loss, model(**flat).loss)


def test_a_question_may_have_another_number_of_choices() -> None:
    model = with_head(tiny.BERT, "multiple_choice", num_choices=2)

    assert model(**example_inputs("multiple_choice", tiny.BERT)).logits.shape == (BATCH, CHOICES)


def test_choices_as_embeddings() -> None:
    model = with_head(tiny.BERT, "multiple_choice")
    inputs = example_inputs("multiple_choice", tiny.BERT)
    embedded = model.get_input_embeddings()(inputs["input_ids"])

    output = model(inputs_embeds=embedded, attention_mask=inputs["attention_mask"])

    torch.testing.assert_close(output.logits, model(**inputs).logits)


def test_the_loss_can_be_averaged_over_more_than_the_batch() -> None:
    model, inputs = with_head(tiny.GPT2, "causal_lm"), example_inputs("causal_lm", tiny.GPT2)
    count = (inputs["labels"][:, 1:] != -100).sum()

    torch.testing.assert_close(model(**inputs, num_items_in_batch=2 * count).loss, model(**inputs).loss / 2)


def test_only_the_last_logits_on_demand() -> None:
    model, inputs = with_head(tiny.GPT2, "causal_lm"), text(tiny.GPT2, BATCH)

    torch.testing.assert_close(model(**inputs, logits_to_keep=1).logits, model(**inputs).logits[:, -1:])


@pytest.mark.parametrize("config", [tiny.BART, tiny.T5], ids=["bart", "t5"])
def test_a_decoder_reads_shifted_text(config: PreTrainedConfig) -> None:
    model, inputs = with_head(config, "seq2seq_lm"), example_inputs("seq2seq_lm", config)
    labels = inputs.pop("labels")
    shifted = model.prepare_decoder_input_ids_from_labels(labels)

    assert shifted[:, 0].tolist() == [config.decoder_start_token_id] * BATCH
    assert torch.equal(shifted[:, 1:], labels[:, :-1].masked_fill(labels[:, :-1] == -100, config.pad_token_id))
    expected = model(**inputs, decoder_input_ids=shifted).logits
    torch.testing.assert_close(model(**inputs, labels=labels).logits, expected)


def test_a_decoder_needs_something_to_read() -> None:
    model = with_head(tiny.T5, "seq2seq_lm")

    with pytest.raises(ValueError, match="the decoder has nothing to read"):
        model(inputs_embeds=torch.zeros(1, 3, tiny.WIDTH))


def test_only_encoder_decoders_prepare_decoder_inputs() -> None:
    """A data collator asks for this method to decide what kind of model it works for."""
    assert not hasattr(adapter_model(tiny.GPT2), "prepare_decoder_input_ids_from_labels")


def test_the_signature_names_the_columns_of_the_base_model() -> None:
    model = adapter_model(tiny.BERT)
    own, base = (list(inspect.signature(part.forward).parameters) for part in (model, model.base_model))

    targets = ["labels", "start_positions", "end_positions", "word_starts", "labels_arcs", "labels_rels"]
    assert own == [*base[:-1], *targets, "head", "kwargs"]


@pytest.mark.parametrize(
    ("config", "kind", "head_type"),
    [
        (tiny.BERT, "classification", "classification"),
        (tiny.BERT, "multiple_choice", "multiple_choice"),
        (tiny.GPT2, "classification", "classification"),
        (tiny.LLAMA, "causal_lm", "causal_lm"),
        (tiny.T5, "classification", "classification"),
        (tiny.T5, "seq2seq_lm", "seq2seq_lm"),
    ],
)
def test_compiled_into_one_graph(config: PreTrainedConfig, kind: str, head_type: str) -> None:
    model, inputs = with_head(config, kind), example_inputs(head_type, config, 2)
    torch._dynamo.reset()

    compiled = torch.compile(model, fullgraph=True, backend="eager")(**inputs)

    expected = model(**inputs)
    assert torch.equal(compiled.logits, expected.logits)
    assert torch.equal(compiled.loss, expected.loss)
