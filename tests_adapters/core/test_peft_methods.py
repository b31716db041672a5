"""Methods that transformers has for PEFT: on a model that takes our adapters, they go on working for both kinds."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertForSequenceClassification, BertModel, LlamaForCausalLM

import generated
from generated.core.errors import UnknownAdapterError
from tests_adapters.core.zoo import add_random, assert_identical, build, call, differ, fresh, inputs_for


peft = pytest.importorskip("peft")

INPUTS = inputs_for("llama")


def lora() -> Any:
    return peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)


def llama_with_both(first: str) -> Any:
    """A model with "ours" and "theirs", one of which was there first."""
    model = build("llama", LlamaForCausalLM)
    if first == "theirs":
        torch.manual_seed(1)
        model.add_adapter(lora(), "theirs")
    generated.init(model)
    add_random(model, "ours", generated.LoRAConfig(r=2, attn_matrices=["q", "k"]))
    if first == "ours":
        torch.manual_seed(1)
        model.add_adapter(lora(), adapter_name="theirs")
    return model


each_order = pytest.mark.parametrize("first", ["ours", "theirs"])


@each_order
def test_both_at_once(first: str) -> None:
    """On the same projections, whichever came first."""
    model, plain = llama_with_both(first), call(build("llama", LlamaForCausalLM), INPUTS)
    both = call(model, INPUTS)
    model.set_active_adapters(None)
    theirs = call(model, INPUTS)
    model.disable_adapters()
    assert_identical(call(model, INPUTS), plain)
    model.set_active_adapters("ours")
    ours = call(model, INPUTS)
    assert all(differ(a, b) for a, b in [(both, ours), (both, theirs), (ours, theirs), (ours, plain)])
    model.enable_adapters()
    assert_identical(call(model, INPUTS), both)


@each_order
def test_ours_are_saved_under_their_usual_names(first: str, tmp_path: Path) -> None:
    model, loaded = llama_with_both(first), fresh("llama", LlamaForCausalLM)
    model.save_adapter(tmp_path, "ours")
    loaded.load_adapter(tmp_path, set_active=True)
    model.disable_adapters()
    model.set_active_adapters("ours")
    assert_identical(call(loaded, INPUTS), call(model, INPUTS))

    again = llama_with_both(first)
    before = call(again, INPUTS)
    again.load_adapter(tmp_path, set_active=True)
    torch.testing.assert_close(call(again, INPUTS), before)


@each_order
def test_theirs_are_saved_and_loaded_as_usual(first: str, tmp_path: Path) -> None:
    """By transformers' own methods, while one of ours is active, too."""
    model = llama_with_both(first)
    model.save_pretrained(tmp_path)
    assert (tmp_path / "adapters" / "ours").is_dir()
    plain, loaded = build("llama", LlamaForCausalLM), generated.init(build("llama", LlamaForCausalLM))
    plain.load_adapter(str(tmp_path), adapter_name="theirs")
    loaded.load_adapter(str(tmp_path), "theirs")
    model.set_active_adapters(None)
    assert loaded.active_adapters() == ["theirs"]
    assert not loaded.has_adapters()
    for other in (plain, loaded):
        assert_identical(call(other.eval(), INPUTS), call(model, INPUTS))


@each_order
def test_state_dicts(first: str) -> None:
    model = llama_with_both(first)
    assert all("loras.ours" in name for name in model.get_adapter_state_dict("ours"))
    theirs = model.get_adapter_state_dict()
    assert theirs.keys() == model.get_adapter_state_dict("theirs").keys()
    assert len(theirs) == 8
    assert model.active_adapters == generated.Stack("ours")


@each_order
def test_set_adapter(first: str) -> None:
    model = llama_with_both(first)
    model.add_adapter(lora(), "more")
    model.set_adapter("theirs")
    assert model.active_adapters == generated.Stack("ours")
    model.set_active_adapters(None)
    assert model.active_adapters() == ["theirs"]
    model.set_adapter("ours")
    assert model.active_adapters == generated.Stack("ours")
    with pytest.raises(UnknownAdapterError, match="nobody"):
        model.set_adapter("nobody")


@each_order
def test_deleting_several(first: str) -> None:
    model = llama_with_both(first)
    with pytest.raises(UnknownAdapterError):
        model.delete_adapter(["ours", "theirs", "nobody"])
    assert list(model.adapters_config) == ["ours"]
    model.delete_adapter(adapter_names=["ours", "theirs"])
    assert not model.has_adapters()
    assert_identical(call(model, INPUTS), call(build("llama", LlamaForCausalLM), INPUTS))


def test_ours_are_switched_off_and_on() -> None:
    model = fresh("bert")
    add_random(model, "a", "lora")
    add_random(model, "b", "seq_bn")
    model.set_active_adapters(generated.Stack("a", "b"), skip_layers=[0])
    before = call(model, inputs_for("bert"))
    model.disable_adapters()
    assert model.active_adapters is None
    model.enable_adapters()
    assert_identical(call(model, inputs_for("bert")), before)
    model.disable_adapters()
    model.delete_adapter("a")
    model.enable_adapters()
    assert model.active_adapters == generated.Stack("b")
    model.disable_adapters()
    model.set_adapter(["b"])
    model.enable_adapters()
    assert model.active_adapters == generated.Stack("b")


class Polyglot(BertModel):
    """As models of speech: `load_adapter` means a language, and is called with its name."""

    def load_adapter(self, target_lang: str, force_load: bool = True, **kwargs: Any) -> str:
        return f"{target_lang}, {force_load}"


def test_models_with_a_load_adapter_of_their_own(tmp_path: Path) -> None:
    model = generated.init(Polyglot(build("bert").config))
    assert model.load_adapter("fra") == "fra, True"
    assert model.load_adapter("fra", force_load=False) == "fra, False"
    assert model.load_adapter(target_lang="fra") == "fra, True"
    model.add_adapter("task", config="lora")
    model.save_adapter(tmp_path, "task")
    assert model.load_adapter(tmp_path) == model.load_adapter(str(tmp_path)) == "task"


def test_checkpoints_of_peft_through_from_pretrained(tmp_path: Path) -> None:
    """transformers finds the adapter in the folder, and calls `load_adapter` as it always does."""
    base = build("bert", BertForSequenceClassification)
    base.save_pretrained(tmp_path / "base")
    base.name_or_path = str(tmp_path / "base")
    model = peft.get_peft_model(base, peft.LoraConfig(r=2, target_modules=["query"], init_lora_weights=False))
    model.save_pretrained(tmp_path / "adapter")
    loaded = BertForSequenceClassification.from_pretrained(tmp_path / "adapter", attn_implementation="eager").eval()
    generated.init(loaded)
    assert loaded.active_adapters() == ["default"]
    expected = model.eval()(**inputs_for("bert")).logits
    torch.testing.assert_close(loaded(**inputs_for("bert")).logits, expected)
