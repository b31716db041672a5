"""LoRA and (IA)³: which projections, which parts of fused ones, and what they compute."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune
from transformers.pytorch_utils import Conv1D

import generated
from generated.core.composition import Stack
from generated.core.configuration import IA3Config, LoRAConfig
from generated.core.errors import AdapterConfigError, UnsupportedCompositionError, UnsupportedMethodError
from generated.core.layers.lora import FusedParts, LoRALinearMixin, LowRank, Rescaling, build_lora
from generated.core.swap import adapt
from tests_adapters.core.linear_maps import QuantizedLinear
from tests_adapters.core.zoo import add_random, assert_identical, build, call, inputs_for


X = torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(0))
SINGLE = FusedParts((True,))


def adapted(linear: nn.Module, parts: FusedParts, *configs: LoRAConfig) -> nn.Module:
    """A linear map with one random active adapter for each configuration, in a Stack."""
    torch.manual_seed(1)
    linear.eval()
    adapt(linear, LoRALinearMixin)
    for number, config in enumerate(configs):
        lora = build_lora(linear, parts, config)
        for parameter in lora.parameters():
            nn.init.normal_(parameter, std=0.5)
        linear.loras[f"a{number}"] = lora.eval()
    linear.activate(Stack(*linear.loras))
    return linear


def plain(linear: nn.Module) -> Tensor:
    linear.active, active = None, linear.active
    output = linear(X)
    linear.active = active
    return output


@pytest.mark.parametrize("make", [lambda: nn.Linear(6, 4), lambda: nn.Linear(6, 4, bias=False), lambda: Conv1D(4, 6)])
def test_low_rank_change(make) -> None:
    linear = make()
    names = set(linear.state_dict())
    linear = adapted(linear, SINGLE, LoRAConfig(r=2, alpha=6))
    lora = linear.loras["a0"]
    assert (lora.lora_A.shape, lora.lora_B.shape) == ((2, 6), (4, 2))
    torch.testing.assert_close(linear(X), plain(linear) + 3.0 * X @ lora.lora_A.T @ lora.lora_B.T)
    assert names <= set(linear.state_dict())


def test_matrices_that_somebody_prunes() -> None:
    linear = adapted(nn.Linear(6, 4), SINGLE, LoRAConfig(r=2, alpha=6))
    lora = linear.loras["a0"]
    mask = torch.ones(4, 2)
    mask[1] = 0
    prune.custom_from_mask(lora, "lora_B", mask)
    expected = plain(linear) + 3.0 * X @ lora.lora_A.T @ (mask * lora.lora_B_orig).T
    torch.testing.assert_close(linear(X), expected)


@pytest.mark.parametrize("make", [lambda: nn.Linear(6, 4), lambda: Conv1D(4, 6)])
def test_rescaling(make) -> None:
    linear = adapted(make(), SINGLE, IA3Config(alpha=3))
    lora = linear.loras["a0"]
    assert lora.lora_B.shape == (4, 1)
    assert [name for name, _ in lora.named_parameters()] == ["lora_B"]
    torch.testing.assert_close(linear(X), plain(linear) * 3 * lora.lora_B.flatten())


@pytest.mark.parametrize("mask", [(True, False, True), (False, True, False), (True, True, True), (True, True, False)])
@pytest.mark.parametrize("config", [LoRAConfig(r=2, alpha=6), IA3Config(alpha=3)], ids=["lora", "ia3"])
@pytest.mark.parametrize("learns", [True, False], ids=["with gradients", "without"])
def test_parts_of_a_fused_projection(config: LoRAConfig, mask: tuple[bool, ...], learns: bool) -> None:
    """Adapting parts of a fused map is adapting these parts alone."""
    parts, width = FusedParts(mask), 4
    linear = adapted(nn.Linear(6, 12), parts, config)
    lora, number = linear.loras["a0"], 0
    with torch.set_grad_enabled(learns):
        outputs = linear(X).split(width, -1)
    for output, base, is_adapted in zip(outputs, plain(linear).split(width, -1), mask, strict=True):
        if not is_adapted:
            assert torch.equal(output, base)
            continue
        B = lora.lora_B[number * width : (number + 1) * width]
        if config.composition_mode == "add":
            A = lora.lora_A[number * 2 : (number + 1) * 2]
            torch.testing.assert_close(output, base + 3.0 * X @ A.T @ B.T)
        else:
            torch.testing.assert_close(output, base * 3 * B.flatten())
        number += 1


@pytest.mark.parametrize("mask", [(True, False, True), (False, True, True), (False, False, True)])
@pytest.mark.parametrize("config", [LoRAConfig(r=2, alpha=6), IA3Config(alpha=3)], ids=["lora", "ia3"])
def test_gradients_of_the_parts_of_a_fused_projection(config: LoRAConfig, mask: tuple[bool, ...]) -> None:
    linear = adapted(nn.Linear(6, 12).double(), FusedParts(mask), config).double()
    x = X.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda *_: linear(x), (x, *linear.loras["a0"].parameters()))


@pytest.mark.parametrize("config", [LoRAConfig(r=2), IA3Config()], ids=["lora", "ia3"])
def test_gate_replaces_the_scaling_and_weighs_each_part(config: LoRAConfig) -> None:
    linear = adapted(nn.Linear(6, 12), FusedParts((True, False, True)), config.replace(use_gating=True, alpha=100))
    lora = linear.loras["a0"]
    gate = torch.sigmoid(X @ lora.gate.weight.T + lora.gate.bias).mean(1)
    assert gate.shape == (2, 2)
    outputs, bases = linear(X).split(4, -1), plain(linear).split(4, -1)
    assert torch.equal(outputs[1], bases[1])
    for number, (output, base) in enumerate(((outputs[0], bases[0]), (outputs[2], bases[2]))):
        weight = gate[:, None, number : number + 1]
        B = lora.lora_B[number * 4 : (number + 1) * 4]
        if isinstance(lora, LowRank):
            change = X @ lora.lora_A[number * 2 : (number + 1) * 2].T @ B.T
            torch.testing.assert_close(output, base + weight * change)
        else:
            torch.testing.assert_close(output, base * weight * B.flatten())


def test_stack_chains_the_changes() -> None:
    linear = adapted(nn.Linear(6, 6), SINGLE, LoRAConfig(r=2, alpha=2), LoRAConfig(r=2, alpha=4))
    first, second = linear.loras.values()
    change = 2.0 * (X @ first.lora_A.T @ first.lora_B.T) @ second.lora_A.T @ second.lora_B.T
    torch.testing.assert_close(linear(X), plain(linear) + change)


def test_stack_of_factors_multiplies() -> None:
    linear = adapted(nn.Linear(6, 4), SINGLE, IA3Config(), IA3Config())
    factors = linear.loras["a0"].lora_B * linear.loras["a1"].lora_B
    torch.testing.assert_close(linear(X), plain(linear) * factors.flatten())


def test_stacks_that_mean_nothing_are_refused() -> None:
    model = generated.init(build("bert"))
    model.add_adapter("a", config="lora[intermediate_lora=True]")
    model.add_adapter("b", config="lora[intermediate_lora=True]")
    model.add_adapter("c", config="ia3")
    model.set_active_adapters("a")
    numbers = call(model, inputs_for("bert"))
    with pytest.raises(UnsupportedCompositionError, match="maps 32 to 48"):
        model.set_active_adapters(["a", "b"])
    with pytest.raises(UnsupportedCompositionError, match="mixes LoRA and"):
        model.set_active_adapters(["a", "c"])
    assert model.active_adapters == Stack("a")
    assert_identical(call(model, inputs_for("bert")), numbers)


def sites(model: nn.Module, name: str) -> set[str]:
    """Relative paths of the projections of the first layer that an adapter changes."""
    linears = ((path, module) for path, module in model.named_modules() if isinstance(module, LoRALinearMixin))
    return {path.split(".0.", 1)[1] for path, linear in linears if name in linear.loras and ".0." in path}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (LoRAConfig(), {"self_attn.q_proj", "self_attn.v_proj"}),
        (LoRAConfig(attn_matrices=["o"]), {"self_attn.o_proj"}),
        (LoRAConfig(selfattn_lora=False, intermediate_lora=True), {"mlp.up_proj"}),
        (LoRAConfig(selfattn_lora=False, output_lora=True), {"mlp.down_proj"}),
        (LoRAConfig(selfattn_lora=False, output_lora=True, mlp_matrices=["gate"]), {"mlp.gate_proj"}),
        (LoRAConfig(attn_matrices=["k"], mlp_matrices=[]), {"self_attn.k_proj"}),
        (IA3Config(), {"self_attn.k_proj", "self_attn.v_proj", "mlp.up_proj"}),
    ],
    ids=["default", "o", "up", "down", "gate", "k", "ia3"],
)
def test_roles(config: LoRAConfig, expected: set[str]) -> None:
    model = generated.init(build("llama"))
    model.add_adapter("task", config=config)
    assert sites(model, "task") == expected


def test_roles_of_a_fused_projection() -> None:
    model = generated.init(build("gpt2"))
    model.add_adapter("task", config=LoRAConfig(r=2, attn_matrices=["k", "o"]))
    assert sites(model, "task") == {"attn.c_attn", "attn.c_proj"}
    lora = model.h[0].attn.c_attn.loras["task"]
    assert lora.parts.adapted == (False, True, False)
    assert (lora.lora_A.shape, lora.lora_B.shape) == ((2, 32), (32, 2))


def test_cross_attention_is_adapted() -> None:
    model = generated.init(build("bart"))
    model.add_adapter("task", config=LoRAConfig(attn_matrices=["q"]))
    assert sites(model, "task") == {"self_attn.q_proj", "encoder_attn.q_proj"}


def test_configuration_that_adapts_nothing_is_refused() -> None:
    model = generated.init(build("llama"))
    for config in (LoRAConfig(attn_matrices=[]), LoRAConfig(selfattn_lora=False), LoRAConfig(leave_out=[0, 1])):
        with pytest.raises(UnsupportedMethodError, match="has no place in LlamaModel"):
            model.add_adapter("task", config=config)
    assert not model.has_adapters()


def test_projections_that_there_are_not_are_told_with_those_that_there_are() -> None:
    model = generated.init(build("distilbert"))
    expected = r"\(projections that it names: gate; that are known: down, k, o, q, up, v\)"
    with pytest.raises(UnsupportedMethodError, match=expected):
        model.add_adapter("task", config=LoRAConfig(selfattn_lora=False, mlp_matrices=["gate"]))


def test_quantised_projections() -> None:
    model, inputs = generated.init(build("llama")), inputs_for("llama")
    for layer in model.layers:
        layer.self_attn.q_proj = QuantizedLinear(layer.self_attn.q_proj)
    before = call(model, inputs)
    model.add_adapter("task", config="lora", set_active=True)
    lora = model.layers[0].self_attn.q_proj.loras["task"]
    assert lora.lora_A.dtype == torch.float32
    assert_identical(call(model, inputs), before)
    model.delete_adapter("task")
    assert type(model.layers[0].self_attn.q_proj) is QuantizedLinear


@pytest.mark.parametrize("config", ["lora", "ia3", "double_seq_bn", "prefix_tuning", "compacter[reduction_factor=4]"])
def test_type_follows_the_model(config: str) -> None:
    model = generated.init(build("llama").to(torch.bfloat16))
    add_random(model, "task", config)
    dtypes = {tensor.dtype for name, tensor in model.state_dict().items() if ".task." in name}
    assert dtypes == {torch.bfloat16}
    assert model(**inputs_for("llama")).last_hidden_state.dtype == torch.bfloat16


@pytest.mark.parametrize("config", ["lora", "ia3", "double_seq_bn", "prefix_tuning", "seq_bn_inv"])
def test_type_of_its_own(config: str) -> None:
    model = generated.init(build("llama").to(torch.bfloat16))
    add_random(model, "task", config)
    model.adapter_to("task", dtype=torch.float32)
    dtypes = {tensor.dtype for name, tensor in model.state_dict().items() if ".task." in name}
    assert dtypes == {torch.float32}
    assert model(**inputs_for("llama")).last_hidden_state.dtype == torch.bfloat16


def test_type_from_the_configuration() -> None:
    model = generated.init(build("llama").to(torch.bfloat16))
    model.add_adapter("task", config=LoRAConfig(dtype="float32"), set_active=True)
    assert model.layers[0].self_attn.q_proj.loras["task"].lora_A.dtype == torch.float32
    assert model(**inputs_for("llama")).last_hidden_state.dtype == torch.bfloat16


def test_untrained_lora_changes_nothing() -> None:
    model, inputs = generated.init(build("llama")), inputs_for("llama")
    before = call(model, inputs)
    model.add_adapter("lora", config="lora", set_active=True)
    assert_identical(call(model, inputs), before)
    model.add_adapter("ia3", config="ia3", set_active=True)
    assert_identical(call(model, inputs), before)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (LoRAConfig(composition_mode="wild"), "composition_mode 'wild'"),
        (LoRAConfig(init_weights="wild"), "init_weights 'wild'"),
        (IA3Config(init_weights="wild"), "init_weights 'wild'"),
        (IA3Config(r=2), "r=2"),
        (IA3Config(dropout=0.1), "dropout=0.1"),
    ],
    ids=["mode", "lora", "ia3", "rank", "dropout"],
)
def test_unsupported_values_are_named(config: LoRAConfig, message: str) -> None:
    with pytest.raises(AdapterConfigError, match=message):
        build_lora(nn.Linear(6, 4), SINGLE, config)


@pytest.mark.parametrize(("scheme", "zero"), [("lora", True), ("bert", False), ("ia3", False)])
def test_initial_weights(scheme: str, zero: bool) -> None:
    torch.manual_seed(0)
    lora = LowRank(64, 32, SINGLE, LoRAConfig(r=16, init_weights=scheme))
    assert lora.lora_A.any()
    assert lora.lora_B.any() != zero
    rescaling = Rescaling(64, 32, SINGLE, IA3Config(init_weights=scheme))
    assert rescaling.lora_B.any() != zero
