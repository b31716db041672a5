"""DoRA, VeRA, DVoRA and MTL-LoRA: the formulas, parts of fused maps, what is shared, and how they begin."""

import pytest
import torch
from accelerate.big_modeling import cpu_offload
from torch import nn
from transformers.pytorch_utils import Conv1D

from generated.core.composition import Stack
from generated.core.configuration import (
    DoRAConfig,
    LoRAConfig,
    VeraConfig,
)
from generated.core.errors import UnsupportedMethodError
from generated.core.layers.lora import FusedParts, LoRALinearMixin, build_lora
from generated.core.swap import adapt
from tests_adapters.core.linear_maps import FAMILY, SINGLE, QuantizedLinear, X, adapted, each_of_family, plain
from tests_adapters.core.zoo import add_random, assert_identical, call, differ, fresh, inputs_for


@pytest.mark.parametrize("make", [lambda: nn.Linear(6, 4), lambda: nn.Linear(6, 4, bias=False), lambda: Conv1D(4, 6)])
def test_dora_gives_rows_a_length(make) -> None:
    linear = adapted(make(), SINGLE, DoRAConfig(r=2, alpha=6))
    lora = linear.loras["a"]
    W = linear.weight if isinstance(linear, nn.Linear) else linear.weight.T
    BA = lora.lora_B @ lora.lora_A
    assert lora.m.weight.shape == (4, 1)
    expected = lora.m.weight.flatten() * (plain(linear) + 3.0 * X @ BA.T) / (W + BA).norm(dim=1)
    torch.testing.assert_close(linear(X), expected)


@pytest.mark.parametrize("make", [lambda: nn.Linear(6, 4), lambda: nn.Linear(6, 4, bias=False)])
def test_dora_as_it_was_published(make) -> None:
    linear = adapted(make(), SINGLE, FAMILY["dora_as_published"])
    lora = linear.loras["a"]
    V = linear.weight + 3.0 * lora.lora_B @ lora.lora_A
    bias = 0.0 if linear.bias is None else linear.bias
    torch.testing.assert_close(linear(X), bias + X @ (lora.m.weight * V / V.norm(dim=1, keepdim=True)).T)


def test_dora_of_zero_rows_stays_finite() -> None:
    linear = nn.Linear(6, 4)
    nn.init.zeros_(linear.weight[1])
    adapt(linear, LoRALinearMixin)
    lora = build_lora(linear, SINGLE, DoRAConfig(r=2))
    lora.measure(linear.weight)
    linear.loras["a"] = lora
    linear.activate(Stack("a"))
    linear(X).sum().backward()
    assert linear(X).isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in lora.parameters())


def test_vera_scales_shared_matrices() -> None:
    linear = adapted(nn.Linear(6, 4), SINGLE, VeraConfig(r=2, alpha=6))
    lora = linear.loras["a"]
    A, B = lora.shared.module.lora_A, lora.shared.module.lora_B
    assert [name for name, _ in lora.named_parameters()] == ["vera_D", "vera_B"]
    assert (lora.vera_D.shape, lora.vera_B.shape) == ((2,), (4,))
    change = ((X @ A.T) * lora.vera_D) @ B.T * lora.vera_B
    torch.testing.assert_close(linear(X), plain(linear) + 3.0 * change)


def test_whole_matrices_of_vera() -> None:
    linear = adapted(nn.Linear(6, 4), SINGLE, FAMILY["vera_full"])
    lora = linear.loras["a"]
    A, B = lora.shared.module.lora_A, lora.shared.module.lora_B
    torch.testing.assert_close(linear(X), plain(linear) + 3.0 * X @ (lora.vera_B @ B @ lora.vera_D @ A).T)


def test_dvora() -> None:
    linear = adapted(nn.Linear(6, 4), SINGLE, FAMILY["dvora"])
    lora = linear.loras["a"]
    A, B = lora.shared.module.lora_A, lora.shared.module.lora_B
    BA = lora.vera_B.diag() @ B @ lora.vera_D.diag() @ A
    expected = lora.m.weight.flatten() * (plain(linear) + 3.0 * X @ BA.T) / (linear.weight + BA).norm(dim=1)
    torch.testing.assert_close(linear(X), expected)


def test_mtl_lora_weighs_its_up_projections() -> None:
    linear = adapted(nn.Linear(6, 4), SINGLE, FAMILY["mtl_lora"])
    lora = linear.loras["a"]
    assert lora.lora_B.shape == (3, 4, 2)
    weights = (lora.weights / 0.5).exp() / (lora.weights / 0.5).exp().sum()
    B = sum(weight * matrix for weight, matrix in zip(weights, lora.lora_B, strict=True))
    change = X @ lora.lora_A.T @ lora.task_specific.values.diag() @ B.T
    torch.testing.assert_close(linear(X), plain(linear) + 3.0 * change)


def test_mtl_lora_with_a_whole_task_matrix() -> None:
    linear = adapted(nn.Linear(6, 4), SINGLE, FAMILY["mtl_lora_linear"])
    lora = linear.loras["a"]
    change = lora.lora_B[0] @ lora.task_specific.values @ lora.lora_A
    torch.testing.assert_close(linear(X), plain(linear) + 3.0 * X @ change.T)


@pytest.mark.parametrize("mask", [(True, False, True), (False, True, False), (True, True, True)])
@each_of_family
def test_parts_of_a_fused_map_are_maps_of_their_own(config: LoRAConfig, mask: tuple[bool, ...]) -> None:
    """The weights of part number i are the i-th block of each weight of the fused adapter."""
    fused = adapted(nn.Linear(6, 12), FusedParts(mask), config)
    outputs, bases, rows = (fused(X).split(4, -1), plain(fused).split(4, -1), fused.weight.split(4))
    for part, (output, base, is_adapted) in enumerate(zip(outputs, bases, mask, strict=True)):
        if not is_adapted:
            assert torch.equal(output, base)
            continue
        single = nn.Linear(6, 4)
        single.weight.data, single.bias.data = rows[part].detach().clone(), fused.bias.split(4)[part].detach().clone()
        single = adapted(single, SINGLE, config)
        _take_block(fused.loras["a"], single.loras["a"], sum(mask[:part]), sum(mask))
        torch.testing.assert_close(output, single(X))


def _take_block(fused: nn.Module, single: nn.Module, number: int, count: int) -> None:
    if hasattr(fused, "shared"):
        single.shared = fused.shared
    whole = dict(fused.named_parameters())
    for name, parameter in single.named_parameters():
        dim = 1 if whole[name].dim() == 3 else 0
        parameter.data = whole[name].detach().chunk(count, dim)[number].clone()


@each_of_family
def test_untrained_changes_nothing(config: LoRAConfig) -> None:
    config = config.replace(alpha=1, r=1) if config.composition_mode == "scale" else config
    for architecture in ("llama", "gpt2"):
        model, inputs = fresh(architecture), inputs_for(architecture)
        before = call(model, inputs)
        model.add_adapter("task", config=config, set_active=True)
        for actual, expected in zip(call(model, inputs), before, strict=True):
            torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)


@each_of_family
def test_effect_everywhere(config: LoRAConfig) -> None:
    everywhere = config.replace(attn_matrices=["q", "k", "v", "o"], mlp_matrices=["gate", "up", "down"])
    for architecture in ("llama", "gpt2", "t5"):
        model, inputs = fresh(architecture), inputs_for(architecture)
        before = call(model, inputs)
        add_random(model, "task", everywhere)
        assert differ(call(model, inputs), before)
        model.delete_adapter("task")
        assert_identical(call(model, inputs), before)


def test_vera_shares_one_pair_of_matrices_over_all_widths() -> None:
    model = fresh("llama")
    model.add_adapter("task", config=VeraConfig(r=2, attn_matrices=["q", "k", "v", "o"], mlp_matrices=["up", "down"]))
    shared = model.shared_parameters["task"]
    assert (shared.lora_A.shape, shared.lora_B.shape) == ((2, 64), (64, 2))
    attention, up = model.layers[0].self_attn, model.layers[1].mlp.up_proj.loras["task"]
    assert attention.k_proj.loras["task"].shared.module is up.shared.module is shared
    assert not any(".shared_parameters." in name for name, _ in model.named_parameters())
    a, b = up.factors()
    torch.testing.assert_close(a[0], 0.1 * shared.lora_A[:, :32])
    assert b.shape == (1, 48, 2)
    model.delete_adapter("task")
    assert not hasattr(model, "shared_parameters")


def test_the_fixed_b_of_vera_is_never_zero() -> None:
    model = fresh("bert")
    model.add_adapter("task", config="lora[vera_d=0.1,vera_b=0.0]")
    assert model.shared_parameters["task"].lora_B.all()


def test_vera_trains_vectors() -> None:
    model = fresh("bert")
    model.add_adapter("task", config="vera[r=4]")
    model.train_adapter("task")
    trained = {name.rsplit(".", 1)[1]: value.shape for name, value in model.named_parameters() if value.requires_grad}
    assert trained == {"vera_D": (4,), "vera_B": (32,)}


def test_vera_of_a_seed_is_the_same_in_every_model() -> None:
    first, second = fresh("bert"), fresh("bert")
    first.add_adapter("a", config=VeraConfig(init_weights_seed=3))
    torch.manual_seed(99)
    second.add_adapter("b", config=VeraConfig(init_weights_seed=3))
    assert torch.equal(first.shared_parameters["a"].lora_A, second.shared_parameters["b"].lora_A)


def test_dora_of_quantised_projections_asks_the_map_for_its_matrix() -> None:
    model, inputs = fresh("llama"), inputs_for("llama")
    for layer in model.layers:
        layer.self_attn.q_proj = QuantizedLinear(layer.self_attn.q_proj)
    before = call(model, inputs)
    model.add_adapter("task", config=DoRAConfig(attn_matrices=["q"]), set_active=True)
    q = model.layers[0].self_attn.q_proj
    torch.testing.assert_close(q.loras["task"].m.weight.flatten(), (q.weight * q.scale).norm(dim=1))
    torch.testing.assert_close(call(model, inputs)[0], before[0])


@pytest.mark.parametrize("published", [None, True])
def test_dora_on_offloaded_weights(published: bool | None) -> None:
    config, inputs = DoRAConfig(r=2, dora_as_published=published), inputs_for("llama")
    here, offloaded = fresh("llama"), fresh("llama")
    cpu_offload(offloaded, torch.device("cpu"))
    for model in (here, offloaded):
        add_random(model, "task", config)
    assert_identical(call(offloaded, inputs), call(here, inputs))
    with pytest.raises(UnsupportedMethodError, match="quantised, sharded or offloaded"):
        offloaded.merge_adapter("task")
