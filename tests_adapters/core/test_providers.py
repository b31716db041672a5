"""Architectures that no project has: what adaptergen generates when a model needs it, and what is kept of it."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    PreTrainedModel,
    ResNetConfig,
    ResNetModel,
    ShieldGemma2Config,
    ShieldGemma2ForImageClassification,
    StableLmConfig,
    StableLmForCausalLM,
    StableLmForSequenceClassification,
    StableLmModel,
)

import generated
from adaptergen import package_cache
from adaptergen.verify.tiny import tiny_config
from generated.core import integrations, providers
from generated.core.errors import StaleModuleError, UnsupportedModelError
from tests_adapters.core.zoo import TEXT, add_random


SIZES = {"vocab_size": 61, "max_position_embeddings": 40, "hidden_size": 32, "intermediate_size": 48}
LAYERS = {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
STABLELM = StableLmConfig(**SIZES, **LAYERS, bos_token_id=1, eos_token_id=2, pad_token_id=0)
TOKENS = torch.tensor([[5, 6, 7, 8]])


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing was ever generated, and nothing is remembered; Python writes bytecode, as it does for most people."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setenv("ADAPTERGEN_CACHE", str(tmp_path / "cache"))
    for name in ("_folders", "_packages", "_refusals"):
        monkeypatch.setattr(providers, name, {})
    return tmp_path / "cache"


def own_heads(model: PreTrainedModel) -> torch.Tensor:
    return model.eval()(TOKENS).logits


def test_init_generates_what_no_project_has(empty_cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="generated.core.providers"):
        model = generated.init(StableLmForCausalLM(copy.deepcopy(STABLELM)))
        generated.init(StableLmModel(copy.deepcopy(STABLELM)))

    assert [record.getMessage().partition("transformers 5")[0] for record in caplog.records] == [
        "adapters for transformers.models.stablelm.modeling_stablelm of "
    ]
    assert "`adaptergen add-model stablelm` writes them into your project" in caplog.text
    before = own_heads(model)
    add_random(model, "task", "lora")
    assert not torch.equal(own_heads(model), before)
    model.set_active_adapters(None)
    assert torch.equal(own_heads(model), before)
    (folder,) = empty_cache.glob("stablelm_*")
    assert {path.name for path in folder.iterdir() if path.suffix != ".py"} == {"manifest.json", "plan.toml"}
    assert package_cache.find(folder.name) is not None


def test_a_model_that_calls_a_whole_one_with_a_head_its_base() -> None:
    config = tiny_config(ShieldGemma2Config)
    model = generated.init(ShieldGemma2ForImageClassification(config)).eval()
    tokens = torch.cat([torch.full((1, config.mm_tokens_per_image), config.image_token_index), TOKENS], dim=1)
    pictures = torch.rand(1, 3, config.vision_config.image_size, config.vision_config.image_size)
    before = model(input_ids=tokens, pixel_values=pictures).logits
    add_random(model, "task", "lora")

    assert not torch.equal(model(input_ids=tokens, pixel_values=pictures).logits, before)
    assert model.base_model is model
    generated.deinit(model)
    assert type(model) is ShieldGemma2ForImageClassification
    assert torch.equal(model(input_ids=tokens, pixel_values=pictures).logits, before)


def test_a_pickled_model_is_read_by_another_process(tmp_path: Path) -> None:
    model = generated.init(StableLmForCausalLM(copy.deepcopy(STABLELM)))
    add_random(model, "task", "lora")
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))

    script = "import pickle, sys, torch; model = pickle.load(open(sys.argv[1], 'rb')).eval()\n"
    script += f"torch.save(model(torch.{TOKENS}).logits, sys.argv[2])"
    arguments = [str(tmp_path / "model.pickle"), str(tmp_path / "logits.pt")]
    subprocess.run([sys.executable, "-c", script, *arguments], check=True, env=dict(os.environ))

    assert torch.equal(torch.load(tmp_path / "logits.pt"), own_heads(model))
    assert torch.equal(own_heads(copy.deepcopy(model)), own_heads(model))


def test_heads_of_checkpoints_are_converted(tmp_path: Path) -> None:
    config = copy.deepcopy(STABLELM)
    config.num_labels = 3
    fixed = StableLmForSequenceClassification(config).eval()
    fixed.save_pretrained(tmp_path)

    flexible = generated.AutoAdapterModel.from_pretrained(tmp_path).eval()

    assert type(flexible).__name__ == "StableLmAdapterModel"
    assert torch.allclose(flexible(TOKENS).logits, fixed(TOKENS).logits, atol=1e-6)


def test_a_head_is_saved_and_loaded(tmp_path: Path) -> None:
    fixed = generated.init(StableLmForSequenceClassification(copy.deepcopy(STABLELM)))
    fixed.save_head(tmp_path)
    flexible = generated.AutoAdapterModel.from_config(copy.deepcopy(STABLELM))
    flexible.load_head(tmp_path, load_as="task")

    assert torch.equal(flexible.heads["task"].state_dict()["1.weight"], fixed.score.weight)


def test_a_stale_package_is_generated_anew(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plan = integrations._read_plan

    def stale(package: str) -> dict:
        found = dict(plan(package))
        return found | {"source": found["source"] | {"sha256": "0"}} if package == "generated.models.bert" else found

    monkeypatch.setattr(integrations, "_read_plan", stale)
    integrations.load_integration.cache_clear()
    with caplog.at_level(logging.WARNING, logger="generated.core.providers"):
        model = generated.init(BertModel(BertConfig(**TEXT)))
    assert "`adaptergen update --all` brings it up to date" in caplog.text
    adapter_model = generated.AutoAdapterModel.from_config(BertConfig(**TEXT))
    with pytest.raises(StaleModuleError, match="`adaptergen update --all`"):
        generated.BertAdapterModel(BertConfig(**TEXT))  # it is the project's own, and no other
    integrations.load_integration.cache_clear()

    assert providers.architecture_of(model.model_package) == "bert"
    assert model.model_package != "generated.models.bert"
    assert type(adapter_model).__module__ == f"{model.model_package}.adapter_model"


def test_what_cannot_be_generated_says_why() -> None:
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1])
    for _ in range(2):
        with pytest.raises(UnsupportedModelError, match=r"modeling_resnet: .*attention.* \(transformers/.*\.py:\d+\)"):
            generated.init(ResNetModel(config))


def test_a_class_of_ones_own_takes_the_package_of_the_one_above() -> None:
    class Own(StableLmModel):
        """Written by a user."""

        def forward(self, *args: object, **kwargs: object) -> object:
            return super().forward(*args, **kwargs)

    model = generated.init(Own(copy.deepcopy(STABLELM)))
    add_random(model, "task", "lora")
    assert providers.architecture_of(model.model_package) == "stablelm"


def test_names_that_no_provider_gave_are_not_found(empty_cache: Path) -> None:
    for name in ("stablelm_0123456789ab", "no_such_model_0123456789ab", "stablelm"):
        with pytest.raises(ModuleNotFoundError):
            __import__(f"generated.models.{name}")


def test_providers_of_other_packages_are_asked(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def provide(module: str, file: str) -> Path:
        raise ValueError(f"{Path(file).name} is not to be changed")

    monkeypatch.setattr(providers, "providers", lambda: (types.SimpleNamespace(provide=provide),))
    with pytest.raises(
        UnsupportedModelError, match=r"stablelm.modeling_stablelm: modeling_stablelm.py is not to be changed"
    ):
        generated.init(StableLmModel(copy.deepcopy(STABLELM)))
