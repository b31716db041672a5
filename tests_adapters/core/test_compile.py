"""Compiled into one graph, and with layers run again in the backward pass, adapted models give the same numbers."""

from itertools import product

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend
from transformers import PreTrainedModel

import generated
from generated.core.composition import BatchSplit, Fuse, Parallel, Route, Stack
from tests_adapters.core.zoo import (
    ARCHITECTURES,
    LANGUAGE_MODELS,
    METHODS,
    add_random,
    build,
    build_adapted,
    each_method,
    floats,
    inputs_for,
)


each_architecture = pytest.mark.parametrize(
    "architecture", ["llama", *(pytest.param(name, marks=pytest.mark.slow) for name in ("bert", "gpt_neo", "t5"))]
)


@pytest.fixture(autouse=True)
def _fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def compiled_equals_eager(
    model: PreTrainedModel, architecture: str, backend: str, more: dict | None = None, **tolerance: float
) -> None:
    inputs = inputs_for(architecture) | (more or {})
    with torch.no_grad():
        expected = floats(model(**inputs))
        got = floats(torch.compile(model, fullgraph=True, backend=backend)(**inputs))
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, **tolerance)


@each_method
@each_architecture
def test_one_graph(architecture: str, method: str) -> None:
    """The traced graph, run as it was traced."""
    compiled_equals_eager(build_adapted(architecture, method), architecture, "aot_eager")


@pytest.mark.slow
@each_method
@pytest.mark.parametrize(
    ("architecture", "attention"),
    [("gpt_neo", "eager"), *((name, kernel) for name in ("bert", "llama", "t5") for kernel in ("eager", "sdpa"))],
)
def test_compiled_code(architecture: str, method: str, attention: str) -> None:
    model = build_adapted(architecture, method, LANGUAGE_MODELS[architecture], attention)
    compiled_equals_eager(model, architecture, "inductor", atol=2e-4, rtol=1e-3)


BLOCKS = {
    "stack": Stack("a", "bb"),
    "fuse": Fuse("a", "bb"),
    "batch_split": BatchSplit("a", "bb", batch_sizes=[1, 1]),
    "parallel": Parallel("a", "bb"),
    "route": Route("a", "bb"),
}
SETS = {
    "double_seq_bn": tuple(BLOCKS),
    "ia3": tuple(BLOCKS),
    "lora": tuple(BLOCKS)[2:],
    "prefix_tuning": tuple(BLOCKS),
}


@pytest.mark.parametrize(
    ("method", "block"), [(method, block) for method, blocks in SETS.items() for block in blocks if block != "fuse"]
)
@each_architecture
def test_blocks_in_one_graph(architecture: str, method: str, block: str) -> None:
    model = with_two_adapters(architecture, method)
    model.set_active_adapters(BLOCKS[block])
    routed = {"adapter_ids": torch.tensor([1, 0])} if block == "route" else {}
    compiled_equals_eager(model, architecture, "aot_eager", more=routed)


@each_architecture
def test_fusion_in_one_graph(architecture: str) -> None:
    model = with_two_adapters(architecture, "double_seq_bn")
    model.add_adapter_fusion("a,bb", set_active=True)
    compiled_equals_eager(model, architecture, "aot_eager", atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("method", ["double_seq_bn", "ia3", "lora", "prefix_tuning"])
@each_architecture
def test_one_graph_for_all_routings(architecture: str, method: str) -> None:
    model, inputs = with_two_adapters(architecture, method), inputs_for(architecture)
    model.set_active_adapters(Route("a", "bb"))
    graphs = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(model, fullgraph=True, backend=graphs)
    with torch.no_grad():
        for ids in product((-1, 0, 1), repeat=2):
            routed = {"adapter_ids": torch.tensor(ids)}
            for one, other in zip(
                floats(compiled(**inputs, **routed)), floats(model(**inputs, **routed)), strict=True
            ):
                torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    assert graphs.frame_count == 1


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("architecture", ["bert", "llama", "gpt_neo", "t5"])
def test_compiled_blocks(architecture: str, block: str) -> None:
    """Several methods at once, but for a mixture, which knows bottlenecks only; LoRA is stacked where it can be."""
    methods = {"stack": "seq_bn|prefix_tuning_flat|ia3", "fuse": "double_seq_bn"}
    model = generated.init(build(architecture))
    for name in ("a", "bb"):
        add_random(model, name, methods.get(block, "seq_bn|lora|prefix_tuning_flat[prefix_length=3]"))
    if block == "fuse":
        model.add_adapter_fusion("a,bb")
    model.set_active_adapters(BLOCKS[block])
    routed = {"adapter_ids": torch.tensor([1, -1])} if block == "route" else {}
    compiled_equals_eager(model, architecture, "inductor", more=routed, atol=2e-4, rtol=1e-3)


def with_two_adapters(architecture: str, method: str) -> PreTrainedModel:
    model = generated.init(build(architecture))
    for name in ("a", "bb"):
        add_random(model, name, METHODS[method]())
    return model


def test_switching_adapters_of_a_compiled_model() -> None:
    """What is active is part of what the compiler guards."""
    model, inputs = generated.init(build("llama")), inputs_for("llama")
    for name in ("a", "bb"):
        add_random(model, name, "lora")
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    with torch.no_grad():
        for setup in ("a", "bb", None, "a"):
            model.set_active_adapters(setup)
            assert torch.equal(compiled(**inputs).last_hidden_state, model(**inputs).last_hidden_state), setup


def gradients(model: PreTrainedModel, architecture: str) -> dict[str, torch.Tensor]:
    model.zero_grad()
    outputs = floats(model(**inputs_for(architecture)))
    generator = torch.Generator().manual_seed(0)
    sum((output * torch.randn(output.shape, generator=generator)).sum() for output in outputs).backward()
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.requires_grad}


# Reentrant checkpointing needs an input with gradient; transformers sees to it where the input is text.
CHECKPOINTING = [
    pytest.param(architecture, is_reentrant, id=f"{architecture}-{'reentrant' if is_reentrant else 'non-reentrant'}")
    for architecture in ARCHITECTURES
    for is_reentrant in (False, True)
    if not (architecture == "vit" and is_reentrant)
]


@each_method
@pytest.mark.parametrize(("architecture", "use_reentrant"), CHECKPOINTING)
def test_activation_checkpointing(architecture: str, method: str, use_reentrant: bool) -> None:
    """Without dropout, so that running a layer again gives what it gave before."""
    model = build_adapted(architecture, method)
    model.train_adapter(method)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        for name in ("dropout", "activation_dropout", "attention_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    expected = gradients(model, architecture)
    model.activation_checkpointing_enable({"use_reentrant": use_reentrant})
    for name, gradient in gradients(model, architecture).items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-3, rtol=1e-3)
