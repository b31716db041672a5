"""ReFT: what it computes, at which positions, and that generated text does not depend on the cache."""

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import orthogonal
from transformers import BertLMHeadModel, DynamicCache, PreTrainedModel, StaticCache

import generated
from generated import DiReftConfig, LoReftConfig, NoReftConfig, ReftConfig
from generated.core.composition import Average, BatchSplit, Parallel, Route, Stack
from generated.core.errors import AdapterConfigError, UnsupportedMethodError
from generated.core.forward_inputs import CallValues
from generated.core.layers.positions import Positions, SequenceOfStack
from generated.core.layers.reft import OrthogonalRows, ReftLayer, ReftModule
from generated.core.layers.routing import Destinations
from tests_adapters.core.zoo import (
    CONFIGS,
    LANGUAGE_MODELS,
    VOCABULARY,
    add_random,
    assert_identical,
    build,
    build_adapted,
    call,
    differ,
    fresh,
    inputs_for,
    tree,
)


SIZE = 8
DECODER, ENCODER = SequenceOfStack("attention_mask", decodes=True), SequenceOfStack("attention_mask", decodes=False)
BOTH_ENDS = LoReftConfig(prefix_positions=2, suffix_positions=2, r=2)
TOKENS = torch.randint(3, VOCABULARY, (2, 7), generator=torch.Generator().manual_seed(3))
LEFT = torch.tensor([[1, 1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1, 1]])
CPU = torch.device("cpu")


def positions_of(mask: Tensor | None, length: int, sequence: SequenceOfStack = DECODER, **values: object) -> list:
    return [part.tolist() for part in sequence.positions(CallValues(attention_mask=mask, **values), length, CPU)]


def test_positions_with_padding_on_either_side() -> None:
    mask = torch.tensor([[1, 1, 1, 1], [0, 1, 1, 1], [1, 1, 0, 0], [0, 1, 1, 0]])
    from_start, from_end = positions_of(mask, 4, ENCODER)
    assert from_start == [[1, 2, 3, 4], [0, 1, 2, 3], [1, 2, 0, 0], [0, 1, 2, 0]]
    assert from_end == [[4, 3, 2, 1], [0, 3, 2, 1], [2, 1, 0, 0], [0, 2, 1, 0]]
    assert positions_of(None, 3) == [[[1, 2, 3]], [[3, 2, 1]]]


def test_positions_behind_a_cache() -> None:
    """Those of the whole sequence from its start; at its end there are none: the text goes on."""
    mask = torch.tensor([[1, 1, 1, 1], [0, 1, 1, 1]])
    assert positions_of(mask, 2, past_length=2) == [[[3, 4], [2, 3]], [[0, 0], [0, 0]]]
    assert positions_of(mask, 4, ENCODER, past_length=2)[0] == [[1, 2, 3, 4], [0, 1, 2, 3]]
    assert positions_of(None, 1, past_length=5) == [[[6]], [[0]]]


@pytest.mark.parametrize("kind", [torch.bool, torch.float32])
def test_positions_by_the_mask_of_a_cache_of_fixed_size(kind: torch.dtype) -> None:
    """Two tokens after two in a cache of six; the second row starts with padding."""
    visible = torch.tensor([[[1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0]], [[0, 1, 1, 0, 0, 0], [0, 1, 1, 1, 0, 0]]])
    visible = visible[:, None].bool()
    mask = visible if kind == torch.bool else torch.zeros(visible.shape).masked_fill(~visible, -1e9)
    expected = [[[3, 4], [2, 3]], [[0, 0], [0, 0]]]
    assert positions_of(mask, 2, past_length=torch.tensor(2)) == expected
    assert positions_of({"full_attention": mask, "sliding_attention": None}, 2, past_length=2) == expected


def test_positions_by_the_mask_of_a_window_that_is_being_filled() -> None:
    """Five tokens, of which each sees two; the second row starts with padding."""
    columns = torch.arange(5)
    near = (columns[:, None] - columns).abs().le(1) & columns[:, None].ge(columns)
    mask = torch.stack([near, near & columns.ge(2) & columns[:, None].ge(2)])[:, None]
    expected = [[[1, 2, 3, 4, 5], [0, 0, 1, 2, 3]], [[5, 4, 3, 2, 1], [0, 0, 3, 2, 1]]]
    assert positions_of(mask, 5, past_length=0) == expected


def test_mask_of_a_window_does_not_tell_padding() -> None:
    """Two tokens behind seven, of which a cache with a window of four has kept some."""
    assert positions_of(torch.ones(1, 1, 2, 4).bool(), 2, past_length=7) == [[[8, 9]], [[0, 0]]]


def change(unit: nn.Module, h: Tensor, subtracts: bool) -> Tensor:
    weights = {name.rpartition(".")[2]: tensor for name, tensor in unit.learned_source.named_parameters()}
    projection = unit.projection()
    source = h @ weights["weight"].T + weights["bias"]
    return h + (source - h @ projection.T if subtracts else source) @ projection


@pytest.mark.parametrize("config", [LoReftConfig, NoReftConfig, DiReftConfig])
@pytest.mark.parametrize("tied", [False, True])
def test_formula(config: type[ReftConfig], tied: bool) -> None:
    """The start and the end of each row are changed, each by its unit; where they meet, the end is right."""
    torch.manual_seed(0)
    reft = ReftModule(SIZE, config(prefix_positions=2, suffix_positions=1, r=3, tied_weights=tied)).eval()
    hidden, mask = torch.randn(3, 5, SIZE), torch.tensor([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1], [0, 1, 0, 0, 0]])
    start, end = (change(unit, hidden, config is not DiReftConfig) for unit in (reft.units[0], reft.units[-1]))

    expected = hidden.clone()
    for row, first, last in ((0, 0, 4), (1, 2, 4), (2, 1, 1)):
        expected[row, first : min(first + 2, last + 1)] = start[row, first : min(first + 2, last + 1)]
        expected[row, last] = end[row, last]
    got = reft(hidden, ENCODER.positions(CallValues(attention_mask=mask), 5, CPU))
    torch.testing.assert_close(got, expected)


def test_rows_are_orthonormal_and_those_of_torch() -> None:
    torch.manual_seed(0)
    rows = OrthogonalRows(3, SIZE)
    torch.testing.assert_close(rows() @ rows().T, torch.eye(3))
    theirs = orthogonal(nn.Linear(SIZE, 3, bias=False))
    names = {name.removeprefix("parametrizations.weight."): tensor for name, tensor in theirs.state_dict().items()}
    assert names.keys() == rows.state_dict().keys()
    with torch.no_grad():
        theirs.parametrizations.weight.original.add_(torch.randn(3, SIZE).triu(1))
    rows.load_state_dict({key: value for key, value in names.items() if key != "original"}, strict=False)
    rows.original = nn.Parameter(theirs.parametrizations.weight.original.detach().clone())
    torch.testing.assert_close(rows(), theirs.weight)


def test_rows_stay_orthonormal_in_training() -> None:
    """Weight decay moves all of the stored matrix, also what only tells signs."""
    rows = OrthogonalRows(3, SIZE)
    optimizer = torch.optim.AdamW(rows.parameters(), lr=0.1, weight_decay=0.5)
    before = rows().detach()
    for _ in range(3):
        rows()[:, 0].sum().backward()
        optimizer.step()
    torch.testing.assert_close(rows() @ rows().T, torch.eye(3))
    assert (rows() - before).abs().max() > 0.01


def test_configurations() -> None:
    assert "subtract_projection" not in LoReftConfig().to_dict()
    assert DiReftConfig().to_dict()["subtract_projection"] is False
    assert generated.AdapterConfig.load("direft[r=2]").replace(r=3) == DiReftConfig(r=3)
    for wrong in ({"layers": "first"}, {"r": 0}, {"prefix_positions": 0}, {"suffix_positions": -1}, {"dtype": "big"}):
        with pytest.raises(AdapterConfigError):
            LoReftConfig(**wrong)
    with pytest.raises(AdapterConfigError, match="orthogonal"):
        fresh("bert").add_adapter("a", config="loreft[r=33]")


def test_layers() -> None:
    model = fresh("bart")
    model.add_adapter("a", config=LoReftConfig(layers=[1, 2, 3], leave_out=[2]))
    assert set(model.get_adapter("a")) == {1, 3}
    assert set(model.get_adapter("a")[3]) == {"reft"}
    for nowhere in ({"layers": [99]}, {"output_reft": False}):
        with pytest.raises(UnsupportedMethodError, match="no place"):
            model.add_adapter("b", config=LoReftConfig(**nowhere))


def test_direft_comes_back_as_direft(tmp_path) -> None:
    model, again = build_adapted("bert", "loreft"), fresh("bert")
    add_random(model, "direft", DiReftConfig())
    model.save_adapter(tmp_path, "direft")
    again.load_adapter(tmp_path, load_as="other", leave_out=[], set_active=True)
    assert_identical(call(again, inputs_for("bert")), call(model, inputs_for("bert")))
    again.load_adapter(tmp_path, load_as="less", leave_out=[0])
    assert set(again.get_adapter("less")) == {1}


@pytest.mark.parametrize("architecture", ["bert", "llama", "t5"])
def test_recorded_hidden_states_are_the_changed_ones(architecture: str) -> None:
    """Whether they were asked for before the adapter came, or only after."""
    model, inputs = fresh(architecture), inputs_for(architecture) | {"output_hidden_states": True}
    plain = call(model, inputs)
    add_random(model, "a", BOTH_ENDS)
    later = generated.init(build(architecture))
    add_random(later, "a", BOTH_ENDS)
    assert_identical(call(model, inputs), call(later, inputs))
    assert differ(call(model, inputs), plain)


def test_no_trace_is_left() -> None:
    model = fresh("bart")
    before = tree(model)
    add_random(model, "a", BOTH_ENDS)
    model = pickle.loads(pickle.dumps(copy.deepcopy(model)))
    model.delete_adapter("a")
    assert tree(model) == before


CACHES: dict[str, Callable[[PreTrainedModel], object]] = {
    "dynamic": lambda model: DynamicCache(config=model.config),
    "static": lambda model: StaticCache(config=model.config, max_cache_len=7),
}


@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize("mask", [None, LEFT], ids=["unpadded", "padded"])
def test_prefix_positions_behind_a_cache(cache: str, mask: Tensor | None) -> None:
    """Token by token, the changed positions are those of the whole sequence, which may start in a later call."""
    model = generated.init(build("llama", LANGUAGE_MODELS["llama"]))
    add_random(model, "a", LoReftConfig(prefix_positions=3, r=2))
    expected = model(TOKENS, attention_mask=mask).logits
    past, scores = CACHES[cache](model), []
    for stop in range(1, 8):
        seen = None if mask is None else mask[:, :stop]
        scores.append(model(TOKENS[:, stop - 1 : stop], attention_mask=seen, past_key_values=past).logits)
    real = torch.ones(2, 7, dtype=torch.bool) if mask is None else mask.bool()
    torch.testing.assert_close(torch.cat(scores, dim=1)[real], expected[real], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("architecture", ["bert", "gpt2", "llama", "bart", "t5"])
def test_generation_changes_the_end_of_what_it_goes_on_from(architecture: str) -> None:
    """With and without cache, and with the same outputs as the first step by hand. BERT can be a decoder, too."""
    model = generated.init(language_model(architecture))
    add_random(model, "a", BOTH_ENDS)
    options = {"max_new_tokens": 4, "do_sample": False, "return_dict_in_generate": True, "output_scores": True}
    outputs = [
        model.generate(TOKENS, attention_mask=LEFT, eos_token_id=None, use_cache=use_cache, **options)
        for use_cache in (True, False)
    ]
    cached, uncached = (torch.stack(output.scores) for output in outputs)
    torch.testing.assert_close(cached, uncached, atol=1e-4, rtol=1e-4)
    start = {"decoder_input_ids": torch.full((2, 1), 2)} if architecture in ("bart", "t5") else {}
    by_hand = model(TOKENS, attention_mask=LEFT, **start, **_token_positions(architecture)).logits[:, -1]
    torch.testing.assert_close(cached[0], by_hand, atol=1e-4, rtol=1e-4)


def language_model(architecture: str) -> PreTrainedModel:
    if architecture != "bert":
        return build(architecture, LANGUAGE_MODELS[architecture])
    configuration = CONFIGS["bert"]()
    configuration.is_decoder = True
    torch.manual_seed(0)
    return BertLMHeadModel._from_config(configuration).eval()


def _token_positions(architecture: str) -> dict[str, Tensor]:
    places = (LEFT.cumsum(-1) - 1).clamp(min=0)
    return {"position_ids": places} if architecture in ("bert", "gpt2", "llama") else {}


@pytest.mark.parametrize("architecture", ["bart", "t5"])
def test_padding_of_the_encoder_is_not_that_of_the_decoder(architecture: str) -> None:
    """Rows of a padded batch are those of each sequence alone."""
    model = fresh(architecture)
    add_random(model, "a", BOTH_ENDS)
    mask, starts = torch.ones_like(LEFT), torch.tensor([[2, 5, 6, 7], [2, 8, 9, 10]])
    mask[1, 4:] = 0
    decoder_mask = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])
    both = model(TOKENS, mask, decoder_input_ids=starts, decoder_attention_mask=decoder_mask).last_hidden_state
    first = model(TOKENS[:1], decoder_input_ids=starts[:1, :3]).last_hidden_state
    second = model(TOKENS[1:, :4], decoder_input_ids=starts[1:]).last_hidden_state
    torch.testing.assert_close(both[:1, :3], first, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(both[1:], second, atol=1e-4, rtol=1e-4)


def test_mask_that_is_not_named() -> None:
    model = fresh("bert")
    add_random(model, "a", BOTH_ENDS)
    inputs = inputs_for("bert")
    with torch.no_grad():
        named, unnamed = model(**inputs), model(inputs["input_ids"], inputs["attention_mask"])
    assert torch.equal(named.last_hidden_state, unnamed.last_hidden_state)


def test_blocks() -> None:
    """Each row has the adapters that it was given; the mean is that of the outputs of the layer."""
    torch.manual_seed(1)
    layer = ReftLayer(ENCODER)
    for name in "ab":
        layer.refts[name] = ReftModule(SIZE, LoReftConfig(prefix_positions=2, r=2)).eval()
    hidden = torch.randn(2, 4, SIZE)
    positions = Positions(torch.tensor([[1, 2, 3, 4], [0, 1, 2, 3]]), torch.tensor([[4, 3, 2, 1], [0, 3, 2, 1]]))
    a, b = (layer.refts[name](hidden, positions) for name in "ab")
    model = fresh("bert")
    mask = torch.tensor([[1, 1, 1, 1], [0, 1, 1, 1]])

    def run(setup: object, ids: Tensor | None = None) -> Tensor:
        destinations = None if ids is None else Destinations(ids, 2, "adapter_ids")
        model.forward_inputs.call = CallValues(attention_mask=mask, destinations=destinations)
        layer.activate(setup, model.forward_inputs)
        return layer(hidden)

    assert torch.equal(run(Stack("a")), a)
    assert torch.equal(run(BatchSplit("a", "b", batch_sizes=[1, 1])), torch.stack([a[0], b[1]]))
    assert torch.equal(run(Parallel("a", "b")), torch.stack([a[0], b[1]]))
    assert torch.equal(run(Route("a", "b"), torch.tensor([1, -1])), torch.stack([b[0], hidden[1]]))
    torch.testing.assert_close(run(Average("a", "b")), (a + b) / 4)
    torch.testing.assert_close(run(Stack("a", "b")), layer.refts["b"](a, positions))
