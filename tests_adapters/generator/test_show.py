"""Is a picture what its plan says: every site once, refused ones with their reasons, and nothing out of its box?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import click
import msgspec
import pytest
from click.testing import CliRunner
from msgspec import Struct
from msgspec.structs import asdict, replace

from adaptergen.cli import main
from adaptergen.picture import as_svg, as_tree, picture_of
from adaptergen.picture.branches import branches_of
from adaptergen.picture.model import Picture, hooks_of
from adaptergen.plan import AttentionPlace, BottleneckPlace, IntegrationPlan, LayerPlan, ProjectionPlace
from adaptergen.plan_file import load
from adaptergen.source import parse_source
from tests_adapters.generator.case import integration, plan_of
from tests_adapters.generator.projects import done, run


PLANS = sorted((Path(__file__).parents[2] / "generated/models").glob("*/plan.toml"))
PAGES = Path(__file__).parents[2] / "adapter_docs"
SVG = "{http://www.w3.org/2000/svg}"
WIDTH, EDGE = 920, 880  # of an SVG, and where its cards end
HOSTILE = '<script>alert("1")</script> & ]]> \x1b[31m\x00\u202e\ud800 ' + "W漢" * 60


@cache
def committed(path: Path) -> IntegrationPlan:
    return load(path.read_text(), str(path))


def case_picture(case: str) -> Picture:
    return picture_of(plan_of(case), integration(case).source)


def tree(picture: Picture) -> str:
    return click.unstyle(as_tree(picture))


# The tree


def test_tree_of_a_decoder() -> None:
    assert (
        tree(case_picture("parallel_residual"))
        == """\
Case  case
│  transformers.models.case.modeling_case, transformers 5.23.0
└─ CaseLayer
   ├─ decoder layers  after dropout
   │  ├─ ● invertible  after dropout
   │  └─ ● prompt      among the embeddings
   ├─ self-attention  attn
   │  ├─ ● prefix      attn.k_proj
   │  ├─ ● q           attn.q_proj
   │  ├─ ● k           attn.k_proj
   │  ├─ ● v           attn.v_proj
   │  ├─ ● o           attn.out_proj
   │  └─ ⊕ mh_adapter  attention_adapters
   ├─ feed-forward  mlp
   │  ├─ ● up              mlp.fc1
   │  ├─ ● down            mlp.fc2
   │  ├─ ⊕ output_adapter  output_adapters
   │  └─ in one sum with the one above
   └─ ● reft  what leaves the layer
"""
    )


def test_tree_of_two_towers_of_which_one_takes_less() -> None:
    assert (
        tree(case_picture("two_towers"))
        == """\
Case  case
│  transformers.models.case.modeling_case, transformers 5.23.0
├─ several models in one
│  ├─ ● invertible  in the model that embeds the words
│  └─ ○ prompt      refused
├─ CaseLayer
│  ├─ decoder text_model.layers  after embed_tokens
│  ├─ decoder layers  in CaseTextModel  after embed_tokens
│  ├─ self-attention  self_attn
│  │  ├─ ● prefix      self_attn.k_proj
│  │  ├─ ● q           self_attn.q_proj
│  │  ├─ ● k           self_attn.k_proj
│  │  ├─ ● v           self_attn.v_proj
│  │  ├─ ● o           self_attn.out_proj
│  │  └─ ⊕ mh_adapter  attention_adapters
│  ├─ feed-forward  mlp
│  │  ├─ ● up              mlp.fc1
│  │  ├─ ● down            mlp.fc2
│  │  └─ ⊕ output_adapter  output_adapters
│  └─ ● reft  what leaves the layer
├─ CaseBlock
│  ├─ encoder image_model.blocks
│  ├─ self-attention  attn
│  │  ├─ ○ prefix      refused
│  │  ├─ ● q k v       attn.qkv
│  │  ├─ ● o           attn.proj
│  │  └─ ⊕ mh_adapter  attention_adapters
│  ├─ feed-forward  mlp
│  │  ├─ ● up              mlp.fc1
│  │  ├─ ● down            mlp.fc2
│  │  └─ ⊕ output_adapter  output_adapters
│  └─ ○ reft  refused
└─ refused
   ├─ ○ prompt_tuning
   │     its input is for several models inside, so that a prompt would have to
   │     stand in each
   ├─ ○ prefix, in some layers
   │     keys, values and mask are in reach of every attention; not the layers
   │     of config.image_config: CaseKernelAttention at modeling_case.py:103:
   │     scaled_dot_product_attention is given no mask that has a name, or hides
   │     the future by itself
   └─ ○ reft, in some layers
         all examples are one sequence here, so that positions in it tell
         nothing
"""
    )


@pytest.mark.parametrize(
    ("case", "norms"),
    [
        ("post_norm_next", ["self_attn_layer_norm  of the sum", "final_layer_norm  of the sum"]),
        (
            "sandwich_norms",
            ["post_attention_layernorm  before it is added", "post_feedforward_layernorm  before it is added"],
        ),
    ],
)
def test_norms_in_the_call_stand_with_the_addition(case: str, norms: list[str]) -> None:
    assert [
        line.partition("─ norm ")[2] for line in tree(case_picture(case)).splitlines() if " norm " in line
    ] == norms


def test_coloured_by_kind() -> None:
    text = as_tree(case_picture("parallel_residual"))

    assert click.style("⊕ mh_adapter", fg="green") in text
    assert click.style("● q         ", fg="blue") in text
    assert click.style("● prefix    ", fg="magenta") in text


# Which sub-layer has what


def projections(*paths_and_roles: str) -> tuple[ProjectionPlace, ...]:
    pairs = (each.split(":") for each in paths_and_roles)
    return tuple(ProjectionPlace(path=path, roles=(role,)) for path, role in pairs)  # type: ignore[arg-type]


def drawn(layer: LayerPlan) -> list[tuple[str, list[str]]]:
    return [(branch.kind, [held.path for held in branch.projections]) for branch in branches_of(layer, None)]


def test_projections_go_where_their_paths_are_most_alike() -> None:
    places = (
        BottleneckPlace(location="mh_adapter", host="attention.output"),
        BottleneckPlace(location="cross_adapter", host="crossattention.output"),
        BottleneckPlace(location="output_adapter", host="output"),
    )
    attentions = (
        AttentionPlace(path="attention.self", kind="self", keys=""),
        AttentionPlace(path="crossattention.self", kind="cross", keys=""),
    )
    held = projections("crossattention.self.q:q", "attention.self.q:q", "crossattention.output.dense:o",
                       "attention.output.dense:o", "output.dense:down", "between.dense:up")  # fmt: skip

    assert drawn(LayerPlan("Layer", places, attentions, held)) == [
        ("self-attention", ["attention.self.q", "attention.output.dense"]),
        ("cross-attention", ["crossattention.self.q", "crossattention.output.dense"]),
        ("feed-forward", ["output.dense", "between.dense"]),
    ]


def test_a_second_feed_forward_begins_where_nothing_is_alike() -> None:
    places = tuple(BottleneckPlace(location="output_adapter", slot=f"s{n}", at=f"f.py:{n}") for n in (9, 10))
    held = projections("mlp.fc1:up", "mlp.fc2:down", "gate:up", "projection:down")

    assert drawn(LayerPlan("Layer", places, (), held)) == [
        ("feed-forward", ["mlp.fc1", "mlp.fc2"]),
        ("feed-forward", ["gate", "projection"]),
    ]


def test_sub_layers_without_an_addition_that_is_understood() -> None:
    held = projections("fc1:up", "fc2:down", "self_attn.q:q", "self_attn.o:o", "other.q:q", "other.o:o")

    assert drawn(LayerPlan("Layer", (), (), held)) == [
        ("attention", ["self_attn.q", "self_attn.o"]),
        ("attention", ["other.q", "other.o"]),
        ("feed-forward", ["fc1", "fc2"]),
    ]


def test_additions_stand_in_the_order_of_the_forward() -> None:
    text = """\
class Layer:
    def forward(self, states):
        states = self.before(states)
        states = states + self.attention(states)
        states = self.parts[1](states)
        return self.after(states)
"""
    places = tuple(
        BottleneckPlace(location=location, host=host, at=at)  # type: ignore[arg-type]
        for location, host, at in (
            ("mh_adapter", "", "layers.py:4"),
            ("output_adapter", "after", "layers.py:90"),
            ("output_adapter", "before.inner", "layers.py:90"),
            ("output_adapter", "parts.1", "layers.py:80"),
        )
    )
    layer = LayerPlan("Layer", places)
    source = parse_source(text, name="layers", path="layers.py")
    hosts = [branch.place.host for branch in branches_of(layer, source) if branch.place]

    assert hosts == ["before.inner", "", "parts.1", "after"]
    assert [branch.place for branch in branches_of(layer, None)] == list(places)


# Every architecture


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.parent.name)
def test_every_site_of_a_committed_plan_is_drawn_once(path: Path) -> None:
    plan = committed(path)
    picture = picture_of(plan)
    svg = fromstring(as_svg(picture))
    sites = Counter(
        [("bottleneck", ".".join(filter(None, (place.host, place.slot)))) for _, place in _places(plan)]
        + [("prefix", place.keys) for layer in plan.layers for place in layer.attention]
        + [("projection", place.path) for layer in plan.layers for place in layer.projections]
    )

    assert Counter((h.kind, h.path) for h in hooks_of(picture) if not h.refused and (h.kind, h.path) in sites) == sites
    for attribute, is_refused in (("data-hook", False), ("data-refused", True)):
        found = Counter(element.get(attribute) for element in svg.iter() if element.get(attribute))
        assert found == Counter(hook.kind for hook in hooks_of(picture) if bool(hook.refused) == is_refused)
    for kind, method in (("invertible", "invertible"), ("prompt", "prompt_tuning")):
        assert [not hook.refused for hook in hooks_of(picture) if hook.kind == kind] == [
            plan.methods[method].supported
        ]
    assert sum(hook.kind == "reft" for hook in hooks_of(picture)) == len(plan.layers)
    assert all(len(line) <= 80 for line in tree(picture).splitlines())
    assert _overflowing(svg) == []


def _places(plan: IntegrationPlan) -> Iterator[tuple[LayerPlan, BottleneckPlace]]:
    return ((layer, place) for layer in plan.layers for place in layer.bottleneck)


def test_all_plans_of_the_project_were_there() -> None:
    assert len(PLANS) >= 61


def test_the_page_shows_what_is_printed() -> None:
    plan = next(committed(path) for path in PLANS if path.parent.name == "gpt_neo")
    first, _, *others = tree(picture_of(plan)).splitlines(keepends=True)  # without the release

    page = (PAGES / "showing.md").read_text()
    assert first in page
    assert "".join(others) in page


# What an SVG has


def _overflowing(svg: Element) -> list[str]:
    """Texts that leave their pill or the cards, by how many signs they have."""
    found = []
    for group in svg.iter(f"{SVG}g"):
        boxes = group.findall(f"{SVG}rect")
        if "pill" in (group.get("class") or "").split():
            right = float(boxes[0].get("x") or 0) + float(boxes[0].get("width") or 0)
            found += [_words(text) for text in group.findall(f"{SVG}text") if _span(text)[1] > right]
            found += [f"box at {right}"] if right > EDGE else []
    return found + [_words(text) for text in svg.iter(f"{SVG}text") if _span(text)[0] < 40 or _span(text)[1] > EDGE]


def _span(text: Element) -> tuple[float, float]:
    """Where a text begins and ends in the usual fonts: a monospaced sign is 0.602 high signs wide, others 0.55."""
    x, size = float(text.get("x") or 0), float(text.get("font-size") or 0)
    width = 0.0
    for piece in text.findall(f"{SVG}tspan"):
        each = 0.602 if "mono" in (piece.get("class") or "").split() else 0.55
        width += float(piece.get("dx") or 0) + each * size * len(piece.text or "")
    return (x - width, x) if text.get("text-anchor") == "end" else (x, x + width)


def _words(text: Element) -> str:
    return " ".join(piece.text or "" for piece in text.findall(f"{SVG}tspan"))


def test_svg_describes_itself_and_stands_alone() -> None:
    text = as_svg(case_picture("encoder_decoder"))
    svg = fromstring(text)

    assert svg.get("role") == "img"
    assert svg.get("aria-labelledby") == "title desc"
    assert svg.findtext(f"{SVG}title") == "Where adapters sit in Case"
    assert "CaseDecoderLayer: self-attention, cross-attention, feed-forward" in (svg.findtext(f"{SVG}desc") or "")
    assert "prefers-color-scheme: dark" in (svg.findtext(f"{SVG}style") or "")
    assert {element.tag.removeprefix(SVG) for element in svg.iter()} == {
        "svg", "title", "desc", "style", "g", "rect", "circle", "path", "text", "tspan"
    }  # fmt: skip
    assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")


def test_svg_is_as_high_as_what_is_in_it() -> None:
    for case in ("pre_norm", "encoder_decoder"):
        svg = fromstring(as_svg(case_picture(case)))
        height = float(svg.get("height") or 0)
        bottoms = [
            float(box.get("y") or 0) + float(box.get("height") or 0) for box in list(svg.iter(f"{SVG}rect"))[1:]
        ]

        assert svg.get("viewBox") == f"0 0 {WIDTH} {svg.get('height')}"
        assert max(bottoms) + 40 == pytest.approx(height)


def test_refused_sites_are_grey_and_say_why() -> None:
    plan = plan_of("parallel_residual")
    no_support = replace(plan.methods["bottleneck"], supported=False, because="an addition of several")
    layers = tuple(replace(layer, bottleneck=()) for layer in plan.layers)
    refusing = replace(plan, methods={**plan.methods, "bottleneck": no_support}, layers=layers, residuals=())
    svg = fromstring(as_svg(picture_of(refusing)))
    pills = [group for group in svg.iter(f"{SVG}g") if group.get("data-refused")]

    assert [(pill.get("data-refused"), pill.get("class")) for pill in pills] == [("bottleneck", "pill refused")] * 2
    assert {pill.findtext(f"{SVG}title") for pill in pills} == {"refused: an addition of several"}
    told = [_words(text) for text in svg.iter(f"{SVG}text")]
    assert told.count("an addition of several") == 2
    assert told.count("refused: an addition of several") == 1
    assert tree(picture_of(refusing)).endswith("└─ refused\n   └─ ○ bottleneck\n         an addition of several\n")


def test_hostile_texts_are_texts() -> None:
    """They come from files of other people: markup, what steers terminals, and names without end."""
    plan = _with_texts(plan_of("encoder_decoder"))
    picture = picture_of(plan)
    text = as_svg(picture)
    svg = fromstring(text.encode())

    assert "<script" not in text
    assert {element.tag.removeprefix(SVG) for element in svg.iter()} <= {
        "svg", "title", "desc", "style", "g", "rect", "circle", "path", "text", "tspan"
    }  # fmt: skip
    assert (svg.findtext(f"{SVG}title") or "").startswith('Where adapters sit in <script>alert("1")</script> & ]]>')
    assert all(line.isprintable() for line in tree(picture).splitlines())
    assert as_tree(picture).encode()
    assert _overflowing(svg) == []


def _with_texts(value: object) -> IntegrationPlan:
    """The plan with every text that is not one of a few words exchanged."""
    kept = {"by", "kind", "location", "roles", "name"}

    def changed(held: object) -> object:
        if isinstance(held, Struct):
            fields = asdict(held).items()
            return type(held)(**{key: each if key in kept else changed(each) for key, each in fields})
        if isinstance(held, tuple):
            return tuple(map(changed, held))
        if isinstance(held, dict):
            return {key: changed(each) for key, each in held.items()}
        return f"{HOSTILE}{held}" if isinstance(held, str) and held else held

    plan = changed(value)
    assert isinstance(plan, IntegrationPlan)
    return plan


# The command


def test_show_prints_the_tree(one: Path) -> None:
    assert done(one, "show", "case") == tree(case_picture("pre_norm"))
    assert "MyCaseLayer" in done(one, "show", "my-case")
    assert not (one / "generated/models/my_case").exists()


def test_show_writes_an_svg(one: Path, tmp_path: Path) -> None:
    file = tmp_path / "case.svg"

    assert done(one, "show", "case", "--svg", str(file)) == tree(case_picture("pre_norm"))
    assert file.read_text() == as_svg(case_picture("pre_norm"))
    assert done(one, "show", "case", "--svg", "-") == file.read_text()


def test_show_as_json_has_every_hook(one: Path) -> None:
    told = json.loads(done(one, "show", "case", "--json"))

    assert told == json.loads(json.dumps(msgspec.to_builtins(case_picture("pre_norm"))))
    assert told["layers"][0]["sub_layers"][0]["addition"]["hook"]["path"] == "attention_adapters"


def test_show_is_coloured_where_people_want_it(one: Path) -> None:
    arguments = ["-C", str(one), "show", "case"]

    assert "\x1b[32m" in CliRunner().invoke(main, arguments, color=True).stdout
    assert "\x1b" not in CliRunner(env={"NO_COLOR": "1"}).invoke(main, arguments, color=True).stdout


def test_show_of_an_unknown_name(one: Path, tmp_path: Path) -> None:
    result = run(one, "show", "casee", "--svg", str(tmp_path / "casee.svg"))

    assert (result.exit_code, result.stdout) == (2, "")
    assert "error[unknown-model]" in result.stderr
    assert not (tmp_path / "casee.svg").exists()


def test_show_into_a_folder_that_is_not_there(one: Path, tmp_path: Path) -> None:
    file = tmp_path / "nowhere" / "case.svg"
    result = run(one, "show", "case", "--svg", str(file))

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"{file}: error[not-written]: cannot be written: No such file or directory\n"
        "  fix: give --svg a file in a folder that is there\n"
    )


def test_show_cannot_print_both(one: Path) -> None:
    assert run(one, "show", "case", "--svg", "-", "--json").exit_code == 2
