"""Do the checks of additions and projections notice what is in the wrong place, and only that?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from transformers import BertConfig, GPT2Config, GPTNeoConfig

from adaptergen.verify import places
from adaptergen.verify.adapters import FORMS
from adaptergen.verify.checks.roles import additions_take_their_sublayer, projections_play_their_roles
from adaptergen.verify.outputs import CheckFailed
from adaptergen.verify.subjects import ModelCase, Subject
from generated.core.sites import LayerSites
from generated.models.bert import BertAdapterModel
from generated.models.gpt2 import GPT2AdapterModel
from generated.models.gpt_neo import GPTNeoAdapterModel


BERT = ModelCase("bert", BertAdapterModel, BertConfig).subjects[0]
GPT_NEO = ModelCase("gpt_neo", GPTNeoAdapterModel, GPTNeoConfig).subjects[0]
GPT2 = ModelCase("gpt2", GPT2AdapterModel, GPT2Config).subjects[0]
BOTTLENECK = next(form for form in FORMS if form.label == "bottleneck")
LORA = next(form for form in FORMS if form.label == "lora")

each_model = pytest.mark.parametrize("subject", [BERT, GPT_NEO], ids=["bert", "gpt_neo"])


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[LayerSites], LayerSites]], None]:
    """Let the checks be told something else of where the places of each layer are."""

    def tell(change: Callable[[LayerSites], LayerSites]) -> None:
        found = places.placed_layers

        def changed(*arguments: Any) -> Iterator[Any]:
            yield from (replace(layer, sites=change(layer.sites)) for layer in found(*arguments))

        monkeypatch.setattr(places, "placed_layers", changed)

    return tell


def exchanged_additions(sites: LayerSites) -> LayerSites:
    """The addition behind attention is told to be that behind the feed-forward, and the other way round."""
    other = {"mh_adapter": "output_adapter", "output_adapter": "mh_adapter"}
    changed = (replace(each, location=other.get(each.location, each.location)) for each in sites.bottleneck)
    return replace(sites, bottleneck=tuple(changed))


def with_roles(**roles: str) -> Callable[[LayerSites], LayerSites]:
    """Projections of one role are told to have another."""
    return lambda sites: replace(
        sites, projections=tuple(replace(each, roles=roles.get(each.roles, each.roles)) for each in sites.projections)
    )


@each_model
def test_what_is_right_passes(subject: Subject) -> None:
    additions_take_their_sublayer(subject, BOTTLENECK)
    projections_play_their_roles(subject, LORA)


@each_model
def test_additions_that_are_exchanged(subject: Subject, told: Callable[..., None]) -> None:
    told(exchanged_additions)
    with pytest.raises(CheckFailed, match=r"of layer 0 (does not take|takes a residual)"):
        additions_take_their_sublayer(subject, BOTTLENECK)


@each_model
@pytest.mark.parametrize(
    ("roles", "message"),
    [
        ({"v": "o", "o": "v"}, "v runs after o"),
        ({"up": "down", "down": "up"}, "up runs after down"),
        ({"v": "q", "q": "v"}, "what is called v does not make the values"),
    ],
    ids=["o", "down", "q"],
)
def test_roles_that_are_exchanged(
    subject: Subject, told: Callable[..., None], roles: dict[str, str], message: str
) -> None:
    told(with_roles(**roles))
    with pytest.raises(CheckFailed, match=message):
        projections_play_their_roles(subject, LORA)


@each_model
@pytest.mark.parametrize(
    ("roles", "message"),
    [
        ({"k": "q", "q": "k"}, "what is called q does not make the queries"),
        ({"k": "q"}, "makes the keys, and is called q"),
    ],
    ids=["exchanged", "both queries"],
)
def test_keys_that_are_called_queries(
    subject: Subject, told: Callable[..., None], roles: dict[str, str], message: str
) -> None:
    told(with_roles(**roles))
    with pytest.raises(CheckFailed, match=message):
        projections_play_their_roles(subject, LORA)


@pytest.mark.parametrize(
    ("order", "wrong"), [("qkv", ""), ("vkq", "v"), ("qvk", "v"), ("kqv", "q")], ids=["right", "q", "k", "q and k"]
)
def test_parts_of_a_fused_map(order: str, wrong: str, told: Callable[..., None]) -> None:
    def reordered(sites: LayerSites) -> LayerSites:
        changed = (replace(each, roles=tuple(order)) if len(each.parts) > 1 else each for each in sites.projections)
        return replace(sites, projections=tuple(changed))

    told(reordered)
    if not wrong:
        projections_play_their_roles(GPT2, LORA)
        return
    with pytest.raises(CheckFailed, match=f"what is called {wrong} does not make the"):
        projections_play_their_roles(GPT2, LORA)
