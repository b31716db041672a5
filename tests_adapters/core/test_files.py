"""Adapters on disk: they come back equal, in any class around the same base model, or not at all."""

import json
from pathlib import Path

import pytest
import torch
from accelerate.big_modeling import cpu_offload
from safetensors.torch import load_file
from transformers import (
    BartForCausalLM,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    LlamaForCausalLM,
    LlamaForQuestionAnswering,
    LlamaModel,
    PreTrainedModel,
)

import generated
from generated.core.configuration import ConfigUnion, LoRAConfig, SeqBnConfig
from generated.core.errors import UnknownAdapterError
from generated.core.version import VERSION
from tests_adapters.core.zoo import (
    LANGUAGE_MODELS,
    METHODS,
    add_random,
    assert_identical,
    build,
    build_adapted,
    call,
    each_architecture,
    each_method,
    fresh,
    inputs_for,
)


WEIGHTS, CONFIG = "adapter.safetensors", "adapter_config.json"


@pytest.mark.parametrize("load_as", [None, "renamed"], ids=["same-name", "renamed"])
@each_method
@each_architecture
def test_same_numbers_after_a_round_trip(architecture: str, method: str, load_as: str | None, tmp_path: Path) -> None:
    saved, loaded, inputs = build_adapted(architecture, method), fresh(architecture), inputs_for(architecture)
    saved.save_adapter(tmp_path, method)

    name = loaded.load_adapter(tmp_path, load_as=load_as, set_active=True)

    assert name == (load_as or method)
    assert loaded.adapters_config[name] == saved.adapters_config[method]
    assert_identical(call(loaded, inputs), call(saved, inputs))


@pytest.mark.parametrize(
    ("architecture", "first", "second"),
    [
        ("bert", BertModel, BertForSequenceClassification),
        ("bert", BertForSequenceClassification, BertModel),
        ("bert", BertForMaskedLM, BertForTokenClassification),
        ("llama", LlamaForQuestionAnswering, LlamaForCausalLM),
        ("llama", LlamaModel, LlamaForQuestionAnswering),
    ],
)
def test_any_class_reads_what_any_other_wrote(
    architecture: str, first: type[PreTrainedModel], second: type[PreTrainedModel], tmp_path: Path
) -> None:
    for method in METHODS:
        saved, loaded = build_adapted(architecture, method, first), fresh(architecture, second)
        loaded.base_model.load_state_dict(saved.base_model.state_dict(), strict=False)
        folder = tmp_path / method
        saved.save_adapter(folder, method, with_head=False)
        loaded.load_adapter(folder, set_active=True)
        hidden = [model.base_model(**inputs_for(architecture)).last_hidden_state for model in (saved, loaded)]
        assert torch.equal(*hidden), method


def test_names_start_with_the_base_model(tmp_path: Path) -> None:
    build_adapted("bert", "lora", BertForSequenceClassification).save_adapter(tmp_path / "head", "lora")
    build_adapted("bert", "lora").save_adapter(tmp_path / "base", "lora")
    with_prefix, without = (set(load_file(tmp_path / part / WEIGHTS)) for part in ("head", "base"))
    assert with_prefix == {f"bert.{name}" for name in without}


def test_decoder_reads_its_part_of_an_encoder_decoder(tmp_path: Path) -> None:
    saved = build_adapted("bart", "lora", LANGUAGE_MODELS["bart"])
    saved.save_adapter(tmp_path, "lora")
    loaded = fresh("bart", BartForCausalLM)
    loaded.load_adapter(tmp_path)
    assert all(
        torch.equal(tensor, saved.state_dict()[name])
        for name, tensor in loaded.state_dict().items()
        if ".loras." in name
    )


def test_replacing_an_adapter_keeps_it_active(tmp_path: Path) -> None:
    saved, model, inputs = build_adapted("bert", "lora"), fresh("bert"), inputs_for("bert")
    saved.save_adapter(tmp_path, "lora")
    add_random(model, "lora", SeqBnConfig(reduction_factor=4))
    model.load_adapter(tmp_path)
    assert model.active_adapters == generated.Stack("lora")
    assert isinstance(model.adapters_config["lora"], LoRAConfig)
    assert_identical(call(model, inputs), call(saved, inputs))


@each_method
@pytest.mark.parametrize("architecture", ["bert", "bart"])
def test_leave_out_on_loading(architecture: str, method: str, tmp_path: Path) -> None:
    """Layers left out now and layers left out before; prefixes of all layers are rows of one tensor."""
    saved, loaded, inputs = build_adapted(architecture, method), fresh(architecture), inputs_for(architecture)
    every, left = set(saved.get_adapter(method)) - {-1}, [0] if architecture == "bert" else [0, 3]
    saved.save_adapter(tmp_path, method)
    loaded.load_adapter(tmp_path, set_active=True, leave_out=left[:1])
    loaded.save_adapter(tmp_path / "again", method)
    loaded.load_adapter(tmp_path / "again", leave_out=left[1:])
    assert set(loaded.get_adapter(method)) - {-1} == every - set(left)
    saved.set_active_adapters(method, skip_layers=left)
    assert_identical(call(loaded, inputs), call(saved, inputs))


def test_leave_out_reaches_the_parts_of_a_union(tmp_path: Path) -> None:
    saved, loaded = fresh("bert"), fresh("bert")
    saved.add_adapter("both", config=ConfigUnion(SeqBnConfig(reduction_factor=8), LoRAConfig(r=2, leave_out=[0])))
    saved.save_adapter(tmp_path, "both")
    loaded.load_adapter(tmp_path, leave_out=[0])
    assert loaded.get_adapter("both").keys() == {1}
    assert [part.leave_out for part in loaded.adapters_config["both"].parts] == [[0], [0]]


def test_weights_decide_where_lora_sits(tmp_path: Path) -> None:
    """Files of AdapterHub set the flag of one projection and hold weights of another."""
    saved, loaded = fresh("llama"), fresh("llama")
    add_random(saved, "task", LoRAConfig(r=2, mlp_matrices=["down"]))
    saved.save_adapter(tmp_path, "task")
    stored = json.loads((tmp_path / CONFIG).read_text())
    del stored["config"]["mlp_matrices"]
    stored["config"]["intermediate_lora"] = True
    (tmp_path / CONFIG).write_text(json.dumps(stored))

    loaded.load_adapter(tmp_path, set_active=True)
    assert loaded.adapters_config["task"].mlp_matrices == ["down"]
    assert_identical(call(loaded, inputs_for("llama")), call(saved, inputs_for("llama")))


@pytest.mark.parametrize("architecture", LANGUAGE_MODELS)
def test_save_pretrained(architecture: str, tmp_path: Path) -> None:
    """The base is a plain checkpoint of transformers; adapters are in folders of their own."""
    cls = LANGUAGE_MODELS[architecture]
    plain, model = build(architecture, cls), generated.init(build(architecture, cls))
    inputs = inputs_for(architecture)
    for method, config in METHODS.items():
        add_random(model, method, config())
    expected = {}
    for method in METHODS:
        model.set_active_adapters(method)
        expected[method] = call(model, inputs)
    model.save_pretrained(tmp_path)

    assert not (tmp_path / CONFIG).exists()
    assert json.loads((tmp_path / "config.json").read_text())["architectures"] == [cls.__name__]
    reloaded, report = cls.from_pretrained(tmp_path, output_loading_info=True, attn_implementation="eager")
    assert not report["unexpected_keys"]
    assert not report["missing_keys"]
    assert_identical(call(reloaded.eval(), inputs), call(plain, inputs))

    generated.init(reloaded)
    assert reloaded.load_all_adapters(tmp_path / "adapters") == sorted(METHODS)
    for method in METHODS:
        reloaded.set_active_adapters(method)
        assert_identical(call(reloaded, inputs), expected[method])


@each_architecture
def test_initialisation_by_transformers_spares_adapters(architecture: str) -> None:
    """Up-projections that start as zero stay zero, whatever transformers initialises."""
    model = fresh(architecture)
    for method, config in METHODS.items():
        model.add_adapter(method, config=config())
    names = {name for name in model.state_dict() if any(f".{method}." in name for method in METHODS)}
    before = {name: model.state_dict()[name].clone() for name in names}
    model.init_weights()
    assert all(torch.equal(model.state_dict()[name], before[name]) for name in names)


@each_method
def test_offloaded_weights_are_brought_to_be_written(method: str, tmp_path: Path) -> None:
    saved, loaded, inputs = build_adapted("bert", method), fresh("bert"), inputs_for("bert")
    expected = call(saved, inputs)
    cpu_offload(saved, torch.device("cpu"))
    saved.save_adapter(tmp_path, method)
    assert all(parameter.is_meta for parameter in saved.parameters())
    loaded.load_adapter(tmp_path, set_active=True)
    assert_identical(call(loaded, inputs), expected)


def test_names_with_slashes_make_nested_folders(tmp_path: Path) -> None:
    saved, loaded = fresh("bert"), fresh("bert")
    for name in ("plain", "sentiment/sst-2@ukp"):
        saved.add_adapter(name, config="lora")
    saved.save_all_adapters(tmp_path)
    assert loaded.load_all_adapters(tmp_path) == ["plain", "sentiment/sst-2@ukp"]


def test_saving_an_unknown_adapter(tmp_path: Path) -> None:
    with pytest.raises(UnknownAdapterError, match="no adapter named nobody"):
        fresh("bert").save_adapter(tmp_path, "nobody")
    assert not list(tmp_path.iterdir())


def test_shared_tensors_are_written_under_all_names(tmp_path: Path) -> None:
    """The norm in front of a bottleneck has two names in the files of AdapterHub."""
    model = build_adapted("bert", "double_seq_bn")
    model.save_adapter(tmp_path, "double_seq_bn")
    weights = load_file(tmp_path / WEIGHTS)
    norm = "encoder.layer.0.output.adapters.double_seq_bn.adapter_norm_before.weight"
    assert torch.equal(weights[norm], weights[norm.replace("adapter_norm_before", "adapter_down.0")])


def test_the_library_that_wrote_it_is_named(tmp_path: Path) -> None:
    build_adapted("bert", "lora").save_adapter(tmp_path, "lora")
    assert json.loads((tmp_path / CONFIG).read_text())["version"] == f"adaptergen.{VERSION}"
