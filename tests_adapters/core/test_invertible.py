"""Invertible adapters: exactly undone, and undone in front of the output embeddings."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.utils.hooks import RemovableHandle
from transformers import (
    AlbertConfig,
    AlbertForMaskedLM,
    BertForPreTraining,
    BertForSequenceClassification,
    ElectraConfig,
    ElectraForMaskedLM,
    LlamaForCausalLM,
)

import generated
from generated.core.configuration import SeqBnConfig, SeqBnInvConfig
from generated.core.errors import AdapterConfigError
from generated.core.layers.invertible import build_invertible
from tests_adapters.core.zoo import (
    BASE_MODELS,
    LANGUAGE_MODELS,
    add_random,
    assert_identical,
    build,
    build_adapted,
    call,
    differ,
    each_architecture,
    inputs_for,
)


KINDS = ["nice", "glow"]


def config(kind: str = "nice") -> SeqBnInvConfig:
    return SeqBnInvConfig(reduction_factor=8, inv_adapter=kind)


def randomized(kind: str, size: int) -> nn.Module:
    torch.manual_seed(0)
    coupling = build_invertible(size, config(kind))
    for parameter in coupling.parameters():
        nn.init.normal_(parameter, std=0.5)
    return coupling


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("kind", KINDS)
def test_inverse(kind: str, size: int) -> None:
    coupling = randomized(kind, size).double()
    x = torch.randn(2, 5, size, dtype=torch.float64)
    y = coupling(x)
    assert y.shape == x.shape
    assert (y - x).abs().max() > 0.1
    torch.testing.assert_close(coupling(y, rev=True), x)
    torch.testing.assert_close(coupling(coupling(x, rev=True)), x)


@pytest.mark.parametrize("kind", KINDS)
def test_each_half_is_changed_by_the_other(kind: str) -> None:
    coupling, x = randomized(kind, 8), torch.randn(2, 8)
    changes = torch.autograd.functional.jacobian(coupling, x[0])
    assert changes[:4, 4:].abs().sum() > 0
    assert changes[4:, :4].abs().sum() > 0


def test_names_of_the_subnetworks() -> None:
    assert {name.split(".")[0] for name, _ in build_invertible(8, config("nice")).named_parameters()} == {"F", "G"}
    assert {name.split(".")[0] for name, _ in build_invertible(8, config("glow")).named_parameters()} == {"s1", "s2"}
    with pytest.raises(AdapterConfigError, match="inv_adapter 'wild'"):
        build_invertible(8, config("wild"))


@pytest.mark.parametrize("kind", KINDS)
def test_language_model_undoes_what_happened_at_the_embeddings(kind: str) -> None:
    """Where nothing stands between embeddings and scores, the adapter cancels out."""
    model = generated.init(build("llama", LlamaForCausalLM))
    for layer in model.model.layers:
        for projection in (layer.self_attn.o_proj, layer.mlp.down_proj):
            nn.init.zeros_(projection.weight)
    model.model.norm.forward = lambda hidden_states: hidden_states
    inputs = inputs_for("llama")
    scores, hidden = call(model, inputs)[0], call(model.model, inputs)[0]

    add_random(model, "task", SeqBnConfig(output_adapter=False, inv_adapter=kind, inv_adapter_reduction_factor=2))

    torch.testing.assert_close(call(model, inputs)[0], scores, atol=1e-4, rtol=1e-4)
    assert differ([call(model.model, inputs)[0]], [hidden])


@pytest.mark.parametrize("architecture", LANGUAGE_MODELS)
@pytest.mark.parametrize("from_base", [False, True], ids=["added-to-the-model", "added-to-its-base"])
def test_hooks_are_where_they_belong(architecture: str, from_base: bool) -> None:
    """One at the entry, one at the output embeddings; also if only the base model is told."""
    model = generated.init(build(architecture, LANGUAGE_MODELS[architecture]))
    (model.base_model if from_base else model).add_adapter("task", config=SeqBnInvConfig())
    hooked = [
        module
        for module in model.modules()
        for hooks in (module._forward_hooks, module._forward_pre_hooks)
        if any(getattr(hook, "__self__", None) is invertible(model) for hook in hooks.values())
    ]
    assert len(hooked) == 2
    assert model.get_output_embeddings() in hooked
    model.delete_adapter("task")
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in hooked)


@pytest.mark.parametrize("embedding_size", [16, 32])
@pytest.mark.parametrize(
    ("cls", "config_cls", "place"),
    [
        (AlbertForMaskedLM, AlbertConfig, "encoder.embedding_hidden_mapping_in"),
        (ElectraForMaskedLM, ElectraConfig, "embeddings_project"),
    ],
)
def test_in_front_of_the_map_that_widens_the_embeddings(cls, config_cls, place: str, embedding_size: int) -> None:
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    model = generated.init(cls(config_cls(vocab_size=61, embedding_size=embedding_size, **sizes))).eval()
    model.add_adapter("task", config=config(), set_active=True)
    coupling = model.base_model.invertible_of_owner.module["task"]
    seen: dict[str, torch.Tensor] = {}
    coupling.register_forward_hook(lambda _, args, __: seen.setdefault("embedded", args[0]))
    if embedding_size != 32:
        widening = model.base_model.get_submodule(place)
        widening.register_forward_pre_hook(lambda _, args: seen.setdefault("adapted", args[0]))
    model(torch.tensor([[5, 6, 7, 8]]))

    assert coupling.F[0].weight.shape[-1] == embedding_size // 2
    assert seen["embedded"].shape == (1, 4, embedding_size)
    assert embedding_size == 32 or torch.equal(seen["adapted"], coupling(seen["embedded"]))


def test_head_that_is_built_around_an_adapted_base() -> None:
    base = generated.init(build("llama"))
    add_random(base, "task", SeqBnInvConfig(reduction_factor=8))
    model = build("llama", LlamaForCausalLM)
    model.model = base
    for _ in range(2):
        generated.init(model)
        assert len(model.lm_head._forward_pre_hooks) == 1
    base.delete_adapter("task")
    assert not model.lm_head._forward_pre_hooks


def invertible(model: nn.Module) -> nn.Module:
    return next(module for path, module in model.named_modules() if path.endswith("invertible_adapters"))


@pytest.mark.parametrize(
    ("architecture", "path"),
    [("bart", "encoder"), ("t5", "encoder"), ("bert", ""), ("llama", ""), ("vit", ""), ("gpt2", "")],
)
def test_weights_hang_on_the_owner_of_the_first_stack(architecture: str, path: str) -> None:
    model = generated.init(build(architecture))
    model.add_adapter("task", config=SeqBnInvConfig())
    names = [name for name in model.state_dict() if "invertible" in name]
    prefix = f"{path}.invertible_adapters.task." if path else "invertible_adapters.task."
    assert len(names) == 8
    assert all(name.startswith(prefix) for name in names)


@each_architecture
def test_embeddings_given_by_hand_are_adapted_too(architecture: str) -> None:
    if architecture == "vit":
        pytest.skip("images are embedded by the model")
    model, inputs = generated.init(build(architecture)), inputs_for(architecture)
    add_random(model, "task", SeqBnInvConfig(reduction_factor=8))
    by_ids = call(model, inputs)
    embeddings = model.get_input_embeddings()(inputs.pop("input_ids"))
    for first, second in zip(call(model, inputs | {"inputs_embeds": embeddings}), by_ids, strict=True):
        torch.testing.assert_close(first, second)


def test_only_the_first_adapter_of_a_setup_acts() -> None:
    model = generated.init(build("bert"))
    model.add_adapter("language", config=SeqBnInvConfig())
    model.add_adapter("task", config="seq_bn")
    assert model.get_invertible_adapter() is None
    model.set_active_adapters(["language", "task"])
    assert model.get_invertible_adapter() is model.invertible_adapters["language"]
    model.set_active_adapters(["task", "language"])
    assert model.get_invertible_adapter() is None
    hidden = torch.randn(1, 2, 32)
    assert model.invertible_adapters_forward(hidden) is hidden


def test_head_without_output_embeddings() -> None:
    model = generated.init(build("bert", BertForSequenceClassification))
    add_random(model, "task", SeqBnInvConfig())
    assert model.inverse_site() is None
    assert model.get_invertible_adapter() is model.bert.invertible_adapters["task"]
    hidden = torch.randn(1, 2, 32)
    undone = model.invertible_adapters_forward(model.invertible_adapters_forward(hidden), rev=True)
    torch.testing.assert_close(undone, hidden, atol=1e-5, rtol=1e-4)


def test_head_that_gets_a_tuple() -> None:
    model, inputs = generated.init(build("bert", BertForPreTraining)), inputs_for("bert")
    before = call(model, inputs)
    add_random(model, "task", SeqBnInvConfig())
    assert differ(call(model, inputs), before)


@pytest.mark.parametrize("architecture", ["bert", "llama", "t5"])
def test_hooks_of_a_copy_belong_to_the_copy(architecture: str) -> None:
    cls = LANGUAGE_MODELS[architecture]
    model, inputs = generated.init(build(architecture, cls)), inputs_for(architecture)
    plain = call(model, inputs)
    add_random(model, "task", SeqBnInvConfig(reduction_factor=8))
    numbers = call(model, inputs)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        twin.set_active_adapters(None)
        assert_identical(call(twin, inputs), plain)
        assert_identical(call(model, inputs), numbers)
        twin.delete_adapter("task")
        assert not any(
            getattr(hook, "__name__", "") in ("adapt_input", "adapt_output", "invert_input")
            for module in twin.modules()
            for hook in (*module._forward_hooks.values(), *module._forward_pre_hooks.values())
        )


@pytest.mark.parametrize("architecture", ["bert", "llama", "t5"])
def test_hooks_from_a_pickle_are_not_replaced_by_later_ones(
    architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a new process PyTorch counts hooks from 0, where those in a pickle have numbers already."""
    inputs = inputs_for(architecture)
    monkeypatch.setattr(RemovableHandle, "next_id", 3)
    model = build_adapted(architecture, "seq_bn_inv", LANGUAGE_MODELS[architecture])
    numbers, pickled = call(model, inputs), pickle.dumps(model)
    monkeypatch.setattr(RemovableHandle, "next_id", 0)
    twin = pickle.loads(pickled)
    for _ in range(6):
        twin.inverse_site().register_forward_pre_hook(lambda module, args: None)
    assert_identical(call(twin, inputs), numbers)
    assert len(twin.inverse_site()._forward_pre_hooks) == 7


def test_resized_output_embeddings_keep_the_hook() -> None:
    model = generated.init(build("llama", LlamaForCausalLM))
    add_random(model, "task", SeqBnInvConfig(reduction_factor=8))
    inputs = inputs_for("llama")
    before = call(model, inputs)[0]
    model.resize_token_embeddings(70)
    torch.testing.assert_close(call(model, inputs)[0][..., : before.shape[-1]], before)


def test_every_base_model_has_an_entry() -> None:
    for architecture, cls in BASE_MODELS.items():
        model, inputs = generated.init(build(architecture, cls)), inputs_for(architecture)
        before = call(model, inputs)
        add_random(model, "task", SeqBnInvConfig(reduction_factor=8))
        model.set_active_adapters("task", skip_layers=range(4))
        assert differ(call(model, inputs), before), architecture
