"""What every block of a setup computes: compared with its adapters run one at a time."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor, nn

import generated
from generated.core.composition import (
    AdapterCompositionBlock,
    Average,
    BatchSplit,
    Fuse,
    MultiTask,
    Parallel,
    Route,
    Split,
    Stack,
)
from generated.core.errors import UnsupportedCompositionError
from tests_adapters.core.zoo import LANGUAGE_MODELS, METHODS, add_random, build, inputs_for


ROWS = 2
METHODS_OF_ROWS = (
    "double_seq_bn",
    "par_bn",
    "seq_bn_inv",
    "lora",
    "ia3",
    "prefix_tuning",
    "prefix_tuning_flat",
    "unipelt",
)
each_case = pytest.mark.parametrize(
    ("architecture", "method"),
    [*product(("bert", "llama", "t5"), METHODS_OF_ROWS), ("gpt_neo", "unipelt"), ("vit", "unipelt")],
)


def model_with(architecture: str, method: str, cls: type | None = None) -> nn.Module:
    """Three random adapters; the prefixes of the second are longer."""
    model = generated.init(build(architecture, cls))
    for name in ("a", "bb", "ccc"):
        config = METHODS[method]()
        if "prefix" in method and name == "bb":
            config = config.replace(prefix_length=5)
        add_random(model, name, config)
    return model


def run(model: nn.Module, setup: AdapterCompositionBlock | str | None, inputs: dict[str, Tensor], **more) -> Tensor:
    model.set_active_adapters(setup)
    with torch.no_grad():
        output = model(**inputs, **more)
    return output.last_hidden_state if hasattr(output, "last_hidden_state") else output.logits


def close(got: Tensor, want: Tensor) -> None:
    """Sums of another batch size are rounded otherwise, by how much depends on the processor."""
    torch.testing.assert_close(got, want, atol=5e-4, rtol=5e-4)


@each_case
def test_batch_split_is_each_part_alone(architecture: str, method: str) -> None:
    model, inputs = model_with(architecture, method), inputs_for(architecture)
    got = run(model, BatchSplit("a", "bb", batch_sizes=[1, 1]), inputs)
    close(got[:1], run(model, "a", inputs)[:1])
    close(got[1:], run(model, "bb", inputs)[1:])


@each_case
def test_parallel_is_each_adapter_alone(architecture: str, method: str) -> None:
    model, inputs = model_with(architecture, method), inputs_for(architecture)
    second = "bb" if method in ("lora", "unipelt") else Stack("bb", "ccc")  # widths of projections may differ
    got = run(model, Parallel("a", second, "ccc"), inputs)
    for rows, setup in zip(got.split(ROWS), ("a", second, "ccc"), strict=True):
        close(rows, run(model, setup, inputs))


@each_case
def test_route_is_each_example_alone(architecture: str, method: str) -> None:
    model, inputs = model_with(architecture, method), inputs_for(architecture)
    alone = {name: run(model, name, inputs) for name in ("a", "bb", "ccc", None)}
    for names in (["bb", "a"], [None, "ccc"], ["a", None], [None, None], ["ccc", "ccc"]):
        got = run(model, Route("a", "bb", "ccc"), inputs, adapter_names=names)
        for row, name in enumerate(names):
            close(got[row], alone[name][row])
        positions = torch.tensor([("a", "bb", "ccc").index(name) if name else -1 for name in names])
        close(run(model, Route("a", "bb", "ccc"), inputs, adapter_ids=positions), got)


def test_tasks_are_routes_by_another_name() -> None:
    model, inputs = model_with("bert", "lora"), inputs_for("bert")
    expected = run(model, Route("a", "bb"), inputs, adapter_names=["bb", "a"])
    close(run(model, MultiTask("a", "bb"), inputs, task_ids=torch.tensor([1, 0])), expected)
    close(run(model, MultiTask("a", "bb"), inputs, task_ids=["bb", "a"]), expected)


def test_splitting_the_sequence() -> None:
    """A linear map on each position, so each position shows its own adapter."""
    model, inputs = model_with("bert", "double_seq_bn"), inputs_for("bert")
    layer = model.encoder.layer[1].output
    hidden = torch.randn(2, 7, 32, generator=torch.Generator().manual_seed(3))

    def at_layer(setup: AdapterCompositionBlock | str) -> Tensor:
        model.set_active_adapters(setup)
        with torch.no_grad():
            return layer.adapter_layer_forward(hidden, hidden.flip(0), layer.LayerNorm)

    got = at_layer(Split("a", "bb", splits=[3, 4]))
    close(got[:, :3], at_layer("a")[:, :3])
    close(got[:, 3:], at_layer("bb")[:, 3:])
    for legacy in (Split("a", "bb", split_index=3), Split("a", "bb", 3), Split("a", "bb", splits=[3, None])):
        assert torch.equal(at_layer(legacy), got)
    with pytest.raises(UnsupportedCompositionError, match="splits 5 positions, but there are 7"):
        run(model, Split("a", "bb", splits=[1, 4]), inputs)


@pytest.mark.parametrize("method", ["double_seq_bn", "lora"])
def test_average_is_the_weighted_mean(method: str) -> None:
    model = model_with("bert", method)
    host = model.encoder.layer[0].output if method != "lora" else model.encoder.layer[0].attention.self.query
    hidden = torch.randn(2, 7, 32, generator=torch.Generator().manual_seed(3))

    def change(setup: AdapterCompositionBlock | str) -> Tensor:
        model.set_active_adapters(setup)
        with torch.no_grad():
            if method == "lora":
                return host(hidden) - nn.functional.linear(hidden, host.weight, host.bias)
            return host.adapter_layer_forward(hidden, torch.zeros_like(hidden))

    got = change(Average("a", "bb", weights=[1, 3]))
    close(got, (0.25 * change("a") + 0.75 * change("bb")) / 2)
    close(change(Average("a", "bb", weights=[1, 3], normalize_weights=False)), 4 * got)


def test_average_where_adapters_are_missing() -> None:
    """One that is alone in a layer acts alone; weights of two out of three stay normalised."""
    model, inputs = generated.init(build("bert")), inputs_for("bert")
    for name in ("a", "bb", "ccc"):
        add_random(model, name, "seq_bn[leave_out=[0]]" if name == "bb" else "seq_bn")
    host = model.encoder.layer[0].output
    hidden = torch.randn(2, 7, 32, generator=torch.Generator().manual_seed(3))

    def change(setup: AdapterCompositionBlock | str) -> Tensor:
        model.set_active_adapters(setup)
        with torch.no_grad():
            return host.adapter_layer_forward(hidden, torch.zeros_like(hidden))

    close(change(Average("a", "bb")), change("a"))
    close(change(Average("a", "bb", "ccc", weights=[1, 5, 3])), change(Average("a", "ccc", weights=[1, 3])))
    run(model, Average("a", "bb"), inputs)


def test_adapters_of_other_kinds_in_one_batch() -> None:
    """Each row leaves its place as its own adapter says: with or without the layer's norm, added or multiplied."""
    model, inputs = generated.init(build("bert")), inputs_for("bert")
    for name in ("par_bn", "ia3", "lora", "prefix_tuning", "double_seq_bn"):
        add_random(model, name, METHODS[name]())
    for first, second in product(tuple(model.adapters_config), repeat=2):
        got = run(model, BatchSplit(first, second, batch_sizes=1), inputs)
        close(got[0], run(model, first, inputs)[0])
        close(got[1], run(model, second, inputs)[1])


def test_an_adapter_that_is_missing_in_a_layer_changes_nothing_there() -> None:
    model, inputs = generated.init(build("bert")), inputs_for("bert")
    add_random(model, "a", METHODS["lora"]().replace(leave_out=[0]))
    add_random(model, "bb", METHODS["lora"]().replace(leave_out=[1], attn_matrices=["k"]))
    add_random(model, "c", METHODS["double_seq_bn"]().replace(leave_out=[1]))
    for setup in (BatchSplit("a", "bb", batch_sizes=1), BatchSplit("c", "bb", batch_sizes=1)):
        got = run(model, setup, inputs)
        close(got[0], run(model, setup[0], inputs)[0])
        close(got[1], run(model, setup[1], inputs)[1])


@pytest.mark.parametrize("architecture", ["llama", "t5", "bart", "gpt_neo"])
@pytest.mark.parametrize("beams", [1, 2])
def test_generation_in_one_batch(architecture: str, beams: int) -> None:
    cls = LANGUAGE_MODELS[architecture]
    model, inputs = model_with(architecture, "unipelt", cls), inputs_for(architecture)
    inputs.pop("decoder_input_ids", None)
    options = {"max_new_tokens": 5, "min_new_tokens": 5, "do_sample": False, "num_beams": beams, "pad_token_id": 0}

    def write(setup: AdapterCompositionBlock | str | None, **more) -> Tensor:
        model.set_active_adapters(setup)
        return model.generate(**inputs, **options, **more)

    alone = {name: write(name) for name in ("a", "bb", None)}
    assert torch.equal(write(Parallel("a", "bb")), torch.cat([alone["a"], alone["bb"]]))
    assert torch.equal(write(BatchSplit("bb", "a", batch_sizes=1)), torch.stack([alone["bb"][0], alone["a"][1]]))
    routed = write(Route("a", "bb"), adapter_names=["bb", None])
    assert torch.equal(routed, torch.stack([alone["bb"][0], alone[None][1]]))


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_recomputation_finds_the_routes_of_its_own_call(use_reentrant: bool) -> None:
    model, inputs = model_with("bert", "lora"), inputs_for("bert")

    def gradients() -> list[Tensor]:
        model.train_adapter(Route("a", "bb"))
        model.eval()
        for module in model.modules():
            module.training = hasattr(module, "gradient_checkpointing")
        model.zero_grad()
        losses = [
            model(**inputs, adapter_names=names).last_hidden_state.square().mean()
            for names in (["a", "bb"], ["bb", "bb"])
        ]
        sum(losses).backward()
        return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]

    expected = gradients()
    model.gradient_checkpointing_enable({"use_reentrant": use_reentrant})
    if use_reentrant:
        model.enable_input_require_grads()
    for got, want in zip(gradients(), expected, strict=True):
        torch.testing.assert_close(got, want)


def test_what_a_call_must_say() -> None:
    model, inputs = model_with("bert", "lora"), inputs_for("bert")
    with pytest.raises(UnsupportedCompositionError, match="pass adapter_ids"):
        run(model, Route("a", "bb"), inputs)
    with pytest.raises(UnsupportedCompositionError, match="for 3 examples, but there are 2"):
        run(model, Route("a", "bb"), inputs, adapter_ids=torch.tensor([0, 1, 0]))
    with pytest.raises(UnsupportedCompositionError, match="has no x; it has: a, bb"):
        run(model, Route("a", "bb"), inputs, adapter_names=["x", "a"])
    with pytest.raises(UnsupportedCompositionError, match="adapter_ids says where examples go, but no block"):
        run(model, "a", inputs, adapter_ids=torch.tensor([0, 0]))
    with pytest.raises(UnsupportedCompositionError, match="task_ids says where examples go, but no block"):
        run(model, Route("a", "bb"), inputs, task_ids=[0, 1])
    with pytest.raises(UnsupportedCompositionError, match="splits a batch of 3, but there are 2 rows"):
        run(model, BatchSplit("a", "bb", batch_sizes=[1, 2]), inputs)
    run(model, Route("a", "bb"), inputs, adapter_names=["a", "a"])
    assert not model.forward_inputs.call.is_open


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Fuse("a", Parallel("b", "c")), "cannot stand in Fuse"),
        (lambda: Parallel("a", Fuse("b", "c")), "cannot stand in Parallel"),
        (lambda: BatchSplit("a", "b"), "no batch_sizes"),
        (lambda: BatchSplit("a", "b", batch_sizes=[1]), "1 batch_sizes"),
        (lambda: Average("a", "b", weights=[1]), "1 weights"),
        (lambda: Average("a", "b", weights=[1, -1]), "cannot be normalised"),
    ],
)
def test_blocks_that_cannot_be_written(make, message: str) -> None:
    with pytest.raises(UnsupportedCompositionError, match=message):
        make()


@pytest.mark.parametrize(
    ("setup", "message"),
    [
        (Split("p", "q", splits=[3, 4]), "means nothing to prefix tuning"),
        (Split("p", "a", splits=[3, 4]), "means nothing to prefix tuning"),
        (Average("a", "p"), "means nothing to prefix tuning"),
        (Fuse("a", "bb"), "means nothing to LoRA"),
        (Stack(Parallel("a", "bb"), BatchSplit("a", "bb", batch_sizes=1)), "next to a Parallel"),
        (Stack(Route("a", "bb"), Route("a", "bb")), "more than once"),
        (Stack(Parallel("a", "bb"), Parallel("a", "bb", "ccc")), "numbers of adapters that differ"),
    ],
    ids=str,
)
def test_setups_without_meaning_are_refused(setup, message: str) -> None:
    model = model_with("bert", "lora")
    for name in "pq":
        add_random(model, name, METHODS["prefix_tuning"]())
    model.set_active_adapters("a")
    with pytest.raises(UnsupportedCompositionError, match=message):
        model.set_active_adapters(setup)
    assert model.active_adapters == Stack("a")


def test_all_blocks_survive_a_round_trip_through_plain_data() -> None:
    for setup in (
        Split("a", Stack("b", "c"), splits=[1, None]),
        BatchSplit("a", "b", batch_sizes=[1, 2]),
        Parallel("a", Average("b", "c", weights=[1, 3])),
        Fuse("a", "b", name="mixture"),
        MultiTask("a", "b"),
        Route("a", "b"),
    ):
        assert AdapterCompositionBlock.from_dict(setup.to_dict()) == setup


@pytest.mark.parametrize(
    "configs",
    [
        {"a": "lora[r=2]", "bb": "lora[r=5,alpha=3]", "ccc": "lora[r=4]"},
        {"a": "lora[r=2]", "bb": "dora[r=3]", "ccc": "lora[r=4,use_gating=True]"},
        {"a": "lora[r=2]", "bb": "ia3", "ccc": "lora[r=4,attn_matrices=['k']]"},
        {"a": "seq_bn[reduction_factor=4]", "bb": "seq_bn[reduction_factor=9]", "ccc": "seq_bn[reduction_factor=32]"},
        {"a": "seq_bn", "bb": "par_bn", "ccc": "compacter[reduction_factor=4]"},
        {"a": "scaled_par_bn", "bb": "scaled_par_bn[reduction_factor=4]", "ccc": "scaled_par_bn[leave_out=[0]]"},
        {"a": "prefix_tuning_flat[prefix_length=2]", "bb": "lora", "ccc": "prefix_tuning_flat[prefix_length=7]"},
    ],
    ids=lambda configs: " ".join(configs.values()),
)
def test_routes_between_adapters_of_other_sizes_and_kinds(configs: dict[str, str]) -> None:
    model, inputs = generated.init(build("bert")), inputs_for("bert")
    for name, config in configs.items():
        add_random(model, name, config)
    alone = {name: run(model, name, inputs) for name in (*configs, None)}
    for names in product(alone, repeat=2):
        got = run(model, Route(*configs), inputs, adapter_names=list(names))
        for row, name in enumerate(names):
            close(got[row], alone[name][row])
