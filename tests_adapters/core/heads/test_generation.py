"""Text from language modeling heads."""

import pytest
import torch
from transformers import PreTrainedConfig, PreTrainedModel

from tests_adapters.core.heads import tiny
from tests_adapters.core.heads.examples import example_prompts
from tests_adapters.core.heads.random_models import changed, randomize, with_head


WRITERS = [
    pytest.param(tiny.GPT2, "causal_lm", id="gpt2"),
    pytest.param(tiny.GPT_NEO, "causal_lm", id="gpt_neo"),
    pytest.param(tiny.LLAMA, "causal_lm", id="llama"),
    pytest.param(changed(tiny.BERT, is_decoder=True), "causal_lm", id="bert"),
    pytest.param(tiny.BART, "seq2seq_lm", id="bart"),
    pytest.param(tiny.T5, "seq2seq_lm", id="t5"),
]


def write(model: PreTrainedModel, **options: object) -> list[list[int]]:
    options = {"max_new_tokens": 6, "min_new_tokens": 6, "do_sample": False, **options}
    return model.generate(**example_prompts(model.config), **options).tolist()


@pytest.mark.parametrize("adapter", [None, "double_seq_bn", "seq_bn_inv", "lora", "prefix_tuning"])
@pytest.mark.parametrize(("config", "kind"), WRITERS)
def test_with_and_without_cache(config: PreTrainedConfig, kind: str, adapter: str | None) -> None:
    model = with_head(config, kind)
    plain = write(model)
    if adapter:
        model.add_adapter("task", config=adapter, set_active=True)
        randomize(model)

    cached = write(model)

    assert cached == write(model, use_cache=False)
    assert (cached == plain) == (adapter is None)


@pytest.mark.parametrize(("config", "kind"), WRITERS)
def test_beams(config: PreTrainedConfig, kind: str) -> None:
    model = with_head(config, kind)

    assert write(model, num_beams=3) == write(model, num_beams=3, use_cache=False)


@pytest.mark.parametrize(("config", "kind"), WRITERS)
def test_a_head_can_be_named(config: PreTrainedConfig, kind: str) -> None:
    model = with_head(config, kind, "first")
    getattr(model, f"add_{kind}_head")("second")
    randomize(model)
    model.active_head = "second"
    named = write(model, head="first")

    model.active_head = "first"

    assert named == write(model)


def test_only_the_logits_that_are_needed_are_computed() -> None:
    model = with_head(tiny.LLAMA, "causal_lm")
    lengths = []
    model.get_output_embeddings().register_forward_hook(lambda module, args, output: lengths.append(output.shape[1]))

    write(model)

    assert set(lengths) == {1}


def test_logits_are_kept_only_by_heads_that_have_some() -> None:
    model = with_head(tiny.LLAMA, "tagging")

    assert not model._supports_logits_to_keep()


def test_an_image_model_writes_nothing() -> None:
    assert not with_head(tiny.VIT, "image_classification").can_generate()
    assert with_head(tiny.GPT2, "causal_lm").can_generate()


def test_invertible_adapters_are_undone_before_the_projection() -> None:
    """Once, inside the head: no hook on the projection does it again."""
    model = with_head(tiny.BERT, "masked_lm")
    model.add_adapter("task", config="seq_bn_inv", set_active=True)
    randomize(model)
    inputs = example_prompts(tiny.BERT)

    logits = model(**inputs).logits

    *transforms, projection = model.heads["task"]
    states = model.base_model(**inputs).last_hidden_state
    for transform in transforms:
        states = transform(states)
    undone = model.get_invertible_adapter()(states, rev=True)
    torch.testing.assert_close(logits, torch.nn.functional.linear(undone, projection.weight, projection.bias))
    assert not torch.allclose(undone, states)
