"""What is trained: exactly the adapters of the setup, and the head."""

import pytest
import torch
from torch import Tensor, nn
from transformers import BertForSequenceClassification, T5ForConditionalGeneration, T5ForQuestionAnswering

import generated
from generated.core.configuration import CompacterConfig, LoRAConfig, SeqBnConfig
from tests_adapters.core.zoo import (
    LANGUAGE_MODELS,
    METHODS,
    add_random,
    build,
    build_adapted,
    each_architecture,
    each_method,
    floats,
    inputs_for,
)


def trainable(model: nn.Module) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def of_adapter(model: nn.Module, name: str) -> set[str]:
    return {key for key, _ in model.named_parameters() if f".{name}." in key}


def loss_of(model: nn.Module, architecture: str) -> Tensor:
    """A random projection: a norm at the end of the model would hide most changes from a symmetric loss."""
    generator = torch.Generator().manual_seed(0)
    outputs = floats(model(**inputs_for(architecture)))
    return sum((output * torch.randn(output.shape, generator=generator)).sum() for output in outputs)


@each_method
@each_architecture
def test_gradients_and_one_step(architecture: str, method: str) -> None:
    """Every weight of the adapter gets a gradient, and a step of SGD moves these weights and no others."""
    model = build_adapted(architecture, method)
    model.add_adapter("other", config=METHODS[method]())
    model.train_adapter(method)
    model.eval()
    assert trainable(model) == of_adapter(model, method)

    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    loss_of(model, architecture).backward()
    gradients = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert gradients == trainable(model)
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters() if parameter.requires_grad)

    torch.optim.SGD([parameter for parameter in model.parameters() if parameter.requires_grad], lr=1.0).step()
    moved = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert moved == trainable(model)


def test_train_adapter_sets_the_mode_and_the_setup() -> None:
    model = generated.init(build("bert"))
    model.add_adapter("a")
    model.add_adapter("b")
    model.train_adapter(["a", "b"])
    assert model.training
    assert model.active_adapters == generated.Stack("a", "b")
    assert trainable(model) == of_adapter(model, "a") | of_adapter(model, "b")

    model.train_adapter("b")
    assert trainable(model) == of_adapter(model, "b")


def test_fixed_head_is_trained() -> None:
    model = generated.init(build("bert", BertForSequenceClassification))
    model.add_adapter("task", config="lora")
    model.train_adapter("task")
    assert trainable(model) == of_adapter(model, "task") | {"classifier.weight", "classifier.bias"}


def test_head_inside_the_base_model_is_trained() -> None:
    """T5 has stacks and head in one object."""
    model = generated.init(build("t5", T5ForQuestionAnswering))
    model.add_adapter("task", config="prefix_tuning")
    model.train_adapter("task")
    assert trainable(model) == of_adapter(model, "task") | {"qa_outputs.weight", "qa_outputs.bias"}


@pytest.mark.parametrize("architecture", LANGUAGE_MODELS)
def test_output_embeddings_are_frozen(architecture: str) -> None:
    model = generated.init(build(architecture, LANGUAGE_MODELS[architecture]))
    model.add_adapter("task")
    model.train_adapter("task")
    frozen = model.get_output_embeddings().parameters()
    assert not any(parameter.requires_grad for parameter in frozen)
    assert of_adapter(model, "task") <= trainable(model)


def test_embeddings_on_request() -> None:
    model = generated.init(build("t5", T5ForConditionalGeneration))
    model.add_adapter("task")
    model.train_adapter("task", train_embeddings=True)
    assert trainable(model) == of_adapter(model, "task") | {"shared.weight"}
    model.freeze_embeddings()
    assert trainable(model) == of_adapter(model, "task")


def test_freeze_and_release() -> None:
    model = generated.init(build("bert", BertForSequenceClassification))
    model.add_adapter("task")
    model.freeze_model()
    assert trainable(model) == {"classifier.weight", "classifier.bias"}
    model.freeze_model(False)
    assert trainable(model) == {name for name, _ in model.named_parameters()}


@pytest.mark.parametrize("architecture", ["bert", "t5"])
def test_tied_embeddings_belong_to_the_base_model(architecture: str) -> None:
    model = generated.init(build(architecture, LANGUAGE_MODELS[architecture]))
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    head = [name for name, _ in model.head_parameters()]
    assert not any(part in name for name in head for part in ("embeddings", "shared", "lm_head", "decoder.weight"))
    model.freeze_model()
    assert not model.get_output_embeddings().weight.requires_grad


def test_fixed_rule_of_compacter_is_no_parameter() -> None:
    model = generated.init(build("bert"))
    model.add_adapter("task", config=CompacterConfig(reduction_factor=4, learn_phm=False))
    model.train_adapter("task")
    rule = "shared_parameters.task.phm_rule"
    assert rule in model.state_dict()
    assert rule not in trainable(model)


@each_method
def test_new_adapters_are_trainable_and_follow_the_mode(method: str) -> None:
    model = generated.init(build("bert"))
    model.train()
    model.add_adapter("task", config=METHODS[method]())
    assert of_adapter(model, "task") <= trainable(model)
    assert all(module.training for module in model.modules())
    model.eval()
    model.add_adapter("second", config=METHODS[method]())
    assert not any(module.training for module in model.modules())


@pytest.mark.parametrize("config", [SeqBnConfig(init_weights_seed=7), LoRAConfig(init_weights_seed=7)])
def test_seed_makes_equal_weights_and_leaves_the_generator_alone(config) -> None:
    model = generated.init(build("bert"))
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    model.add_adapter("a", config=config)
    model.add_adapter("b", config=config)
    assert torch.equal(torch.rand(1), expected)
    weights = [
        [parameter for _, parameter in sorted(model.named_parameters()) if f".{name}." in _] for name in ("a", "b")
    ]
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))


def test_dropout_acts_in_training_only() -> None:
    model = generated.init(build("bert"))
    for parameter in model.modules():
        if isinstance(parameter, nn.Dropout):
            parameter.p = 0.0
    inputs = inputs_for("bert")
    for name, config in {"bn": SeqBnConfig(dropout=0.5), "lora": "lora[dropout=0.5]", "depth": "adapter_plus"}.items():
        add_random(model, name, config)
        model.eval()
        first, second = (model(**inputs).last_hidden_state for _ in range(2))
        assert torch.equal(first, second)
        model.train()
        torch.manual_seed(0)
        runs = [model(**inputs).last_hidden_state for _ in range(5)]
        assert any(not torch.equal(runs[0], run) for run in runs[1:]), name
