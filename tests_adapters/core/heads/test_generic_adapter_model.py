"""Adapter models that are made when they are asked for: of classes of one's own, and of others in a known file."""

import copy
import inspect
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import (
    CONFIG_MAPPING,
    MODEL_MAPPING,
    AutoConfig,
    AutoModel,
    BertConfig,
    BertForMaskedLM,
    BertModel,
    GPT2Config,
    GPT2Model,
    PreTrainedConfig,
    RoFormerConfig,
    T5Config,
    T5EncoderModel,
    T5Model,
    ViTConfig,
    ViTModel,
)

from generated import BertAdapterModel, T5AdapterModel
from generated.core.auto import AutoAdapterModel
from generated.core.errors import UnsupportedModelError
from tests_adapters.core.heads import tiny
from tests_adapters.core.heads.examples import BATCH, example_inputs, example_prompts, text
from tests_adapters.core.heads.random_models import randomize


class OwnBertConfig(BertConfig):
    model_type = "own-bert"


class OwnBertModel(BertModel):
    """Halves what BERT returns."""

    config_class = OwnBertConfig

    def forward(self, input_ids=None, attention_mask=None, **kwargs):
        output = super().forward(input_ids, attention_mask, **kwargs)
        output["last_hidden_state"] = output.last_hidden_state / 2
        return output


class OwnT5Config(T5Config):
    model_type = "own-t5"


class OwnT5Model(T5Model):
    config_class = OwnT5Config


class EncoderConfig(T5Config):
    model_type = "own-t5-encoder"


class EncoderModel(T5EncoderModel):
    config_class = EncoderConfig


class OwnGPT2Config(GPT2Config):
    model_type = "own-gpt2"


class OwnGPT2Model(GPT2Model):
    config_class = OwnGPT2Config


class OwnViTConfig(ViTConfig):
    model_type = "own-vit"


class OwnViTModel(ViTModel):
    config_class = OwnViTConfig


OWN = {
    OwnBertConfig: OwnBertModel,
    OwnT5Config: OwnT5Model,
    EncoderConfig: EncoderModel,
    OwnGPT2Config: OwnGPT2Model,
    OwnViTConfig: OwnViTModel,
}


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    for config_class, model_class in OWN.items():
        AutoConfig.register(config_class.model_type, config_class)
        AutoModel.register(config_class, model_class)
    yield
    for config_class in OWN:
        del CONFIG_MAPPING._extra_content[config_class.model_type]
        del MODEL_MAPPING._extra_content[config_class]


def config(config_class: type[PreTrainedConfig], like: PreTrainedConfig) -> PreTrainedConfig:
    values = like.to_dict()
    values.pop("model_type")
    return config_class(**values)


def build(config_class: type[PreTrainedConfig], like: PreTrainedConfig):
    model = AutoAdapterModel.from_config(config(config_class, like)).eval()
    randomize(model)
    return model


def test_a_class_of_ones_own_has_the_heads_of_the_one_it_derives_from() -> None:
    model = build(OwnBertConfig, tiny.BERT)

    assert type(model).__name__ == "OwnBertAdapterModel"
    assert type(model.base_model).__name__ == "OwnBertModel"
    assert (model.head_types, model.sentence_source) == (BertAdapterModel.head_types, BertAdapterModel.sentence_source)
    names = list(inspect.signature(model.forward).parameters)
    assert names[:2] == ["input_ids", "attention_mask"]
    assert {"labels", "start_positions", "word_starts", "head"} <= set(names)


def test_adapters_and_heads_act(tmp_path: Path) -> None:
    model, inputs = build(OwnBertConfig, tiny.BERT), example_inputs("classification", tiny.BERT, 2)
    model.add_adapter("task", config="double_seq_bn")
    model.add_classification_head("task")
    randomize(model)
    without = model(**inputs).logits
    model.set_active_adapters("task")
    output = model(inputs["input_ids"], inputs["attention_mask"], labels=inputs["labels"])

    assert (output.logits - without).abs().max() > 1e-3
    assert output.loss is not None
    model.save_pretrained(tmp_path)
    loaded = AutoAdapterModel.from_pretrained(tmp_path).eval()
    loaded.set_active_adapters("task")
    assert type(loaded) is type(model)
    assert torch.equal(loaded(**inputs).logits, output.logits)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies(duplicate) -> None:
    model, inputs = build(OwnBertConfig, tiny.BERT), text(tiny.BERT, BATCH)
    model.add_tagging_head("tags")

    other = duplicate(model)

    assert type(other) is type(model)
    assert torch.equal(other(**inputs).logits, model(**inputs).logits)


def test_hidden_states_are_scaled_as_in_the_class_it_derives_from() -> None:
    model = build(OwnT5Config, tiny.T5)
    original = T5AdapterModel(tiny.T5).eval()
    for each in (model, original):
        each.add_seq2seq_lm_head("lm")
        randomize(each)
    inputs = example_inputs("seq2seq_lm", tiny.T5)

    torch.testing.assert_close(model(**inputs).logits, original(**inputs).logits)
    assert model.generate(**example_prompts(tiny.T5), max_new_tokens=3).shape[0] == BATCH


def test_heads_follow_from_what_the_base_model_reads_and_returns() -> None:
    encoder = build(EncoderConfig, tiny.T5)
    assert "masked_lm" in encoder.head_types
    assert encoder.sentence_source == "first_token"
    encoder.add_tagging_head("tags", num_labels=5)
    assert encoder(**text(tiny.T5, BATCH)).logits.shape == (BATCH, 8, 5)

    decoder = build(OwnGPT2Config, tiny.GPT2)
    decoder.add_causal_lm_head("lm")
    assert decoder.generate(**example_prompts(tiny.GPT2), max_new_tokens=3).shape[0] == BATCH

    assert build(OwnViTConfig, tiny.VIT).head_types == ("image_classification",)


def test_a_fixed_head_of_a_checkpoint_stays_behind(tmp_path: Path) -> None:
    """The conversion table knows classes by their names: one of another model is not converted."""
    static = BertForMaskedLM(tiny.BERT)
    static.save_pretrained(tmp_path)

    model = AutoAdapterModel.from_pretrained(tmp_path, config=config(OwnBertConfig, tiny.BERT))

    own, saved = model.base_model.state_dict(), static.bert.state_dict()
    assert all(torch.equal(own[name], tensor) for name, tensor in saved.items())


@pytest.mark.usefixtures("without_providers")
def test_what_init_does_not_take_names_the_command() -> None:
    with pytest.raises(UnsupportedModelError, match="adaptergen add-model roformer"):
        AutoAdapterModel.from_config(RoFormerConfig(num_hidden_layers=1, hidden_size=8, num_attention_heads=2))
