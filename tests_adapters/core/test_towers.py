"""Models that consist of several: one `add_adapter` reaches all of them, each as its own architecture takes it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers import (
    BertConfig,
    CLIPForImageClassification,
    EncoderDecoderConfig,
    EncoderDecoderModel,
    PreTrainedModel,
    VisionTextDualEncoderConfig,
    VisionTextDualEncoderModel,
    ViTConfig,
)

import generated
from adaptergen.verify.tiny import tiny_config
from generated.core import towers
from generated.core.errors import EmbeddingsError, UnsupportedCompositionError, UnsupportedMethodError
from generated.core.placed import placed_layers
from generated.core.towers import keeps_rows
from tests_adapters.core.made_tokenizer import made_tokenizer


SMALL = {"num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40}
TEXT = {**SMALL, "vocab_size": 50, "max_position_embeddings": 20}
WORDS = torch.arange(3, 13).view(2, 5)


def pair(encoder: int = 24, decoder: int = 32) -> PreTrainedModel:
    """An encoder and a decoder of two widths, which one forward runs."""
    both = (BertConfig(hidden_size=size, **TEXT) for size in (encoder, decoder))
    torch.manual_seed(0)
    return EncoderDecoderModel(EncoderDecoderConfig.from_encoder_decoder_configs(*both)).eval()


def images_and_texts() -> PreTrainedModel:
    vision = ViTConfig(hidden_size=24, image_size=8, patch_size=4, **SMALL)
    config = VisionTextDualEncoderConfig.from_vision_text_configs(vision, BertConfig(hidden_size=32, **TEXT))
    torch.manual_seed(0)
    return VisionTextDualEncoderModel(config).eval()


def run(model: PreTrainedModel) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=WORDS, decoder_input_ids=WORDS).logits


def test_layers_are_numbered_through_all_models_inside() -> None:
    layers = list(placed_layers(generated.init(pair())))
    assert [layer.index for layer in layers] == [0, 1, 2, 3]
    assert [layer.stack.layers for layer in layers] == [
        *["encoder.encoder.layer"] * 2,
        *["decoder.bert.encoder.layer"] * 2,
    ]


@pytest.mark.parametrize("config", ["double_seq_bn", "lora", "ia3", "prefix_tuning", "loreft"])
def test_an_adapter_is_in_every_model_inside(config: str) -> None:
    model = generated.init(pair())
    names = list(model.state_dict())
    before = run(model)
    model.add_adapter("task", config)
    model.train_adapter("task", train_head=False)
    model(input_ids=WORDS, decoder_input_ids=WORDS).logits.sum().backward()
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    model.delete_adapter("task")
    assert list(model.state_dict()) == names
    assert torch.equal(run(model.eval()), before)


def test_each_model_has_adapters_of_its_own_width() -> None:
    model = generated.init(pair())
    model.add_adapter("task", "seq_bn[reduction_factor=4]")
    adapters = model.get_adapter("task").items()
    widths = {layer: len(adapter["output_adapter"].adapter_up.weight) for layer, adapter in adapters}
    assert widths == {0: 24, 1: 24, 2: 32, 3: 32}


def test_adapters_of_several_models_are_saved_and_loaded(tmp_path) -> None:
    model, other = generated.init(pair()), generated.init(pair())
    model.add_adapter("task", "prefix_tuning", set_active=True)
    model.save_adapter(tmp_path, "task")
    other.load_adapter(tmp_path, set_active=True)
    assert torch.equal(run(model), run(other))


def test_examples_stay_apart_in_an_encoder_and_the_decoder_that_reads_it() -> None:
    model = generated.init(pair())
    for name in ("a", "b"):
        model.add_adapter(name, "lora[init_weights='bert']")
    model.set_active_adapters("a")
    first = run(model)[:1]
    model.set_active_adapters("b")
    second = run(model)[1:]
    model.set_active_adapters(generated.BatchSplit("a", "b", batch_sizes=[1, 1]))
    torch.testing.assert_close(run(model), torch.cat([first, second]))


def test_blocks_that_tell_examples_apart_are_refused_where_batches_differ() -> None:
    model = generated.init(images_and_texts())
    assert not keeps_rows(model)
    for name in ("a", "b"):
        model.add_adapter(name, "lora")
    with pytest.raises(UnsupportedCompositionError, match=r"vision_model.*text_model"):
        model.set_active_adapters(generated.Parallel("a", "b"))
    assert model.active_adapters is None
    model.set_active_adapters(generated.Stack("a", "b"))


def test_blocks_that_tell_examples_apart_are_refused_where_each_has_several_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = generated.init(pair())
    assert keeps_rows(model)
    joined = [replace(each, stack=replace(each.stack, joins_rows=True)) for each in towers.placed_stacks(model)]
    monkeypatch.setattr(towers, "placed_stacks", lambda model: joined)
    assert not keeps_rows(model)


def test_prompts_are_refused_with_the_reason() -> None:
    with pytest.raises(UnsupportedMethodError, match="several models inside"):
        generated.init(images_and_texts()).add_adapter("task", "prompt_tuning")


def test_a_class_that_leaves_its_embeddings_unsaid_is_trained() -> None:
    """`get_input_embeddings` of upstream raises an error for it."""
    model = generated.init(CLIPForImageClassification(tiny_config(CLIPForImageClassification.config_class)))
    model.add_adapter("task", config="lora")
    model.train_adapter("task")

    assert {name.partition(".")[0] for name, each in model.named_parameters() if each.requires_grad} == {
        "vision_model",
        "classifier",
    }
    with pytest.raises(EmbeddingsError, match="has no token embeddings"):
        model.add_embeddings("more", made_tokenizer())
