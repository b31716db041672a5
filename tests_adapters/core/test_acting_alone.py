"""An adapter that acts alone, and a batch that needs some adapters only, take a shorter way. It leads to the same."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor, nn

import generated
from generated import Route, Stack
from generated.core.errors import UnsupportedCompositionError
from generated.core.layers.routing import Routing
from generated.core.layers.slot import iter_slots
from tests_adapters.core.zoo import LANGUAGE_MODELS, add_random, build, inputs_for


CONFIGS = {
    "seq_bn": "seq_bn",
    "double_seq_bn": "double_seq_bn",
    "par_bn": "par_bn",
    "lora": "lora[r=4,alpha=8]",
    "lora_of_all": "lora[r=4,alpha=8,attn_matrices=['q','k','v','o'],intermediate_lora=True,output_lora=True]",
    "ia3": "ia3",
    "prefix_tuning_flat": "prefix_tuning_flat[prefix_length=4]",
}
# gpt2 has queries, keys and values in one map
each_case = pytest.mark.parametrize(("architecture", "method"), [*product(("bert", "gpt2", "llama", "t5"), CONFIGS)])


def adapted(architecture: str, *configs: str) -> nn.Module:
    """Random adapters "0", "1", …, of which the first one is active."""
    model = generated.init(build(architecture))
    for number, config in enumerate(configs):
        add_random(model, str(number), config)
    model.set_active_adapters("0")
    return model


def hidden(model: nn.Module, inputs: dict[str, Tensor], **more) -> Tensor:
    return model(**inputs, **more).last_hidden_state


def composed(model: nn.Module) -> None:
    """Let no place take the shorter way."""
    for slot in iter_slots(model):
        slot.alone = None


@each_case
def test_alone_is_as_composed(architecture: str, method: str) -> None:
    model, inputs = adapted(architecture, CONFIGS[method]), inputs_for(architecture)
    assert any(slot.alone is not None for slot in iter_slots(model))
    with torch.no_grad():
        alone = hidden(model, inputs)
        assert torch.equal(alone, hidden(model, inputs))
    with_gradients = hidden(model, inputs).detach()
    composed(model)
    expected = hidden(model, inputs).detach()

    torch.testing.assert_close(alone, expected)
    torch.testing.assert_close(with_gradients, expected)


@each_case
def test_gradients_alone_are_as_composed(architecture: str, method: str) -> None:
    model, inputs = adapted(architecture, CONFIGS[method]), inputs_for(architecture)
    model.train_adapter("0")
    model.eval()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    alone = torch.autograd.grad(hidden(model, inputs).square().mean(), trained)
    composed(model)
    expected = torch.autograd.grad(hidden(model, inputs).square().mean(), trained)

    assert any(gradient.abs().max() > 0 for gradient in expected)
    for one, other in zip(alone, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("method", CONFIGS)
@pytest.mark.parametrize("kind", ["autocast", "bfloat16", "adapter in float32"])
def test_types_are_kept(method: str, kind: str) -> None:
    """Rounding differs, and is no coarser."""
    model, inputs = adapted("bert", CONFIGS[method]), inputs_for("bert")
    exact = hidden(model, inputs).detach()
    if kind != "autocast":
        model.to(torch.bfloat16)
    if kind == "adapter in float32":
        model.adapter_to("0", dtype=torch.float32)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=kind == "autocast"):
        alone = hidden(model, inputs)
        composed(model)
        expected = hidden(model, inputs)

    assert alone.dtype == expected.dtype
    assert (alone - exact).abs().mean() < 1.5 * (expected - exact).abs().mean()


@pytest.mark.parametrize("setup", [Stack("0", "1"), Route("0", "1"), "gated"])
def test_what_has_to_be_composed_is(setup: Stack | Route | str) -> None:
    model = adapted("bert", "lora", "lora")
    add_random(model, "gated", "lora[use_gating=True]")
    model.set_active_adapters(setup)
    assert all(slot.alone is None for slot in iter_slots(model))


def test_a_nested_stack_of_one_acts_alone() -> None:
    model = adapted("bert", "lora", "seq_bn")
    for setup in (Stack(Stack("0")), Stack("0", "1")):  # at each place there is one of the two
        model.set_active_adapters(setup)
        assert any(slot.alone is not None for slot in iter_slots(model))


ROUTED = {
    "lora": ["lora[r=4]", "lora[r=2]", "lora[r=6,alpha=3]", "lora[r=4]"],
    "seq_bn": ["seq_bn", "seq_bn[reduction_factor=4]", "seq_bn", "seq_bn"],
    "ia3": ["ia3"] * 4,
    "prefix_tuning_flat": [f"prefix_tuning_flat[prefix_length={length}]" for length in (2, 7, 3, 2)],
    "of two kinds": ["lora", "seq_bn", "lora", "prefix_tuning_flat[prefix_length=3]"],
}


@pytest.mark.parametrize("method", ROUTED)
@pytest.mark.parametrize("architecture", ["bert", "gpt2", "llama", "t5"])
@pytest.mark.parametrize("ids", [[0, 0], [2, 0], [-1, 3], [-1, -1]], ids=str)
def test_rows_get_what_they_get_alone(architecture: str, method: str, ids: list[int]) -> None:
    model, inputs = adapted(architecture, *ROUTED[method]), inputs_for(architecture)
    with torch.no_grad():
        rows = []
        for row, number in enumerate(ids):
            model.set_active_adapters(None if number < 0 else str(number))
            rows.append(hidden(model, inputs)[row])
        model.set_active_adapters(Route("0", "1", "2", "3"))
        needed = hidden(model, inputs, adapter_ids=torch.tensor(ids))
    all_of_them = hidden(model, inputs, adapter_ids=torch.tensor(ids)).detach()

    torch.testing.assert_close(needed, torch.stack(rows), rtol=5e-4, atol=5e-4)
    torch.testing.assert_close(all_of_them, torch.stack(rows), rtol=5e-4, atol=5e-4)


@pytest.mark.parametrize("method", ["lora", "seq_bn", "ia3", "prefix_tuning_flat"])
def test_only_what_a_batch_needs_is_stacked(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counts, pick = [], Routing.pick
    monkeypatch.setattr(Routing, "pick", lambda self, tensors: counts.append(len(tensors)) or pick(self, tensors))
    model, inputs = adapted("llama", *ROUTED[method]), inputs_for("llama")
    model.set_active_adapters(Route("0", "1", "2", "3"))
    with torch.no_grad():
        hidden(model, inputs, adapter_names=["2", "2"])
    assert set(counts) == {1}

    counts.clear()
    hidden(model, inputs, adapter_names=["2", "2"])
    assert set(counts) == {4}


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "t5"])
def test_a_generation_stacks_once(architecture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one sees what has become of the weights since."""
    picked, pick = [], Routing.pick
    monkeypatch.setattr(Routing, "pick", lambda self, tensors: picked.append(len(tensors)) or pick(self, tensors))
    model, inputs = generated.init(build(architecture, LANGUAGE_MODELS[architecture])), inputs_for(architecture)
    inputs.pop("decoder_input_ids", None)
    for name in ("0", "1"):
        add_random(model, name, "lora[r=4,alpha=8]")

    def written(count: int, **more) -> Tensor:
        picked.clear()
        options = {"max_new_tokens": count, "min_new_tokens": count, "do_sample": False, "pad_token_id": 0}
        return model.generate(**inputs, **options, **more)

    def alone() -> Tensor:
        rows = []
        for row, name in enumerate(("1", "0")):
            model.set_active_adapters(name)
            rows.append(written(6)[row])
        model.set_active_adapters(Route("0", "1"))
        return torch.stack(rows)

    for _ in range(2):
        expected = alone()
        assert torch.equal(written(6, adapter_names=["1", "0"]), expected)
        several = len(picked)
        written(1, adapter_names=["1", "0"])
        assert several == len(picked) > 0
        for name, weight in model.named_parameters():
            if name.endswith("lora_B"):
                weight.data.neg_()


def test_adapters_that_a_batch_does_not_need_have_gradients() -> None:
    """Of zero: data parallelism waits for one of every weight that is trained."""
    model, inputs = adapted("llama", *ROUTED["lora"]), inputs_for("llama")
    model.train_adapter(Route("0", "1", "2", "3"))
    hidden(model, inputs, adapter_ids=torch.tensor([1, 1])).square().mean().backward()
    gradients = {name: weight.grad for name, weight in model.named_parameters() if weight.requires_grad}

    assert all(gradient is not None for gradient in gradients.values())
    assert all(not gradient.any() for name, gradient in gradients.items() if ".1." not in name.partition("loras")[2])


def test_ids_beyond_the_block_are_refused() -> None:
    model, inputs = adapted("bert", "lora", "lora"), inputs_for("bert")
    model.set_active_adapters(Route("0", "1"))
    with torch.no_grad(), pytest.raises(UnsupportedCompositionError, match="adapter_ids names child 2 of a block"):
        hidden(model, inputs, adapter_ids=torch.tensor([2, 0]))
