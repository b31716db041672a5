"""Exchanged classes look like the original ones to everything that looks at classes."""

import copy
import pickle
import types
from pathlib import Path

import pytest
import torch
from accelerate import dispatch_model, infer_auto_device_map
from accelerate.big_modeling import cpu_offload
from accelerate.hooks import remove_hook_from_submodules
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from transformers import (
    BertModel,
    LlamaForCausalLM,
    LlamaModel,
)
from transformers.models.bert.modeling_bert import BertSelfAttention
from transformers.models.llama.modeling_llama import LlamaAttention, LlamaDecoderLayer

import generated
from generated.core.layers import AdapterHostMixin
from generated.core.layers.lora import LoRALinearMixin
from generated.core.mixins import ModelAdaptersMixin
from generated.core.swap import adapt
from tests_adapters.core.zoo import (
    LANGUAGE_MODELS,
    METHODS,
    add_random,
    assert_identical,
    build,
    build_adapted,
    call,
    differ,
    each_architecture,
    each_method,
    floats,
    inputs_for,
    tree,
)


def test_disguise() -> None:
    model = build_adapted("llama", "double_seq_bn")
    layer = model.layers[0]
    assert type(layer) is not LlamaDecoderLayer
    assert isinstance(layer, LlamaDecoderLayer)
    assert str(type(layer)) == str(LlamaDecoderLayer)
    assert type(layer).__doc__ == LlamaDecoderLayer.__doc__
    assert type(layer) is type(model.layers[1])
    assert type(model).forward.__wrapped__ is LlamaModel.forward.__wrapped__


def test_only_the_needed_sites_are_exchanged() -> None:
    model = generated.init(build("llama"))
    assert type(model.layers[0]) is LlamaDecoderLayer
    add_random(model, "bn", "seq_bn")
    assert type(model.layers[0]) is not LlamaDecoderLayer
    assert type(model.layers[0].self_attn) is LlamaAttention
    assert type(model.layers[0].self_attn.q_proj) is nn.Linear
    add_random(model, "lora", "lora")
    assert isinstance(model.layers[0].self_attn.q_proj, LoRALinearMixin)
    assert type(model.layers[0].self_attn.k_proj) is nn.Linear


@each_method
@each_architecture
def test_copies(architecture: str, method: str) -> None:
    """A deep copy and a pickle give the same numbers, and are independent of the model."""
    cls = LANGUAGE_MODELS.get(architecture)
    model, inputs = build_adapted(architecture, method, cls), inputs_for(architecture)
    numbers = call(model, inputs)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert type(twin) is type(model)
        assert twin.base_model is not model.base_model
        model.set_active_adapters(None)
        assert_identical(call(twin, inputs), numbers)
        twin.delete_adapter(method)
        assert not twin.has_adapters()
        model.set_active_adapters(method)
        assert_identical(call(model, inputs), numbers)
        plain = generated.init(build(architecture, cls))
        assert_identical(call(twin, inputs), call(plain, inputs))
        assert tree(twin) == tree(plain)


@pytest.mark.parametrize("architecture", ["bert", "llama", "t5", "vit"])
def test_hidden_states_and_attentions_are_recorded(architecture: str) -> None:
    model, inputs = build_adapted(architecture, "unipelt"), inputs_for(architecture)
    output = model(**inputs, output_hidden_states=True, output_attentions=True)
    prefix = "encoder_" if architecture == "t5" else ""
    hidden, attentions = output[f"{prefix}hidden_states"], output[f"{prefix}attentions"]
    assert len(hidden) == 3
    assert len(attentions) == 2
    assert all(attention.shape[-1] == hidden[0].shape[1] + 3 for attention in attentions)
    torch.testing.assert_close(attentions[0].sum(-1), torch.ones_like(attentions[0].sum(-1)))


@pytest.mark.parametrize("architecture", ["bert", "llama", "t5", "vit"])
def test_copies_after_hidden_states(architecture: str) -> None:
    """The hooks that record belong to the copy, too."""
    model, inputs = build_adapted(architecture, "unipelt"), inputs_for(architecture)
    options = {"output_hidden_states": True, "output_attentions": True}
    numbers = call(model, inputs | options)
    twin = copy.deepcopy(model)
    model.set_active_adapters(None)
    assert_identical(call(twin, inputs | options), numbers)
    assert differ(call(model, inputs | options)[:1], numbers[:1])


@each_method
def test_recorded_before_adapters_came(method: str) -> None:
    """The hooks that record stay on the instances."""
    model, inputs = generated.init(build("bert")), inputs_for("bert")
    plain = model(**inputs, output_hidden_states=True).hidden_states
    add_random(model, method, METHODS[method]())
    adapted = model(**inputs, output_hidden_states=True)
    assert len(adapted.hidden_states) == len(plain)
    assert torch.equal(adapted.hidden_states[-1], adapted.last_hidden_state)
    assert differ(floats(adapted.hidden_states[-1]), floats(plain[-1]))


def test_layers_are_not_split_over_devices() -> None:
    """accelerate finds the layers that must stay whole by the names of their classes."""
    model = build_adapted("llama", "double_seq_bn", LlamaForCausalLM)
    size = sum(parameter.numel() * 4 for parameter in model.model.layers[0].parameters())
    plan = infer_auto_device_map(
        model, max_memory={0: int(2.5 * size), "cpu": 10**9}, no_split_module_classes=model._no_split_modules
    )
    assert not any(path.startswith("model.layers.") and path.count(".") > 2 for path in plan)


@each_method
@pytest.mark.parametrize("architecture", ["bert", "llama", "t5"])
def test_device_hooks(architecture: str, method: str) -> None:
    """accelerate keeps a bound forward on each instance, and weights of offloaded modules nowhere."""
    plain, hooked, inputs = build(architecture), build(architecture), inputs_for(architecture)
    cpu_offload(hooked, torch.device("cpu"))
    generated.init(plain)
    generated.init(hooked)
    for model in (plain, hooked):
        add_random(model, method, METHODS[method]())
    assert all(tensor.device.type == "cpu" for name, tensor in hooked.state_dict().items() if f".{method}." in name)
    assert_identical(call(hooked, inputs), call(plain, inputs))

    hooked.delete_adapter(method)
    plain.set_active_adapters(None)
    assert_identical(call(hooked, inputs), call(plain, inputs))


@each_method
def test_device_hooks_that_come_later(method: str) -> None:
    """Weights of adapters are brought to the device like all others, and the hooks can go again at any time."""
    model, inputs = build_adapted("bert", method), inputs_for("bert")
    expected = call(model, inputs)
    cpu_offload(model, torch.device("cpu"))
    assert_identical(call(model, inputs), expected)

    remove_hook_from_submodules(model)
    assert_identical(call(model, inputs), expected)
    model.delete_adapter(method)
    assert_identical(call(model, inputs), call(build("bert"), inputs))
    add_random(model, method, METHODS[method]())
    assert_identical(call(model, inputs), expected)


@each_method
@pytest.mark.parametrize("architecture", ["bert", "gpt2", "t5"])
def test_weights_on_disk(architecture: str, method: str, tmp_path: Path) -> None:
    """A model of which a part is on disk: every method acts as in one that is in memory."""
    plain, spread, inputs = build(architecture), build(architecture), inputs_for(architecture)
    layers = {"bert": "encoder", "gpt2": "h", "t5": "encoder"}[architecture]
    places = {name: "disk" if name == layers else "cpu" for name, _ in spread.named_children()}
    dispatch_model(spread, places, main_device="cpu", offload_dir=tmp_path, force_hooks=True)
    unchanged = call(generated.init(plain), inputs)
    assert_identical(call(generated.init(spread), inputs), unchanged)
    for model in (plain, spread):
        add_random(model, method, METHODS[method]())
    assert_identical(call(spread, inputs), call(plain, inputs))
    assert differ(call(spread, inputs), unchanged)
    spread.delete_adapter(method)
    assert_identical(call(spread, inputs), unchanged)


def test_a_site_goes_back_when_only_its_children_hold_adapters() -> None:
    model = build_adapted("bert", "lora")
    before = tree(model)
    add_random(model, "prefix", METHODS["prefix_tuning"]())
    model.delete_adapter("prefix")
    assert tree(model) == before


def test_a_model_made_from_the_class_of_an_adapted_one(tmp_path: Path) -> None:
    """`type(model)` looks like the class of transformers, and what it makes is a model without adapters."""
    model = generated.init(build("bert"))
    other = type(model)(model.config)
    other.save_pretrained(tmp_path)
    assert type(other) is type(type(model).from_pretrained(tmp_path)) is BertModel

    generated.init(other)
    add_random(other, "task", "lora")
    assert list(other.adapters_config) == ["task"]
    assert type(generated.deinit(other)) is BertModel


def test_a_forward_that_users_put_on_a_model_stays() -> None:
    """As accelerate does for mixed precision, around the forward of the class."""
    model, calls = build("bert"), []

    def counted(self: BertModel, **inputs: torch.Tensor) -> object:
        calls.append(1)
        return type(self).forward(self, **inputs)

    model.forward = types.MethodType(counted, model)
    generated.init(model)
    model(**inputs_for("bert"))
    assert calls == [1]


def test_undoing_what_was_not_done() -> None:
    model = build("bert")
    assert generated.deinit(model) is model
    assert type(model) is BertModel


@pytest.fixture
def _one_process():
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.usefixtures("_one_process")
def test_data_parallel_wrapper_is_looked_through() -> None:
    model = DistributedDataParallel(build("bert"))
    assert generated.init(model) is model
    assert isinstance(model.module, ModelAdaptersMixin)


def test_compiled_wrapper_is_looked_through() -> None:
    model = torch.compile(build("bert"), backend="eager")
    assert generated.init(model) is model
    model.add_adapter("task", set_active=True)
    assert "task" in model._orig_mod.adapters_config
    generated.deinit(model)
    assert type(model._orig_mod) is BertModel
    assert type(model._orig_mod.encoder.layer[0].attention.self) is BertSelfAttention


def test_a_class_that_cannot_set_itself_up_leaves_no_trace() -> None:
    class Broken(AdapterHostMixin):
        def _init_adapter_modules(self) -> None:
            self.slot = nn.Identity()
            raise RuntimeError("half way")

    linear = nn.Linear(2, 2)
    before = frozenset(vars(linear))
    with pytest.raises(RuntimeError, match="half way"):
        adapt(linear, Broken)
    assert type(linear) is nn.Linear
    assert frozenset(vars(linear)) == before
    assert not list(linear.children())
