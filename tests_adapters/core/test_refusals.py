"""What cannot work is refused before anything is changed, and what merely looks odd is not."""

import functools
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.distributed.fsdp import FSDPModule
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPTNeoForCausalLM,
    PreTrainedModel,
    ViTConfig,
)
from transformers.models.gpt_neo.modeling_gpt_neo import GPTNeoFlashAttention2, GPTNeoSelfAttention
from transformers.models.llama.modeling_llama import LlamaDecoderLayer

import generated
from generated import BertAdapterModel
from generated.core import integrations
from generated.core.errors import (
    AdapterError,
    NotInitializedError,
    StaleModuleError,
    SwapError,
    UnsupportedMethodError,
    UnsupportedModelError,
)
from generated.core.integrations import Source
from generated.core.mixins import ModelWithHeadsAdaptersMixin
from generated.core.swap import masquerade
from tests_adapters.core.zoo import (
    METHODS,
    add_random,
    assert_identical,
    build,
    build_adapted,
    call,
    differ,
    each_method,
    inputs_for,
    tree,
)


@pytest.mark.parametrize(
    ("method", "path"),
    [("lora", "layers.0.self_attn.q_proj"), ("seq_bn", "layers.1"), ("prefix_tuning", "layers.1.self_attn")],
)
def test_instance_forward_is_refused(method: str, path: str) -> None:
    """What tensor parallelism leaves: a forward on the instance, which a class cannot reach."""
    model = generated.init(build("llama"))
    module = model.get_submodule(path)
    module.forward = functools.partial(module.forward)
    before = tree(model)
    with pytest.raises(SwapError, match="forward of its own"):
        model.add_adapter("task", config=METHODS[method]())
    assert tree(model) == before
    assert not model.has_adapters()


def test_tensor_parallel_layers_are_refused() -> None:
    """transformers shards a layer by a function around its forward, which is then the instance's own."""
    model = generated.init(build("bert"))
    dense = model.encoder.layer[1].output.dense
    forward = dense.forward

    def sharded(x: torch.Tensor) -> torch.Tensor:
        return forward(x)

    dense.forward = sharded
    inputs, before = inputs_for("bert"), tree(model)
    numbers = call(model, inputs)
    with pytest.raises(SwapError, match=r"tensor parallelism.*apply adapters first"):
        model.add_adapter("task", config="lora[output_lora=True]")
    assert tree(model) == before
    assert_identical(call(model, inputs), numbers)
    model.add_adapter("task", config="lora")


def test_keys_of_some_heads_only_are_refused() -> None:
    """Under tensor parallelism a projection makes the keys of its own heads, where a prefix is for all."""
    model = generated.init(build("bert"))
    key = model.encoder.layer[1].attention.self.key
    key.forward = functools.partial(key.forward)
    before = tree(model)
    with pytest.raises(SwapError, match="tensor parallelism"):
        model.add_adapter("task", config="prefix_tuning")
    assert tree(model) == before


def test_compiled_forward_of_the_model_is_no_obstacle() -> None:
    model = build("llama")
    model.forward = torch.compile(model.forward, backend="eager")
    generated.init(model)
    plain = call(model, inputs_for("llama"))
    add_random(model, "task", "lora")
    assert differ(call(model, inputs_for("llama")), plain)


def use_flash_attention(model: GPTNeoForCausalLM) -> None:
    for block in model.transformer.h:
        block.attn.attention.__class__ = GPTNeoFlashAttention2


def test_subclass_with_another_forward_is_refused() -> None:
    model = build("gpt_neo", GPTNeoForCausalLM)
    use_flash_attention(model)
    generated.init(model)
    before = tree(model)
    with pytest.raises(SwapError, match=r"GPTNeoFlashAttention2 overrides GPTNeoSelfAttention\.forward"):
        model.add_adapter("task", config="prefix_tuning")
    assert tree(model) == before
    model.add_adapter("task", config="double_seq_bn")
    assert "task" in model.adapters_config


def test_subclass_with_the_same_forward_is_adapted() -> None:
    class RenamedAttention(GPTNeoSelfAttention):
        """Differs in nothing that has a hook."""

    model, inputs = generated.init(build("gpt_neo")), inputs_for("gpt_neo")
    for block in model.h:
        block.attn.attention.__class__ = RenamedAttention
    add_random(model, "prefix_tuning", METHODS["prefix_tuning"]())
    assert_identical(call(model, inputs), call(build_adapted("gpt_neo", "prefix_tuning"), inputs))
    assert type(model.h[0].attn.attention).__name__ == "RenamedAttention"


def test_subclass_of_a_layer_is_adapted() -> None:
    class FusedLayer(LlamaDecoderLayer):
        """As transformers makes them when it patches classes."""

    model, inputs = generated.init(build("llama")), inputs_for("llama")
    for layer in model.layers:
        layer.__class__ = FusedLayer
    add_random(model, "seq_bn", METHODS["seq_bn"]())
    assert_identical(call(model, inputs), call(build_adapted("llama", "seq_bn"), inputs))


def test_unknown_head_class_over_a_known_base() -> None:
    class OwnHead(BertForSequenceClassification):
        """Written by a user."""

    model = generated.init(build("bert", OwnHead))
    add_random(model, "task", "lora")
    assert model.base_model.has_adapters()
    assert {name for name, _ in model.head_parameters()} == {"classifier.weight", "classifier.bias"}


@pytest.mark.usefixtures("without_providers")
def test_stale_module_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "modeling_bert.py"
    other.write_text("class BertModel: ...\n")
    find_spec, spec = integrations.importlib.util.find_spec, types.SimpleNamespace(origin=str(other))
    monkeypatch.setattr(
        integrations.importlib.util,
        "find_spec",
        lambda name: spec if name.startswith("transformers.") else find_spec(name),
    )
    integrations.load_integration.cache_clear()
    model = build("bert")
    before = tree(model)
    with pytest.raises(
        StaleModuleError, match=r"generated from .*modeling_bert of transformers .*`adaptergen update --all`"
    ):
        generated.init(model)
    assert tree(model) == before


def test_source_that_is_gone_is_stale() -> None:
    with pytest.raises(StaleModuleError, match="has no such module"):
        integrations._refuse_stale("generated.models.gone", Source("transformers.models.gone", "5.0.0", ""))


def test_releases_that_are_too_old_are_refused_at_once(tmp_path: Path) -> None:
    """Before anything is imported that they lack."""
    (tmp_path / "transformers").mkdir()
    (tmp_path / "transformers/__init__.py").write_text('__version__ = "5.3.0"\n')
    environment = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(generated.__file__).parents[1])])}
    command = [sys.executable, "-c", "import generated"]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert process.stderr.splitlines()[-1] == (
        "ImportError: transformers 5.3.0 is installed, which is too old for adapters: "
        "run `pip install 'transformers>=5.4,<5.24'`"
    )


@pytest.fixture(autouse=True)
def _forget_integrations():
    yield
    integrations.load_integration.cache_clear()


def test_unsupported_method_is_refused_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    model = generated.init(build("bert"))
    found = integrations.integration_of(model)
    limited = types.SimpleNamespace(**vars(found) | {"unsupported": {"prefix_tuning": "keys are never materialised"}})
    monkeypatch.setattr("generated.core.towers.integration_of", lambda model: limited)
    assert not model.supports_adapter("prefix_tuning")
    assert model.supports_adapter("lora")
    with pytest.raises(UnsupportedMethodError, match="keys are never materialised"):
        model.add_adapter("task", config="unipelt")


def test_unsupported_model_names_the_command() -> None:
    class Other(PreTrainedModel):
        """A model of no known architecture."""

        config: ViTConfig

    Other.__module__ = "transformers.models.other.modeling_other"
    with pytest.raises(UnsupportedModelError, match="adaptergen add-model other"):
        generated.init(Other(ViTConfig()))
    with pytest.raises(UnsupportedModelError, match="Linear is no model of transformers"):
        generated.init(nn.Linear(1, 1))


@pytest.mark.parametrize(("architecture", "part"), [("bart", "encoder"), ("t5", "decoder"), ("bert", "encoder")])
def test_a_part_of_a_model_is_refused(architecture: str, part: str) -> None:
    model = build(architecture).get_submodule(part)
    before = tree(model)
    with pytest.raises(UnsupportedModelError, match=rf"{type(model).__name__} is (a part of a|no) model"):
        generated.init(model)
    assert tree(model) == before


def test_methods_before_init() -> None:
    class Adapted(masquerade(ModelWithHeadsAdaptersMixin, BertForSequenceClassification)):
        """A head whose base model was forgotten."""

    model = Adapted(build("bert").config)
    with pytest.raises(NotInitializedError, match=r"generated\.init"):
        model.add_adapter("task")


class WithAnAdapterFromTheStart(BertAdapterModel):
    def __init__(self, config: BertConfig, method: str = "seq_bn") -> None:
        super().__init__(config)
        self.add_adapter("task", config=METHODS[method]())


@each_method
def test_adapters_before_weights_are_refused(method: str, tmp_path: Path) -> None:
    """`from_pretrained` builds the model without values, and draws at random whatever is not in the checkpoint."""
    build("bert").save_pretrained(tmp_path)
    with pytest.raises(AdapterError, match=r"add adapters to the model that it returns"):
        WithAnAdapterFromTheStart.from_pretrained(tmp_path, method=method)
    assert WithAnAdapterFromTheStart(build("bert").config).has_adapters()


def test_sharded_model_is_refused() -> None:
    model = build("bert")
    layer = model.encoder.layer[0]
    layer.__class__ = type("FSDPBertLayer", (FSDPModule, type(layer)), {})
    with pytest.raises(SwapError, match="before `fully_shard`"):
        generated.init(model)
