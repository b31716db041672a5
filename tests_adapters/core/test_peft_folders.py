"""Folders of PEFT: what it wrote gives its numbers here, and what is written here gives the same numbers there."""

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf
from accelerate.big_modeling import cpu_offload
from safetensors.torch import load_file, save_file
from torch import nn

import generated
from generated.core.configuration import DoRAConfig, IA3Config, LoRAConfig, MTLLoRAConfig, SeqBnConfig, VeraConfig
from generated.core.errors import (
    AdapterConfigError,
    AdapterError,
    AdapterFileError,
    UnsupportedCompositionError,
    UnsupportedMethodError,
)
from tests_adapters.core.zoo import add_random, assert_identical, build, call, differ, fresh, inputs_for, tree


peft = pytest.importorskip("peft")

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
TARGETS = {
    "bert": ["query", "value"],
    "gpt2": ["c_attn", "c_proj"],
    "gpt_neo": ["q_proj", "out_proj"],
    "llama": "all-linear",
    "t5": r".*(SelfAttention|EncDecAttention)\.(q|v)",
    "vit": ["q_proj", "v_proj"],
}
each_target = pytest.mark.parametrize("architecture", TARGETS)


def randomise(model: nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".lora_" in name or ".ia3_" in name or "modules_to_save" in name:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))


def written_by_peft(architecture: str, folder: Path, config: Any, cls: Any = None) -> nn.Module:
    """A model of PEFT with a random adapter, which it has saved."""
    model = peft.get_peft_model(build(architecture, cls), config)
    randomise(model)
    model.save_pretrained(folder)
    return model.eval()


def read_by_peft(architecture: str, folder: Path, cls: Any = None) -> nn.Module:
    return peft.PeftModel.from_pretrained(build(architecture, cls), folder).eval()


def assert_same(first: nn.Module, second: nn.Module, inputs: Any) -> None:
    for a, b in zip(call(first, inputs), call(second, inputs), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def assert_equal_both_ways(architecture: str, config: Any, folder: Path, cls: Any = None) -> None:
    inputs = inputs_for(architecture, cls)
    theirs, ours = written_by_peft(architecture, folder / "theirs", config, cls), fresh(architecture, cls)
    plain = call(ours, inputs)
    assert ours.load_adapter(folder / "theirs", set_active=True) == "default"
    assert differ(call(ours, inputs), plain)
    assert_same(ours, theirs, inputs)
    ours.save_adapter(folder / "ours", "default", format="peft")
    assert_same(read_by_peft(architecture, folder / "ours", cls), theirs, inputs)


@each_target
def test_lora(architecture: str, tmp_path: Path) -> None:
    config = peft.LoraConfig(r=2, lora_alpha=5, target_modules=TARGETS[architecture])
    assert_equal_both_ways(architecture, config, tmp_path)


@each_target
def test_dora(architecture: str, tmp_path: Path) -> None:
    config = peft.LoraConfig(r=2, lora_alpha=5, target_modules=TARGETS[architecture], use_dora=True)
    assert_equal_both_ways(architecture, config, tmp_path)


def test_dora_of_adapterhub_in_peft(tmp_path: Path) -> None:
    """It is the same where there is no bias; where there is one, PEFT has nothing like it."""
    model, inputs = fresh("llama"), inputs_for("llama")
    add_random(model, "task", DoRAConfig(r=2, alpha=6))
    model.save_adapter(tmp_path, "task", format="peft")
    assert_same(read_by_peft("llama", tmp_path), model, inputs)
    biased = fresh("bert")
    add_random(biased, "task", DoRAConfig(r=2, alpha=6))
    with pytest.raises(UnsupportedMethodError, match="scales the bias, too"):
        biased.save_adapter(tmp_path / "bert", "task", format="peft")
    assert not (tmp_path / "bert").exists()


@each_target
def test_our_files_come_back_from_ours(architecture: str, tmp_path: Path) -> None:
    """Between the two formats nothing is lost."""
    written_by_peft(architecture, tmp_path, peft.LoraConfig(r=2, target_modules=TARGETS[architecture]))
    first, second = fresh(architecture), fresh(architecture)
    first.load_adapter(tmp_path, load_as="task", set_active=True)
    first.save_adapter(tmp_path / "hub", "task")
    second.load_adapter(tmp_path / "hub", set_active=True)
    assert second.adapters_config["task"] == first.adapters_config["task"]
    for a, b in zip(*(call(model, inputs_for(architecture)) for model in (first, second)), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("mode", [{"use_rslora": True}, {"alpha_pattern": {"layer.0.*query": 7, "value": 3}}])
def test_scaling(mode: dict[str, Any], tmp_path: Path) -> None:
    config = peft.LoraConfig(
        r=2, lora_alpha=5, rank_pattern={"key": 3}, target_modules=["query", "key", "value"], **mode
    )
    assert_equal_both_ways("bert", config, tmp_path)


@pytest.mark.parametrize(
    "places",
    [
        {"target_modules": ["query"], "layers_to_transform": [1]},
        {"target_modules": ["dense"], "exclude_modules": "pooler.dense"},
    ],
)
def test_places(places: dict[str, Any], tmp_path: Path) -> None:
    assert_equal_both_ways("bert", peft.LoraConfig(r=2, **places), tmp_path)


@pytest.mark.parametrize("roles", [["q", "v"], ["q", "k", "v"], ["k", "o"]])
@each_target
def test_ours_in_peft(architecture: str, roles: list[str], tmp_path: Path) -> None:
    """Where projections are fused, each part has an A of its own."""
    ours, inputs = fresh(architecture), inputs_for(architecture)
    add_random(ours, "task", LoRAConfig(r=2, alpha=3, attn_matrices=roles, mlp_matrices=["down"], leave_out=[1]))
    ours.save_adapter(tmp_path, "task", format="peft")
    assert_same(read_by_peft(architecture, tmp_path), ours, inputs)
    again = fresh(architecture)
    again.load_adapter(tmp_path, set_active=True)
    assert_same(again, ours, inputs)


@each_target
def test_ia3_in_peft(architecture: str, tmp_path: Path) -> None:
    ours, inputs = fresh(architecture), inputs_for(architecture)
    add_random(ours, "task", IA3Config())
    ours.save_adapter(tmp_path, "task", format="peft")
    assert_same(read_by_peft(architecture, tmp_path), ours, inputs)
    again = fresh(architecture)
    again.load_adapter(tmp_path, set_active=True)
    assert_same(again, ours, inputs)


IA3_PLACES = {
    "bert": {},  # the places that PEFT has for this architecture
    "gpt2": {},
    "gpt_neo": {},
    "llama": {},
    "t5": {},
    "vit": {"target_modules": ["k_proj", "fc2"], "feedforward_modules": ["fc2"]},
}


@each_target
def test_ia3(architecture: str, tmp_path: Path) -> None:
    assert_equal_both_ways(architecture, peft.IA3Config(**IA3_PLACES[architecture]), tmp_path)


def test_ia3_on_the_input_of_some_projections(tmp_path: Path) -> None:
    """PEFT takes "output.dense" for the end of "attention.output.dense", too."""
    ours, inputs = fresh("bert"), inputs_for("bert")
    config = IA3Config(attn_matrices=["o"], mlp_matrices=["up", "down"], scaled_inputs=["down"])
    add_random(ours, "task", config)
    ours.save_adapter(tmp_path, "task", format="peft")
    assert_same(read_by_peft("bert", tmp_path), ours, inputs)
    merged = call(ours, inputs)
    ours.merge_adapter("task")
    torch.testing.assert_close(call(ours, inputs), merged, atol=1e-4, rtol=1e-4)
    with pytest.raises(AdapterConfigError, match=r"scaled_inputs is for"):
        LoRAConfig(scaled_inputs=["down"])
    places = {"target_modules": ["SelfAttention.v", "EncDecAttention.v"], "feedforward_modules": ["EncDecAttention.v"]}
    written_by_peft("t5", tmp_path / "uneven", peft.IA3Config(**places))
    with pytest.raises(AdapterFileError, match="feedforward_modules holds some of the projections v"):
        fresh("t5").load_adapter(tmp_path / "uneven")


@pytest.mark.parametrize("architecture", ["bert", "gpt2"])
def test_factors_of_an_input_as_part_of_a_model(architecture: str) -> None:
    """They learn, and are copied, cast and compiled as other adapters are."""
    model, inputs = fresh(architecture), inputs_for(architecture)
    add_random(model, "task", IA3Config(attn_matrices=["v"], mlp_matrices=["down"], scaled_inputs=["down"]))
    expected = call(model, inputs)
    assert_identical(call(copy.deepcopy(model), inputs), expected)
    assert_identical(call(pickle.loads(pickle.dumps(model)), inputs), expected)
    torch._dynamo.reset()
    torch.testing.assert_close(call(torch.compile(model, fullgraph=True, backend="eager"), inputs), expected)
    model.train_adapter("task")
    model(**inputs).last_hidden_state.sum().backward()
    trained = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert trained == {name for name in model.state_dict() if ".task." in name}
    assert call(model.bfloat16(), inputs)[0].dtype == torch.bfloat16


def test_factors_of_an_input_are_not_stacked(tmp_path: Path) -> None:
    model = fresh("bert")
    for name in ("a", "b"):
        model.add_adapter(name, config=IA3Config(attn_matrices=[], mlp_matrices=["down"], scaled_inputs=["down"]))
    with pytest.raises(UnsupportedCompositionError, match="cannot be stacked"):
        model.set_active_adapters(["a", "b"])
    model.set_active_adapters(generated.Parallel("a", "b"))
    assert call(model, inputs_for("bert"))[0].shape[0] == 4


HEADS = {
    "sequence classification": ("bert", hf.BertForSequenceClassification, {"task_type": "SEQ_CLS"}),
    "named": ("vit", hf.ViTForImageClassification, {"modules_to_save": ["classifier"]}),
    "question answering": ("bert", hf.BertForQuestionAnswering, {"task_type": "QUESTION_ANS"}),
    "part of a head": ("distilbert", hf.DistilBertForSequenceClassification, {"modules_to_save": ["classifier"]}),
    "causal": ("gpt2", hf.GPT2LMHeadModel, {"task_type": "CAUSAL_LM"}),
}


@pytest.mark.parametrize("case", HEADS)
def test_heads(case: str, tmp_path: Path) -> None:
    architecture, cls, options = HEADS[case]
    targets = TARGETS.get(architecture, ["q_lin", "v_lin"])
    assert_equal_both_ways(architecture, peft.LoraConfig(r=2, target_modules=targets, **options), tmp_path, cls)


def test_head_becomes_a_flexible_one(tmp_path: Path) -> None:
    cls, inputs = hf.BertForSequenceClassification, inputs_for("bert")
    theirs = written_by_peft("bert", tmp_path, peft.LoraConfig(r=2, task_type="SEQ_CLS"), cls)
    model = generated.BertAdapterModel(build("bert", cls).config).eval()
    model.bert.load_state_dict(build("bert", cls).bert.state_dict())
    model.load_adapter(tmp_path, load_as="task", set_active=True)
    assert model.active_head == "task"
    torch.testing.assert_close(model(**inputs).logits, theirs(**inputs).logits, atol=1e-4, rtol=1e-4)

    model.save_adapter(tmp_path / "again", "task", format="peft")
    again = generated.BertAdapterModel(model.config).eval()
    again.bert.load_state_dict(build("bert", cls).bert.state_dict())
    again.load_adapter(tmp_path / "again", load_as="task", set_active=True)
    torch.testing.assert_close(again(**inputs).logits, theirs(**inputs).logits, atol=1e-4, rtol=1e-4)


def test_head_of_another_class_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    written_by_peft("bert", tmp_path, peft.LoraConfig(r=2, task_type="SEQ_CLS"), hf.BertForSequenceClassification)
    model = fresh("bert", hf.BertForTokenClassification)
    with caplog.at_level("WARNING", logger="generated"):
        assert model.load_adapter(tmp_path) == "default"
    assert "holds the head of BertForSequenceClassification" in caplog.text


REFUSALS = {
    "module": ({"target_modules": ["query", "pooler.dense"]}, r"adapts modules.*pooler\.dense"),
    "saved base": ({"target_modules": ["query"], "modules_to_save": ["pooler"]}, r"parts of the base model.*pooler"),
    "bias": ({"target_modules": ["query"], "bias": "all"}, "bias='all'"),
    "bias of B": ({"target_modules": ["query"], "lora_bias": True}, "lora_bias=True"),
    "initialisation": ({"target_modules": ["query"], "init_lora_weights": "pissa"}, "init_lora_weights='pissa'"),
    "uneven": ({"target_modules": r".*(0.*query|1.*value)"}, "different modules in different layers"),
    "embedding": ({"target_modules": ["word_embeddings"]}, "parts of the base model"),
    "tokens": ({"target_modules": ["query"], "trainable_token_indices": [1]}, "trainable_token_indices"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_read_is_named(case: str, tmp_path: Path) -> None:
    options, message = REFUSALS[case]
    written_by_peft("bert", tmp_path, peft.LoraConfig(r=2, **options))
    model = fresh("bert")
    before = tree(model)
    with pytest.raises(AdapterFileError, match=message):
        model.load_adapter(tmp_path)
    assert tree(model) == before


def test_other_methods_of_peft_are_named(tmp_path: Path) -> None:
    written_by_peft("bert", tmp_path, peft.LoHaConfig(r=2, target_modules=["query"]))
    with pytest.raises(AdapterFileError, match="type 'LOHA'"):
        fresh("bert").load_adapter(tmp_path)


def test_regular_expressions_that_take_for_ever_are_refused(tmp_path: Path) -> None:
    written_by_peft("bert", tmp_path, peft.LoraConfig(r=2, target_modules=["query"]))
    stored = json.loads((tmp_path / CONFIG).read_text())
    for expression in ("(a+)+b", ".*.*.*.*.*b", "("):
        (tmp_path / CONFIG).write_text(json.dumps(stored | {"alpha_pattern": {expression: 3}}))
        with pytest.raises(AdapterFileError, match="alpha_pattern has"):
            fresh("bert").load_adapter(tmp_path)


def test_missing_part_is_noticed(tmp_path: Path) -> None:
    written_by_peft("bert", tmp_path, peft.LoraConfig(r=2, target_modules=["query"]))
    weights = load_file(tmp_path / WEIGHTS)
    weights.pop(next(key for key in weights if "lora_A" in key))
    save_file(weights, tmp_path / WEIGHTS)
    with pytest.raises(AdapterFileError, match="lacks a part of the weights"):
        fresh("bert").load_adapter(tmp_path)


def test_offloaded_weights_are_brought_to_be_written(tmp_path: Path) -> None:
    ours, inputs = fresh("bert"), inputs_for("bert")
    add_random(ours, "task", LoRAConfig(r=2))
    expected = call(ours, inputs)
    cpu_offload(ours, torch.device("cpu"))
    ours.save_adapter(tmp_path, "task", format="peft")
    torch.testing.assert_close(call(read_by_peft("bert", tmp_path), inputs), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "config", [SeqBnConfig(), LoRAConfig(use_gating=True), VeraConfig(), MTLLoRAConfig(n_up_projection=2)]
)
def test_what_peft_has_not_is_not_written(config: Any, tmp_path: Path) -> None:
    model = fresh("bert")
    model.add_adapter("task", config=config)
    with pytest.raises(UnsupportedMethodError, match="PEFT has no counterpart"):
        model.save_adapter(tmp_path, "task", format="peft")
    assert not list(tmp_path.iterdir())


def test_dora_is_not_measured_on_merged_weights(tmp_path: Path) -> None:
    ours, inputs = fresh("llama"), inputs_for("llama")
    add_random(ours, "task", DoRAConfig(r=2, alpha=4, attn_matrices=["q"]))
    expected = call(ours, inputs)
    ours.merge_adapter("task")
    with pytest.raises(UnsupportedMethodError, match=r"reset_adapter\(\)"):
        ours.save_adapter(tmp_path, "task", format="peft")
    ours.reset_adapter()
    ours.save_adapter(tmp_path, "task", format="peft")
    torch.testing.assert_close(call(read_by_peft("llama", tmp_path), inputs), expected, atol=1e-4, rtol=1e-4)


def test_pickles_only_when_asked_for(tmp_path: Path) -> None:
    theirs = peft.get_peft_model(build("bert"), peft.LoraConfig(r=2, target_modules=["query"]))
    theirs.save_pretrained(tmp_path, safe_serialization=False)
    with pytest.raises(AdapterError, match="allow_pickle"):
        fresh("bert").load_adapter(tmp_path)
    assert fresh("bert").load_adapter(tmp_path, allow_pickle=True) == "default"


def test_trained_by_transformers_own_integration(tmp_path: Path) -> None:
    theirs, ours = build("llama"), fresh("llama")
    theirs.add_adapter(peft.LoraConfig(r=2, init_lora_weights=False))
    theirs.save_pretrained(tmp_path)
    ours.load_adapter(tmp_path, set_active=True)
    assert_same(ours, theirs.eval(), inputs_for("llama"))
