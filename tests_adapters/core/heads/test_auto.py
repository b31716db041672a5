"""One class that loads any checkpoint into the adapter model of its architecture."""

import subprocess
import sys
from pathlib import Path

import pytest
from transformers import BertConfig, PreTrainedConfig, RoFormerConfig

import generated
from generated.core.auto import AutoAdapterModel, adapter_model_class
from generated.core.errors import UnsupportedModelError
from generated.models import ADAPTER_MODEL_MAPPING_NAMES
from tests_adapters.core.heads import tiny
from tests_adapters.core.heads.random_models import adapter_model


@pytest.mark.parametrize("model_type", ADAPTER_MODEL_MAPPING_NAMES)
def test_every_registered_class_exists(model_type: str) -> None:
    found = adapter_model_class(model_type)

    assert found.__name__ == ADAPTER_MODEL_MAPPING_NAMES[model_type]
    assert found.config_class.model_type == model_type


@pytest.mark.parametrize("config", [tiny.BERT, tiny.GPT_NEO, tiny.VIT], ids=lambda config: config.model_type)
def test_from_config_and_from_checkpoint(config: PreTrainedConfig, tmp_path: Path) -> None:
    model = AutoAdapterModel.from_config(config)
    model.save_pretrained(tmp_path)

    loaded = AutoAdapterModel.from_pretrained(tmp_path)

    assert type(loaded) is type(model) is adapter_model_class(config.model_type)


def test_arguments_reach_the_model(tmp_path: Path) -> None:
    adapter_model(tiny.BERT).save_pretrained(tmp_path)

    model, report = AutoAdapterModel.from_pretrained(
        tmp_path, output_loading_info=True, attn_implementation="eager", hidden_dropout_prob=0.25
    )

    assert model.config._attn_implementation == "eager"
    assert model.config.hidden_dropout_prob == 0.25
    assert not report["missing_keys"]


def test_a_config_can_be_given(tmp_path: Path) -> None:
    adapter_model(tiny.BERT).save_pretrained(tmp_path)
    config = BertConfig.from_pretrained(tmp_path, hidden_dropout_prob=0.5)

    assert AutoAdapterModel.from_pretrained(tmp_path, config=config).config.hidden_dropout_prob == 0.5


@pytest.mark.usefixtures("without_providers")
def test_an_architecture_without_module_names_the_command() -> None:
    with pytest.raises(UnsupportedModelError, match="adaptergen add-model roformer"):
        AutoAdapterModel.from_config(RoFormerConfig())


def test_former_names(tmp_path: Path) -> None:
    with pytest.warns(FutureWarning, match="BertModelWithHeads is called BertAdapterModel now"):
        assert generated.BertModelWithHeads is generated.BertAdapterModel
    with pytest.raises(AttributeError, match="NoSuchModelWithHeads"):
        _ = generated.NoSuchModelWithHeads
    with pytest.warns(FutureWarning, match="AutoModelWithHeads is called AutoAdapterModel now"):
        model = generated.AutoModelWithHeads.from_config(tiny.BERT)
    model.save_pretrained(tmp_path)
    with pytest.warns(FutureWarning, match="AutoModelWithHeads is called AutoAdapterModel now"):
        assert type(generated.AutoModelWithHeads.from_pretrained(tmp_path)) is generated.BertAdapterModel


def test_it_has_no_instances() -> None:
    with pytest.raises(TypeError, match="from_pretrained"):
        AutoAdapterModel()


def test_no_architecture_is_imported_before_it_is_used() -> None:
    script = (
        "import sys; from generated.core.auto import adapter_model_class\n"
        "def loaded(): return sorted(n.split('.')[2] for n in sys.modules if n.endswith('.adapter_model'))\n"
        "assert loaded() == [], loaded()\n"
        "assert not any('.modeling_' in name and name.startswith(('generated.', 'transformers.models.bert')) "
        "for name in sys.modules)\n"
        "adapter_model_class('gpt2')\n"
        "assert loaded() == ['gpt2'], loaded()\n"
    )

    subprocess.run([sys.executable, "-c", script], check=True)
