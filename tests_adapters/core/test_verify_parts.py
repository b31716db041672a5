"""What is asked of a class that is one of several models inside the base class?"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import msgspec
import pytest
import torch
from torch import Tensor, nn
from transformers import BigBirdConfig, BigBirdForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.models.gemma4.configuration_gemma4 import Gemma4Config
from transformers.models.seamless_m4t_v2.configuration_seamless_m4t_v2 import SeamlessM4Tv2Config
from transformers.models.seamless_m4t_v2.modeling_seamless_m4t_v2 import SeamlessM4Tv2Model

from adaptergen.verify import outputs
from adaptergen.verify.adapters import FORMS, add_random, has_place
from adaptergen.verify.checks import attention, sites
from adaptergen.verify.checks.attention import prefix_is_seen_everywhere, reads_text
from adaptergen.verify.checks.merging import merged_weights_do_the_same
from adaptergen.verify.checks.training import supports_checkpointing
from adaptergen.verify.subjects import ModelCase, Subject
from adaptergen.verify.tiny import tiny_config
from adaptergen.verify.unread import not_taken, unmoved, unread, words_meet
from adaptergen.verify.weights import spread
from generated.models.big_bird import BigBirdAdapterModel
from generated.models.gemma4 import Gemma4AdapterModel


CASE = ModelCase(name="gemma4", adapter_model_class=Gemma4AdapterModel, config_class=Gemma4Config)
SUBJECTS = {subject.label: subject for subject in CASE.subjects}
PREFIX, LORA, BOTTLENECK = (
    next(form for form in FORMS if form.method == method) for method in ("prefix_tuning", "lora", "bottleneck")
)


@pytest.fixture
def subject(request: pytest.FixtureRequest) -> Subject:
    return SUBJECTS[request.param]


@pytest.mark.parametrize(
    ("subject", "is_part", "takes_prefixes"),
    [
        ("Gemma4Model", False, True),
        ("Gemma4ForConditionalGeneration", False, True),
        ("Gemma4TextModel", True, True),
        ("Gemma4VisionModel", True, False),
        ("Gemma4AudioModel", True, False),
    ],
    indirect=["subject"],
)
def test_a_part_takes_what_has_a_place_in_it(subject: Subject, is_part: bool, takes_prefixes: bool) -> None:
    assert subject.is_part is is_part
    assert has_place(subject, PREFIX) is takes_prefixes
    assert has_place(subject, LORA)


@pytest.mark.parametrize(
    ("subject", "reads"),
    [("Gemma4Model", True), ("Gemma4TextModel", True), ("Gemma4VisionModel", False), ("Gemma4AudioModel", False)],
    indirect=["subject"],
)
def test_only_what_takes_words_reads_text(subject: Subject, reads: bool) -> None:
    assert reads_text(subject) is reads


@pytest.mark.parametrize("subject", ["Gemma4AudioModel"], indirect=True)
def test_upstream_may_refuse_checkpointing_when_it_is_enabled(subject: Subject) -> None:
    assert not supports_checkpointing(subject)


@pytest.mark.parametrize("subject", ["Gemma4TextModel"], indirect=True)
def test_roundings_are_told_from_what_merging_does(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "TOLERANCE", 1e-10)
    merged_weights_do_the_same(subject, LORA)


@pytest.mark.parametrize("subject", ["Gemma4Model"], indirect=True)
def test_words_see_the_prefixes_of_what_reads_them(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "effect", lambda states: 1e6)
    with pytest.raises(outputs.CheckFailed, match="some words do not see the prefix"):
        prefix_is_seen_everywhere(subject, PREFIX)
    layers = list(attention.placed_layers(subject.case.runtime, subject.initialized().base_model))
    without = [replace(each, sites=replace(each.sites, attention=())) for each in layers]
    monkeypatch.setattr(attention, "placed_layers", lambda *_: without)
    prefix_is_seen_everywhere(subject, PREFIX)


@pytest.mark.parametrize("subject", ["Gemma4Model"], indirect=True)
def test_models_inside_that_the_whole_does_not_run_are_run_alone(subject: Subject) -> None:
    model = subject.initialized()
    add_random(model, subject.case, BOTTLENECK)
    model.set_active_adapters(None)
    planned = dict(sites._bottlenecks(subject.case, model.base_model))
    layers = {f"runs of layer {index}": layer for index, layer in model.iter_layers()}

    assert sites._run_alone(model, layers, planned, Counter()) == set(planned)
    assert not sites._run_alone(model, layers, planned, Counter(layers))  # it has run these, and passed them by


def test_a_part_may_take_the_states_of_words_and_their_letters() -> None:
    part = SeamlessM4Tv2Model._from_config(tiny_config(SeamlessM4Tv2Config)).eval().t2u_model

    inputs = sites._inputs_of(part)

    assert {name: tuple(value.shape) for name, value in inputs.items()} == {
        "inputs_embeds": (2, 7, 32),
        "attention_mask": (2, 7),
        "char_input_ids": (2, 14),
        "char_count_per_id": (2, 7),
    }


class WeightsModel(nn.Module):
    """A number for each head, a norm that starts as nothing, and a token of which there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.token = nn.Parameter(torch.ones(4, 1, 1)), nn.Parameter(torch.zeros(1, 1, 4))
        self.norm = nn.BatchNorm2d(4)
        nn.init.zeros_(self.norm.weight)


def test_scales_and_norms_stay_what_they_are() -> None:
    model = WeightsModel()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        spread(model)

    assert bool((model.scale > 0.5).all())
    assert bool((model.norm.weight > 0.5).all())
    assert bool(model.token.any())


def test_maps_before_batch_norms_keep_the_size_of_signals() -> None:
    """A model in eval mode does not scale them, and there are many of them, one behind the other."""
    block = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16))
    plain = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.Identity())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        spread(block), spread(plain)

    assert 1.5 < float((plain[0].weight.std() / block[0].weight.std()).detach()) < 1.9


class BranchesModel(nn.Module):
    """What comes in, normed, and two maps of it are summed; a fourth branch is switched off."""

    def __init__(self) -> None:
        super().__init__()
        self.identity, self.small = nn.BatchNorm2d(16), None
        self.maps = nn.ModuleList(nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16)) for _ in range(2))


def test_batch_norms_of_branches_that_are_summed_keep_the_size_of_signals() -> None:
    model = BranchesModel()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        spread(model)

    norms = [model.identity, *(branch[1] for branch in model.maps)]
    assert all(abs(float(norm.weight.mean().detach()) - 3**-0.5) < 0.1 for norm in norms)


def test_a_model_is_drawn_in_the_same_way_each_time() -> None:
    """Also the first time, when it is found out how large it has to be."""
    case = msgspec.structs.replace(CASE)
    first, second = (case.base.upstream().state_dict() for _ in range(2))
    assert all(torch.equal(value, second[key]) for key, value in first.items())


def test_float64_shows_smaller_effects() -> None:
    states = torch.ones(2, 3)
    with pytest.raises(outputs.CheckFailed):
        outputs.expect_effect({"states": states + 1e-4}, {"states": states}, "an adapter")
    outputs.expect_effect({"states": states.double() + 1e-4}, {"states": states.double()}, "an adapter")


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((2, 1, 8, 8), -1),
        ((2, 7, 32), -1),
        ((2, 32, 4, 4), -3),
        ((2, 2, 32, 4, 4), -3),
        ((2, 4, 4, 32), -1),
        ((2, 4, 4, 4), -1),
    ],
)
def test_pictures_may_have_their_features_before_rows_and_columns(shape: tuple[int, ...], axis: int) -> None:
    assert attention._axis_of_features(torch.zeros(shape)) == axis


def test_a_result_that_a_prefix_changes_tells_of_layers_without_a_usual_name() -> None:
    seen, layers = torch.zeros(1), torch.ones(1)
    assert attention._told_of_layers({"seen": seen, "maps[0]": layers}, {"seen": seen, "maps[0]": seen}) == "maps[0]"
    assert attention._told_of_layers({"seen": seen}, {"seen": seen}) == ""
    usual = {"maps[0]": layers, "last_hidden_state": seen}
    assert attention._told_of_layers(usual, {**usual, "maps[0]": seen}) == "last_hidden_state"


class Layer(nn.Module):
    """Keys for another model, and states for the next layer."""

    def __init__(self) -> None:
        super().__init__()
        self.key, self.up = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, states: Tensor) -> tuple[Tensor, Tensor]:
        return states + self.up(states), self.key(states)


class KeysModel(PreTrainedModel):
    """A model of which only the keys are read."""

    config_class = PretrainedConfig

    def __init__(self) -> None:
        super().__init__(PretrainedConfig())
        self.layers = nn.ModuleList(Layer() for _ in range(2))

    def forward(self, states: Tensor) -> list[Tensor]:
        read = []
        for layer in self.layers:
            states, keys = layer(states)
            read.append(keys)
        return read


class AdaptedKeysModel(KeysModel):
    def __init__(self) -> None:
        super().__init__()
        for layer in self.layers:
            layer.output_adapters = nn.Linear(4, 4)

    def iter_layers(self) -> enumerate[nn.Module]:
        return enumerate(self.layers)


def test_what_stands_in_a_layer_is_unread_where_only_its_keys_are() -> None:
    case = SimpleNamespace(upstream=KeysModel, inputs=lambda model, padded: {"states": torch.ones(1, 2, 4)})
    names = [f"layers.{layer}.{part}.weight" for layer in range(2) for part in ("key", "up", "output_adapters")]

    found = unread(case, names, AdaptedKeysModel())

    assert sorted(found) == ["layers.1.output_adapters.weight", "layers.1.up.weight"]


class SharedModel(KeysModel):
    """Another layer stands in it, with weights of the first, and is for another call."""

    def __init__(self) -> None:
        super().__init__()
        self.other = Layer()
        self.other.key, self.other.up.weight = nn.Linear(4, 4), self.layers[0].up.weight


class AdaptedSharedModel(SharedModel):
    def iter_layers(self) -> enumerate[nn.Module]:
        return enumerate((*self.layers, self.other))


def test_a_layer_that_is_not_called_is_unread_though_its_weights_are_shared() -> None:
    case = SimpleNamespace(upstream=SharedModel, inputs=lambda model, padded: {"states": torch.ones(1, 2, 4)})
    names = ["layers.0.up.loras.proof.lora_A", "other.up.loras.proof.lora_A"]

    assert unread(case, names, AdaptedSharedModel()) == {"other.up.loras.proof.lora_A"}


class Branched(nn.Module):
    """The first of its kind adds nothing to what goes through it."""

    def __init__(self, *, is_first: bool) -> None:
        super().__init__()
        self.is_first = is_first
        self.up, self.output_adapters, self.norm = (nn.Linear(4, 4) for _ in range(3))

    def forward(self, states: Tensor) -> Tensor:
        if self.is_first:
            states = self.up(states)
        else:
            added = self.output_adapters(self.up(states))
            states = states + added
        return self.norm(states)


def test_what_stands_in_a_branch_that_is_never_taken() -> None:
    layers = nn.Sequential(Branched(is_first=True), Branched(is_first=False))

    assert list(not_taken(layers)) == ["0.output_adapters"]


def test_a_word_stands_for_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "placeholders", lambda _: [6, 7])

    assert [attention._word(KeysModel(), token) for token in (5, 6)] == [5, 8]


class BlindModel(PreTrainedModel):
    """Its queries meet a single key, so that nothing depends on them."""

    config_class = PretrainedConfig

    def __init__(self) -> None:
        super().__init__(PretrainedConfig())
        self.query, self.value = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, states: Tensor) -> list[Tensor]:
        scores = self.query(states).sum(-1, keepdim=True)
        return [scores.softmax(-1) * self.value(states)]


def test_a_map_that_moves_nothing_need_not_move_its_adapter() -> None:
    case = SimpleNamespace(upstream=BlindModel, inputs=lambda model, padded: {"states": torch.ones(1, 2, 4)})

    found = unmoved(case, ["query.loras.proof.lora_A", "value.loras.proof.lora_A"])

    assert found == {"query.loras.proof.lora_A"}


class ChoosingModel(PreTrainedModel):
    """A softmax of its scores takes one key alone, once something has made its queries large."""

    config_class = PretrainedConfig

    def __init__(self, factor: float = 1.0, *, cut: bool = False) -> None:
        super().__init__(PretrainedConfig())
        self.query, self.factor, self.cut = nn.Linear(4, 4), factor, cut
        self.query.loras = nn.ModuleDict({"proof": nn.Linear(4, 4)})

    def forward(self, states: Tensor) -> list[Tensor]:
        added = self.query.loras["proof"](states)
        query = self.query(states) + (added.detach() if self.cut else added)
        return [(self.factor * query).softmax(-1) * torch.arange(4.0)]


@pytest.mark.parametrize(("model", "is_found"), [(ChoosingModel(1e6), True), (ChoosingModel(cut=True), False)])
def test_an_adapter_may_make_a_softmax_so_sure_that_its_map_moves_nothing(model: nn.Module, is_found: bool) -> None:
    """Where the weight of the map itself still moves, so must the adapter."""
    states = {"states": torch.randn(1, 2, 4, generator=torch.Generator().manual_seed(1))}
    case = SimpleNamespace(upstream=ChoosingModel, inputs=lambda model, padded: states)
    name = "query.loras.proof.weight"

    assert not unmoved(case, [name])
    assert (name in unmoved(case, [name], model)) is is_found


def test_probabilities_are_told_by_their_logarithms() -> None:
    """A softmax of large numbers hides what changes the smaller ones."""
    sure, less = (torch.tensor([[[60.0, 0.0, change]]]).softmax(-1) for change in (1.0, 9.0))
    outputs.expect_effect({"scores": less}, {"scores": sure}, "an adapter")
    with pytest.raises(outputs.CheckFailed, match="does not change"):
        outputs.expect_effect({"scores": sure}, {"scores": sure}, "an adapter")
    assert outputs.unsoftened(-sure).equal(-sure)


def test_words_that_see_an_encoder_alone_do_not_meet() -> None:
    case = ModelCase(name="big_bird", adapter_model_class=BigBirdAdapterModel, config_class=BigBirdConfig)
    subjects = (subject for subject in case.subjects if subject.cls is BigBirdForCausalLM)

    assert {subject.label: words_meet(subject) for subject in subjects} == {
        "BigBirdForCausalLM": True,
        "BigBirdForCausalLM (is_decoder)": True,
        "BigBirdForCausalLM (is_decoder, add_cross_attention)": False,
    }
