"""Compiled into one graph, and with layers run again in the backward pass, adapted models give the same numbers."""

import pytest
import torch
from transformers import PreTrainedModel

import generated
from tests_adapters.core.zoo import (
    ARCHITECTURES,
    LANGUAGE_MODELS,
    add_random,
    build,
    build_adapted,
    each_method,
    floats,
    inputs_for,
)


@pytest.fixture(autouse=True)
def _fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def compiled_equals_eager(model: PreTrainedModel, architecture: str, backend: str, **tolerance: float) -> None:
    inputs = inputs_for(architecture)
    with torch.no_grad():
        expected = floats(model(**inputs))
        got = floats(torch.compile(model, fullgraph=True, backend=backend)(**inputs))
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, **tolerance)


@each_method
@pytest.mark.parametrize(
    "architecture", ["bert", "llama", *(pytest.param(name, marks=pytest.mark.slow) for name in ("gpt_neo", "t5"))]
)
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
