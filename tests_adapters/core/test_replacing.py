"""An adapter in place of another of its name: it acts, or everything stays as it was."""

import pytest

import generated
from generated.core.configuration import ConfigUnion, IA3Config, LoRAConfig, SeqBnConfig
from generated.core.errors import (
    AdapterConfigError,
    AdapterError,
    AdapterExistsError,
    UnsupportedCompositionError,
)
from tests_adapters.core.zoo import (
    METHODS,
    add_random,
    assert_identical,
    build,
    build_adapted,
    call,
    each_method,
    inputs_for,
    tree,
)


def test_names_are_taken_once() -> None:
    model = generated.init(build("bert"))
    model.add_adapter("task", config="seq_bn", set_active=True)
    with pytest.raises(AdapterExistsError, match="overwrite_ok"):
        model.add_adapter("task", config="lora")
    assert isinstance(model.adapters_config["task"], SeqBnConfig)
    model.add_adapter("task", config="lora", overwrite_ok=True)
    assert isinstance(model.adapters_config["task"], LoRAConfig)
    assert not any(".adapters." in name for name in model.state_dict())


def test_replacing_keeps_what_is_active_or_everything() -> None:
    model, inputs = generated.init(build("bert")), inputs_for("bert")
    for name in ("a", "b"):
        add_random(model, name, "seq_bn")
    model.set_active_adapters(["a", "b"], skip_layers=[1])
    before, numbers = tree(model), call(model, inputs)
    with pytest.raises(AdapterConfigError, match="init_weights"):
        model.add_adapter("a", config="seq_bn[init_weights='wild']", overwrite_ok=True)
    assert tree(model) == before
    assert_identical(call(model, inputs), numbers)

    model.add_adapter("a", config="double_seq_bn", overwrite_ok=True)
    assert model.active_adapters == generated.Stack("a", "b")
    assert model.adapters_config.skip_layers == {1}
    assert list(model.adapters_config) == ["a", "b"]


def test_what_cannot_be_active_does_not_replace_what_is() -> None:
    """The old adapter stands aside under a name that no message shows."""
    model, inputs = generated.init(build("bert")), inputs_for("bert")
    for name in ("a", "b"):
        add_random(model, name, "lora")
    model.set_active_adapters(["a", "b"])
    before, numbers, config = tree(model), call(model, inputs), model.adapters_config["a"]
    weights = list(model.state_dict())
    with pytest.raises(UnsupportedCompositionError, match=r"Stack.*mixes LoRA") as caught:
        model.add_adapter("a", config="ia3", overwrite_ok=True)
    assert "__" not in str(caught.value)
    assert tree(model) == before
    assert list(model.state_dict()) == weights
    assert model.adapters_config["a"] is config
    assert_identical(call(model, inputs), numbers)


@pytest.mark.parametrize("method", ["prefix_tuning", "prefix_tuning_flat", "seq_bn_inv", "compacter"])
def test_replacing_and_failing_in_the_end(method: str) -> None:
    """The new adapter has taken its places when the last of them turns out not to fit."""
    model, inputs = build_adapted("bert", method), inputs_for("bert")
    before, numbers = tree(model), call(model, inputs)
    wrong = ConfigUnion(METHODS[method](), IA3Config(init_weights="wild"))
    with pytest.raises(AdapterConfigError, match="wild"):
        model.add_adapter(method, config=wrong, overwrite_ok=True)
    assert tree(model) == before
    assert_identical(call(model, inputs), numbers)
    model.add_adapter(method, config=METHODS[method](), overwrite_ok=True)
    assert tree(model) == before
    assert model.active_adapters == generated.Stack(method)


@each_method
@pytest.mark.parametrize("architecture", ["bert", "t5"])
def test_what_does_not_fit_replaces_nothing(architecture: str, method: str) -> None:
    model, inputs = build_adapted(architecture, method), inputs_for(architecture)
    before, numbers = tree(model), call(model, inputs)
    with pytest.raises(AdapterConfigError, match="wild"):
        model.add_adapter(method, config="lora[init_weights='wild']", overwrite_ok=True)
    assert tree(model) == before
    assert_identical(call(model, inputs), numbers)
    model.add_adapter(method, config=METHODS[method](), overwrite_ok=True)
    assert tree(model) == before


def test_replacing_an_adapter_keeps_its_mixtures() -> None:
    model = generated.init(build("bert"))
    for name in ("a", "b"):
        add_random(model, name, "seq_bn")
    model.add_adapter_fusion(["a", "b"], set_active=True)
    fusions = {name: tensor for name, tensor in model.state_dict().items() if "fusion" in name}
    model.add_adapter("a", config="double_seq_bn", overwrite_ok=True)
    assert {name: model.state_dict()[name] for name in fusions}.keys() == fusions.keys()
    assert model.active_adapters == generated.Fuse("a", "b")


@pytest.mark.parametrize("config", ["lora", "double_seq_bn"])
def test_mixtures_stay_where_their_adapters_meet(config: str) -> None:
    """Elsewhere, a mixture would have weights that are for nothing, or lack some."""
    model, inputs = generated.init(build("bert")), inputs_for("bert")
    add_random(model, "a", "seq_bn")
    add_random(model, "b", METHODS["double_seq_bn"]())
    model.add_adapter_fusion(["a", "b"])
    before, numbers = tree(model), call(model, inputs)
    with pytest.raises(AdapterError, match="'a,b' mixes 'a'"):
        model.add_adapter("a", config=config, overwrite_ok=True)
    assert tree(model) == before
    assert_identical(call(model, inputs), numbers)


def test_replacing_touches_no_other_adapter() -> None:
    model = generated.init(build("bert"))
    names = ["a", "a__0", "a__1"]
    for name in names:
        model.add_adapter(name, config="lora")
    model.add_adapter("a", config="ia3", overwrite_ok=True)
    assert set(model.adapters_config) == set(names)
    assert [type(model.adapters_config[name]) for name in names] == [IA3Config, LoRAConfig, LoRAConfig]
