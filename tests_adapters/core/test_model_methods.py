"""The public methods: the same on the base model and on the model around it; and what they refuse."""

import pytest
import torch
from torch import nn
from transformers import (
    BertForMaskedLM,
    BertForSequenceClassification,
    BertLMHeadModel,
    BertModel,
    LlamaForCausalLM,
    PreTrainedModel,
    T5ForConditionalGeneration,
)

import generated
from generated.core.configuration import ConfigUnion, LoRAConfig, SeqBnConfig
from generated.core.errors import (
    AdapterConfigError,
    UnknownAdapterError,
    UnsupportedMethodError,
)
from generated.core.placed import placed_layers
from generated.core.sites import resolve
from generated.core.swap import SwapError
from tests_adapters.core.zoo import (
    ARCHITECTURES,
    LANGUAGE_MODELS,
    METHODS,
    add_random,
    assert_identical,
    build,
    build_adapted,
    call,
    differ,
    each_architecture,
    inputs_for,
    tree,
)


def test_calls_are_those_of_upstreams_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a class of a user has a call of its own, and where a tool such as torch.export exchanges torch's."""
    calls: list[str] = []

    class Counted(BertForSequenceClassification):
        def __call__(self, *args, **kwargs):
            calls.append("own")
            return super().__call__(*args, **kwargs)

    torchs = nn.Module.__call__

    def exchanged(self, *args, **kwargs):
        if isinstance(self, PreTrainedModel):
            calls.append(type(self).__name__)
        return torchs(self, *args, **kwargs)

    model, inputs = generated.init(build("bert", Counted)), inputs_for("bert")
    monkeypatch.setattr(nn.Module, "__call__", exchanged)
    for config in (None, "lora", "prompt_tuning"):
        if config is not None:
            model.add_adapter(config, config=config, set_active=True)
        call(model, inputs)
        assert calls == ["own", "Counted", "BertModel"]
        calls.clear()


def test_both_objects_give_the_same_answers() -> None:
    model = generated.init(build("bert", BertForSequenceClassification))
    base = model.bert
    model.add_adapter("a", config="lora")
    base.add_adapter("b", config="seq_bn", set_active=True)
    assert list(model.adapters_config) == list(base.adapters_config) == ["a", "b"]
    assert model.active_adapters == base.active_adapters == generated.Stack("b")
    assert str(model.get_adapter("a")) == str(base.get_adapter("a"))
    assert model.adapter_summary() == base.adapter_summary()
    assert [layer for _, layer in model.iter_layers()] == [layer for _, layer in base.iter_layers()]
    base.delete_adapter("a")
    assert list(model.adapters_config) == ["b"]


@pytest.mark.parametrize("cls", [BertModel, BertForMaskedLM, BertLMHeadModel])
def test_a_model_writes_if_that_of_transformers_does(cls: type[PreTrainedModel]) -> None:
    model = build("bert", cls)
    writes = hasattr(model, "generate")
    assert (
        hasattr(generated.init(model), "generate") is hasattr(type(model), "generate") is writes is cls.can_generate()
    )


@each_architecture
def test_layers_are_numbered_through(architecture: str) -> None:
    model = generated.init(build(architecture))
    layers = list(model.iter_layers())
    assert [index for index, _ in layers] == list(range(4 if architecture in ("bart", "t5") else 2))
    assert layers == [(layer.index, layer.module) for layer in placed_layers(model)]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("double_seq_bn", {0: {"mh_adapter", "output_adapter"}, 1: {"mh_adapter", "output_adapter"}}),
        ("seq_bn_inv[leave_out=[0]]", {-1: {"invertible"}, 1: {"output_adapter"}}),
        ("compacter++[reduction_factor=4]", {-1: {"parameters"}, 0: {"output_adapter"}, 1: {"output_adapter"}}),
        ("prefix_tuning", {-1: {"prefix"}}),
        ("prefix_tuning[use_gating=True]", {-1: {"prefix"}, 0: {"self_prefix"}, 1: {"self_prefix"}}),
        ("ia3", {0: {"selfattn_lora", "intermediate_lora"}, 1: {"selfattn_lora", "intermediate_lora"}}),
    ],
)
def test_get_adapter(config: str, expected: dict[int, set[str]]) -> None:
    model = generated.init(build("bert"))
    model.add_adapter("task", config=config)
    found = model.get_adapter("task")
    assert {layer: set(locations) for layer, locations in found.items()} == expected
    parameters = {id(p) for locations in found.values() for module in locations.values() for p in module.parameters()}
    assert parameters == {id(p) for name, p in model.named_parameters() if ".task." in name}


def test_get_adapter_collects_what_shares_a_location() -> None:
    model = generated.init(build("bert"))
    model.add_adapter("task", config="lora[attn_matrices=['q', 'k', 'v']]")
    assert isinstance(model.get_adapter("task")[0]["selfattn_lora"], nn.ModuleList)
    assert len(model.get_adapter("task")[0]["selfattn_lora"]) == 3
    with pytest.raises(UnknownAdapterError):
        model.get_adapter("other")


def test_summary() -> None:
    model = generated.init(build("bert"))
    size = sum(parameter.numel() for parameter in model.parameters())
    model.add_adapter("small", config=SeqBnConfig(reduction_factor=8))
    model.add_adapter("both", config=ConfigUnion(SeqBnConfig(reduction_factor=8), LoRAConfig(r=1)), set_active=True)
    model.train_adapter("small")
    small, both, full = model.adapter_summary(as_dict=True)
    count = 2 * (32 * 4 + 4 + 4 * 32 + 32)
    assert small == {
        "name": "small",
        "architecture": "bottleneck",
        "#param": count,
        "%param": 100 * count / size,
        "active": True,
        "train": True,
    }
    assert (both["architecture"], both["active"], both["train"]) == ("union", False, False)
    assert (full["name"], full["#param"], full["active"], full["train"]) == ("Full model", size, None, False)
    table = model.adapter_summary()
    assert [line.split()[0] for line in table.splitlines() if "-" not in line] == ["name", "small", "both", "Full"]
    assert f"{size:,}" in table


@pytest.mark.parametrize("parts", [("prefix_tuning", "prefix_tuning"), ("compacter", "compacter"), ("lora", "lora")])
def test_parts_of_a_union_that_meet_are_refused(parts: tuple[str, str]) -> None:
    """Also where each leaves out layers of the other: what they share would be there twice."""
    model = generated.init(build("bert"))
    before = tree(model)
    first, second = (
        METHODS[part]().replace(leave_out=leave_out) for part, leave_out in zip(parts, ([0], []), strict=True)
    )
    with pytest.raises(AdapterConfigError, match="meet in one place"):
        model.add_adapter("task", config=ConfigUnion(first, second))
    assert tree(model) == before


@pytest.mark.parametrize("skip_layers", [0, 1, "lora"])
def test_layers_to_skip_are_a_list(skip_layers: object) -> None:
    model = build_adapted("bert", "lora")
    with pytest.raises(TypeError, match=r"such as \[1\]"):
        model.set_active_adapters("lora", skip_layers=skip_layers)


@pytest.mark.parametrize("name", ["", "a.b", "a/", "/", "a//b", 5, "keys", "training", "forward", "items", "active"])
def test_names_that_cannot_be(name: str) -> None:
    model = generated.init(build("bert"))
    before = tree(model)
    with pytest.raises(AdapterConfigError, match="cannot name an adapter"):
        model.add_adapter(name)
    assert tree(model) == before


@pytest.mark.parametrize("name", ["sst-2", "sentiment/sst-2@ukp", "Adapter 7", "adapters", "loras", "self"])
def test_names_that_can_be(name: str, tmp_path) -> None:
    model, inputs = generated.init(build("bert")), inputs_for("bert")
    for method in ("unipelt", "compacter"):
        if name not in model.adapters_config:
            add_random(model, name, METHODS[method]())
        numbers = call(model, inputs)
        model.save_adapter(tmp_path / method, name)
        twin = generated.init(build("bert"))
        twin.load_adapter(tmp_path / method, set_active=True)
        assert_identical(call(twin, inputs), numbers)
        model.delete_adapter(name)


def test_default_configuration() -> None:
    model = generated.init(build("bert"))
    model.add_adapter("task")
    assert model.adapters_config["task"] == SeqBnConfig()
    assert "seq_bn" not in model.adapters_config
    assert model.has_adapters()
    assert model.adapters_config.to_dict()["adapters"]["task"]["reduction_factor"] == 16


@each_architecture
def test_leave_out(architecture: str) -> None:
    for method, config in METHODS.items():
        model = generated.init(build(architecture))
        model.add_adapter(method, config=config().replace(leave_out=[0]))
        assert 0 not in model.get_adapter(method)
        with pytest.raises(UnsupportedMethodError, match="has no place in"):
            model.add_adapter("nowhere", config=LoRAConfig(leave_out=list(range(4))))


def test_failure_in_the_middle_leaves_no_trace() -> None:
    """The second layer cannot be adapted; the first one is taken back."""
    model, inputs = generated.init(build("llama")), inputs_for("llama")
    add_random(model, "old", "double_seq_bn")
    model.layers[1].self_attn.v_proj.forward = lambda x: x
    before, numbers = tree(model), call(model, inputs)
    for config in ("lora", "unipelt", "seq_bn|lora"):
        with pytest.raises(SwapError):
            model.add_adapter("new", config=config)
        assert tree(model) == before
        assert list(model.adapters_config) == ["old"]
        assert_identical(call(model, inputs), numbers)


def test_moving_an_adapter() -> None:
    model = generated.init(build("bert"))
    for method, config in METHODS.items():
        model.add_adapter(method, config=config())
        model.adapter_to(method, device="meta")
        tensors = {tensor.device.type for name, tensor in model.state_dict().items() if f".{method}." in name}
        assert tensors == {"meta"}
        model.delete_adapter(method)
    assert not any(tensor.is_meta for tensor in model.state_dict().values())
    with pytest.raises(UnknownAdapterError):
        model.adapter_to("nobody", dtype=torch.float64)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_supported_methods(architecture: str) -> None:
    model = generated.init(build(architecture))
    assert all(model.supports_adapter(config()) for config in METHODS.values())
    assert model.supports_adapter("mam")


@pytest.mark.parametrize("architecture", ["bart", "gpt2", "gpt_neo", "llama", "t5"])
def test_generation_equals_recomputation(architecture: str) -> None:
    """With a key-value cache and without. Gates are means over the positions of a call, so they are left out."""
    model = generated.init(build(architecture, LANGUAGE_MODELS[architecture]))
    inputs = {key: value for key, value in inputs_for(architecture).items() if key != "decoder_input_ids"}
    inputs["attention_mask"] = inputs["attention_mask"].flip(-1)
    for method in METHODS.keys() - {"prefix_tuning_flat", "unipelt"}:
        add_random(model, method, METHODS[method]())
        options = {"max_new_tokens": 5, "min_new_tokens": 5, "do_sample": False}
        cached, recomputed = (model.generate(**inputs, **options, use_cache=use) for use in (True, False))
        assert cached.tolist() == recomputed.tolist(), method


def test_resolving_paths() -> None:
    model = build("t5")
    block = model.decoder.block[0]
    assert resolve(block, "") is block
    assert resolve(block, "layer.-1.DenseReluDense") is block.layer[2].DenseReluDense
    assert resolve(block, "layer.1", of=type(block.layer[1])) is block.layer[1]
    assert resolve(block, "layer.1", of=type(block.layer[0])) is None
    assert resolve(block, "layer.7") is None
    assert resolve(block, "layer.0.nothing.more") is None
    assert resolve(block, "forward") is None


def test_peft_of_transformers_still_works() -> None:
    """A PEFT configuration is meant for the method of the same name in transformers."""
    peft = pytest.importorskip("peft")
    model, inputs = generated.init(build("llama", LlamaForCausalLM)), inputs_for("llama")
    plain = call(model, inputs)
    add_random(model, "ours", "double_seq_bn")
    ours = call(model, inputs)

    config = peft.LoraConfig(target_modules="all-linear", r=2, init_lora_weights=False)
    model.add_adapter(config, adapter_name="theirs")
    assert model.active_adapters == generated.Stack("ours")
    assert not any(".ours." in name and "lora_" in name for name in model.state_dict())
    both = call(model, inputs)
    assert differ(both, ours)

    model.set_active_adapters(None)
    assert model.active_adapters() == ["theirs"]
    assert differ(call(model, inputs), plain)
    model.delete_adapter("theirs")
    assert list(model.adapters_config) == ["ours"]
    assert_identical(call(model, inputs), plain)


def test_adapter_added_with_keywords() -> None:
    model = generated.init(build("t5", T5ForConditionalGeneration))
    model.add_adapter(adapter_name="task", config="lora", set_active=True)
    assert model.active_adapters == generated.Stack("task")
    assert "adapter_name" in type(model).add_adapter.__wrapped__.__code__.co_varnames
