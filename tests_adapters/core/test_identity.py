"""A model without active adapters is the model of transformers: its numbers bit by bit, its classes, its tree."""

import pytest
import torch
from transformers import ModernBertConfig, ModernBertModel

import generated
from tests_adapters.core.zoo import (
    BASE_MODELS,
    LANGUAGE_MODELS,
    METHODS,
    TEXT,
    ModelClass,
    assert_identical,
    build,
    build_adapted,
    call,
    differ,
    each_architecture,
    each_method,
    inputs_for,
    model_classes,
    tree,
)


EVERY_CLASS = [
    pytest.param(model_class, attention, id=f"{model_class.cls.__name__}-{attention}")
    for model_class in model_classes()
    for attention in model_class.attentions
]


@pytest.mark.parametrize(("model_class", "attention"), EVERY_CLASS)
def test_init_changes_nothing_but_the_class(model_class: ModelClass, attention: str) -> None:
    model = build(model_class.architecture, model_class.cls, attention)
    inputs = inputs_for(model_class.architecture, model_class.cls)
    before, numbers, weights = tree(model), call(model, inputs), list(model.state_dict())

    assert generated.init(model) is model

    assert_identical(call(model, inputs), numbers)
    assert list(model.state_dict()) == weights
    changed = {path for path, state in tree(model).items() if state != before[path]}
    base = next(path for path, module in model.named_modules() if module is model.base_model)
    assert changed == {"", base}
    assert str(type(model)) == str(model_class.cls)

    generated.deinit(model)
    assert tree(model) == before


@each_method
@each_architecture
def test_deactivated_and_deleted(architecture: str, method: str) -> None:
    cls = LANGUAGE_MODELS.get(architecture)
    model = generated.init(build(architecture, cls))
    inputs, before = inputs_for(architecture, cls), tree(model)
    numbers, weights = call(model, inputs), list(model.state_dict())

    model.add_adapter("task", config=METHODS[method](), set_active=True)
    assert len(model.state_dict()) > len(weights)
    model.set_active_adapters(None)
    assert_identical(call(model, inputs), numbers)

    model.set_active_adapters("task")
    model.delete_adapter("task")
    assert_identical(call(model, inputs), numbers)
    assert list(model.state_dict()) == weights
    assert tree(model) == before
    assert model.active_adapters is None


@each_architecture
def test_one_adapter_leaves_the_others(architecture: str) -> None:
    """Deleting takes only what no other adapter uses."""
    model = generated.init(build(architecture))
    before = tree(model)
    for method, config in METHODS.items():
        model.add_adapter(method, config=config())
    inputs = inputs_for(architecture)
    for method in METHODS:
        others = [other for other in model.adapters_config if other != method]
        model.set_active_adapters(others[0] if others else None)
        numbers = call(model, inputs)
        model.delete_adapter(method)
        assert_identical(call(model, inputs), numbers)
    assert tree(model) == before


@each_architecture
def test_config_is_left_alone(architecture: str) -> None:
    model = build(architecture)
    config, cls = model.config, type(model.config)
    values, attributes, names = config.to_dict(), dict(vars(cls)), dict(cls.attribute_map)

    generated.init(model)
    for method, configuration in METHODS.items():
        model.add_adapter(method, config=configuration(), set_active=True)

    assert model.config is config
    assert config.to_dict() == values
    assert dict(vars(cls)) == attributes
    assert cls.attribute_map == names


@each_method
@each_architecture
def test_active_adapter_has_an_effect(architecture: str, method: str) -> None:
    model, inputs = build_adapted(architecture, method), inputs_for(architecture)
    adapted = call(model, inputs)
    model.set_active_adapters(None)
    assert differ(adapted, call(model, inputs))


@each_method
def test_skipped_layers(method: str) -> None:
    """Nothing acts in a skipped layer; what the layers share, at the embeddings, still does."""
    model, inputs = build_adapted("bert", method), inputs_for("bert")
    adapted = call(model, inputs)
    model.set_active_adapters(method, skip_layers=[0])
    partly = call(model, inputs)
    model.set_active_adapters(method, skip_layers=[0, 1])
    skipped = call(model, inputs)
    model.set_active_adapters(None)
    plain = call(model, inputs)

    assert differ(adapted, partly)
    assert differ(partly, skipped)
    assert differ(skipped, plain) == (method == "seq_bn_inv")


def test_init_twice_changes_nothing() -> None:
    model = generated.init(build("bert", BASE_MODELS["bert"]))
    model.add_adapter("task")
    before = tree(model)
    generated.init(model)
    assert tree(model) == before
    assert list(model.adapters_config) == ["task"]


@pytest.mark.parametrize("method", ["lora", "ia3"])
def test_a_fused_projection_without_bias_gets_none(method: str) -> None:
    """New adapters of both methods change nothing, so that whatever differs would be something else."""
    torch.manual_seed(0)
    config = ModernBertConfig(**TEXT, pad_token_id=0, cls_token_id=1, sep_token_id=2)
    model = ModernBertModel._from_config(config, attn_implementation="eager").eval()
    inputs = inputs_for("bert")
    assert model.layers[0].attn.Wqkv.bias is None
    expected, weights = call(model, inputs), list(model.state_dict())
    assert_identical(call(generated.init(model), inputs), expected)
    assert list(model.state_dict()) == weights
    model.add_adapter("task", config=METHODS[method](), set_active=True)
    assert_identical(call(model, inputs), expected)
    assert model.layers[0].attn.Wqkv.bias is None
