"""A setup that acts for the time of a block of code."""

import copy
import pickle

import pytest
import torch

import generated
from generated import AdapterSetup
from generated.core.auto import AutoAdapterModel
from generated.core.composition import Fuse, Parallel, Stack
from generated.core.errors import UnknownAdapterError
from generated.core.heads.errors import UnknownHeadError
from generated.core.mixins.model import ADAPTED_MODELS
from tests_adapters.core import zoo


@pytest.fixture
def model():
    model = zoo.fresh("bert")
    for name in ("first", "second"):
        zoo.add_random(model, name, zoo.METHODS["seq_bn"]())
    model.set_active_adapters("first", skip_layers=[0])
    return model


@pytest.fixture
def with_heads():
    model = AutoAdapterModel.from_config(zoo.CONFIGS["bert"]()).eval()
    for name in ("first", "second"):
        model.add_adapter(name)
        model.add_tagging_head(name)
    model.set_active_adapters("first")
    return model


def test_it_acts_inside_the_block_only(model) -> None:
    inputs = zoo.inputs_for("bert")
    before = zoo.call(model, inputs)
    model.set_active_adapters(Stack("second", "first"), skip_layers=[0])
    expected = zoo.call(model, inputs)
    model.set_active_adapters("first", skip_layers=[0])

    with AdapterSetup(["second", "first"]):
        inside = zoo.call(model, inputs)

    zoo.assert_identical(inside, expected)
    zoo.assert_identical(zoo.call(model, inputs), before)
    assert zoo.differ(inside, before)


def test_an_empty_setup_lets_nothing_act_unless_it_is_ignored(model) -> None:
    with AdapterSetup(None):
        assert model.active_adapters is None
    with AdapterSetup(None, ignore_empty=True):
        assert model.active_adapters == Stack("first")
    assert model.active_adapters == Stack("first")


def test_blocks_nest_and_may_be_left_by_an_error(model) -> None:
    outer, seen = AdapterSetup("second"), []

    def fail() -> None:
        with outer, AdapterSetup("first"), outer:
            seen.append(model.active_adapters)
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert seen == [Stack("second")]
    assert model.active_adapters == Stack("first")
    assert model.adapters_config.skip_layers == {0}


def test_heads_go_with_it(with_heads) -> None:
    with AdapterSetup("second"):
        assert with_heads.active_head == "second"
    with AdapterSetup("second", head_setup="first"):
        assert with_heads.active_head == "first"
    with AdapterSetup(Parallel("first", "second"), head_setup=["first", "first"]):
        assert with_heads.active_head == ["first", "first"]
    assert with_heads.active_head == "first"


def test_nothing_has_changed_when_something_is_unknown(with_heads) -> None:
    with pytest.raises(UnknownAdapterError, match="no model has all that is in"), AdapterSetup("nowhere to be found"):
        pass
    with pytest.raises(UnknownAdapterError, match="Fuse"), AdapterSetup(Fuse("first", "second")):
        pass
    with pytest.raises(UnknownHeadError), AdapterSetup("second", head_setup="no such head"):
        pass
    assert with_heads.active_adapters == Stack("first")
    assert with_heads.active_head == "first"


def test_what_went_inside_the_block_stays_gone(with_heads) -> None:
    with AdapterSetup("second"):
        with_heads.delete_adapter("first")
        with_heads.delete_head("first")
    assert with_heads.active_adapters is None
    assert with_heads.active_head is None


def test_a_mixture_that_went_inside_the_block_stays_gone(model) -> None:
    model.add_adapter_fusion("first,second", set_active=True)
    with AdapterSetup("first"):
        model.delete_adapter_fusion("first,second")
    assert model.active_adapters is None

    model.add_adapter_fusion("first,second", set_active=True)
    model.disable_adapters()
    model.delete_adapter_fusion("first,second")
    model.enable_adapters()
    assert model.active_adapters is None


def test_what_is_merged_does_not_act_twice(model) -> None:
    inputs = zoo.inputs_for("bert")
    zoo.add_random(model, "third", zoo.METHODS["lora"]())
    expected = zoo.call(model, inputs)
    model.merge_adapter("third")
    merged = zoo.call(model, inputs)

    with AdapterSetup("third"):
        zoo.assert_identical(zoo.call(model, inputs), expected)
    zoo.assert_identical(zoo.call(model, inputs), merged)

    model.set_active_adapters("third")
    with AdapterSetup("first"):
        model.merge_adapter("third")
    zoo.assert_identical(zoo.call(model, inputs), expected)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_are_found_too(model, duplicate) -> None:
    other = duplicate(model)

    with AdapterSetup("second"):
        assert other.active_adapters == model.active_adapters == Stack("second")
    assert other.active_adapters == Stack("first")


def test_a_model_without_the_adapters_is_left_alone(model) -> None:
    other = zoo.fresh("bert")

    with AdapterSetup("second"):
        assert other.active_adapters is None
    generated.deinit(other)
    assert other.base_model not in ADAPTED_MODELS
    with AdapterSetup(None):
        assert type(other) is type(zoo.build("bert"))


def test_a_compiled_model_follows(model) -> None:
    torch._dynamo.reset()
    inputs, compiled = zoo.inputs_for("bert"), torch.compile(model, fullgraph=True, backend="eager")
    with AdapterSetup("second"):
        assert not zoo.differ(zoo.call(compiled, inputs), zoo.call(model, inputs))
