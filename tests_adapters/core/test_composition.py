"""Setups: how they are written, what they become in a place that holds some of their adapters, and what is refused."""

import pytest

import generated
from generated.core.composition import (
    AdapterCompositionBlock,
    Parallel,
    Split,
    Stack,
    parse_composition,
)
from generated.core.errors import UnknownAdapterError, UnsupportedCompositionError
from tests_adapters.core.zoo import add_random, assert_identical, build, call, differ, inputs_for


@pytest.mark.parametrize(
    ("setup", "expected"),
    [
        ("a", Stack("a")),
        (["a", "b"], Stack("a", "b")),
        (("a",), Stack("a")),
        (Stack("a", Stack("b", "c")), Stack("a", Stack("b", "c"))),
        (None, None),
        ([], None),
        ("", None),
    ],
)
def test_parsing(setup, expected) -> None:
    assert parse_composition(setup) == expected


def test_a_block_without_adapters_is_refused() -> None:
    with pytest.raises(UnsupportedCompositionError, match="leave it out"):
        parse_composition(Stack(Stack(), "a"))


def test_an_adapter_twice_in_a_stack() -> None:
    model, inputs = generated.init(build("bert")), inputs_for("bert")
    configs = {"p": "prefix_tuning_flat[prefix_length=3]", "l": "lora", "f": "lora[mlp_matrices=['up']]"}
    for name, config in configs.items():
        add_random(model, name, config)
    for name in "pl":
        model.set_active_adapters(Stack(name, name))
        assert differ(call(model, inputs), call(build("bert"), inputs))
    with pytest.raises(UnsupportedCompositionError, match="needs projections as wide as their input"):
        model.set_active_adapters(Stack("f", "f"))


@pytest.mark.parametrize("setup", [3, [3], Stack])
def test_what_is_no_setup(setup) -> None:
    with pytest.raises(TypeError):
        parse_composition(setup)


def test_unknown_adapters_are_named() -> None:
    model = generated.init(build("bert"))
    with pytest.raises(UnknownAdapterError, match="no adapter named a, b in this model; it has: none"):
        model.set_active_adapters(["a", "b"])
    model.add_adapter("a")
    with pytest.raises(UnknownAdapterError, match="no adapter named b in this model; it has: a"):
        model.set_active_adapters(["a", "b"])
    assert model.active_adapters is None


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ("abc", Stack("a", Stack("b", "c"))),
        ("ac", Stack("a", Stack("c"))),
        ("a", Stack("a")),
        ("c", Stack(Stack("c"))),
        ("x", None),
    ],
)
def test_restriction(held: str, expected) -> None:
    assert Stack("a", Stack("b", "c")).restricted_to(held) == expected


def test_tree() -> None:
    setup = Stack("a", Stack("b", "a"), "c")
    assert setup.names == ("a", "b", "c")
    assert setup.flatten() == {"a", "b", "c"}
    assert (setup.first(), setup.last()) == ("a", "c")
    assert (Stack(Stack("x", "y")).first(), Stack(Stack("x", "y")).last()) == ("x", "y")
    assert len(setup) == 3
    assert setup[1] == Stack("b", "a")
    assert str(setup) == "Stack[a, Stack[b, a], c]"
    assert hash(setup) == hash(Stack("a", Stack("b", "a"), "c"))
    assert Stack("a") != Parallel("a")
    assert Stack("a") != "a"


def test_dictionary_round_trip() -> None:
    setup = Stack("a", Split("b", "c", splits=[1, 2]))
    assert setup.to_dict()["children"][0] == {"type": "single", "children": ["a"]}
    assert AdapterCompositionBlock.from_dict(setup.to_dict()) == setup
    with pytest.raises(UnsupportedCompositionError, match="'Wild'"):
        AdapterCompositionBlock.from_dict({"type": "Wild", "children": []})


def test_nested_stack_is_a_stack() -> None:
    model, inputs = generated.init(build("bert")), inputs_for("bert")
    for name in ("a", "b", "c"):
        add_random(model, name, "double_seq_bn")
    model.set_active_adapters(["a", "b", "c"])
    flat = call(model, inputs)
    model.set_active_adapters(Stack("a", Stack("b", "c")))
    assert_identical(call(model, inputs), flat)


def test_stack_of_methods() -> None:
    """Adapters of different methods in a Stack act each in its own places."""
    model, inputs = generated.init(build("bert")), inputs_for("bert")
    add_random(model, "bn", "seq_bn")
    add_random(model, "lora", "lora")
    add_random(model, "both", "seq_bn|lora")
    with_weights_of(model, "both", "bn", "lora")
    model.set_active_adapters("both")
    together = call(model, inputs)
    model.set_active_adapters(["bn", "lora"])
    assert_identical(call(model, inputs), together)


def with_weights_of(model, target: str, *sources: str) -> None:
    state = model.state_dict()
    for key in state:
        for source in sources:
            if f".{target}." in key and key.replace(f".{target}.", f".{source}.") in state:
                state[key].copy_(state[key.replace(f".{target}.", f".{source}.")])


def test_deleting_an_active_adapter_leaves_the_rest_active() -> None:
    model = generated.init(build("bert"))
    for name in ("a", "b"):
        model.add_adapter(name)
    model.set_active_adapters(["a", "b"], skip_layers=[1])
    model.delete_adapter("a")
    assert model.active_adapters == Stack("b")
    assert model.adapters_config.skip_layers == {1}
    model.delete_adapter("b")
    assert model.active_adapters is None


def test_setting_the_property() -> None:
    model = generated.init(build("bert"))
    model.add_adapter("a")
    model.active_adapters = "a"
    assert model.active_adapters == Stack("a")
    model.active_adapters = None
    assert model.active_adapters is None
