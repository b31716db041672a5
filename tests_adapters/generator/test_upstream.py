"""Is what the auto mappings of transformers say read as they say it, from whichever form they have?"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from adaptergen import auto_tables
from adaptergen.problems import ProblemsFound
from adaptergen.upstream import Upstream, installed_transformers
from tests_adapters.generator.trees import write_all


AUTO = {
    "models/auto/auto_mappings.py": """\
from collections import OrderedDict

CONFIG_MAPPING_NAMES = OrderedDict(
    [("one", "OneConfig"), ("two-words", "TwoWordsConfig"), ("three_text", "ThreeConfig")]
)
SPECIAL_MODEL_TYPE_TO_MODULE_NAME = OrderedDict([("first", "one"), ("two.5", "two_words"), ("empty-type", "empty")])
NOT_READ = {"one": "Nothing"}
""",
    "models/auto/configuration_auto.py": """\
CONFIG_MAPPING_NAMES.update({"late": "LateConfig"})
UNREADABLE_NAMES = OrderedDict([(key, value) for key, value in other()])
""",
    "models/auto/modeling_auto.py": """\
MODEL_MAPPING_NAMES = OrderedDict(
    [
        ("one", ("OneEncoder", "OneModel")),
        ("two-words", "TwoWordsModel"),
        ("three_text", "ThreeModel"),
        (computed(), "Nothing"),
    ]
)
MODEL_FOR_CAUSAL_LM_MAPPING_NAMES = {"one": "OneForCausalLM", "two-words": "ElsewhereForCausalLM"}
MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES = OrderedDict(**{"one": ("OneForQuestionAnswering", "OneForMore")})
MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES.update({"two-words": "TwoWordsForQuestionAnswering"})
""",
}
CLASSES = "class OneModel: ...\nclass OneForCausalLM: ...\nclass OneForQuestionAnswering: ...\nclass OneForMore: ...\n"

TWO_WORDS = "class TwoWordsModel: ...\nclass TwoWordsForQuestionAnswering: ...\n"


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    texts = {
        "__init__.py": '"""Docs"""\n\n__version__ = "5.0.1.dev0"\n',
        "models/one/modeling_one.py": CLASSES,
        "models/one/configuration_one.py": "class OneConfig: ...\n",
        "models/two_words/modeling_two_words.py": TWO_WORDS,
        "models/three/modeling_three.py": "class ThreeModel: ...\n",
        "models/empty/modeling_other.py": "",
        "models/unmapped/modeling_unmapped.py": "class Unmapped: ...\n",
        **AUTO,
    }
    write_all(tmp_path / "transformers", texts)
    return Upstream(tmp_path / "transformers")


def test_earlier_releases_have_all_tables_in_the_files_of_the_auto_classes(upstream: Upstream) -> None:
    tables = upstream.root / "models/auto/auto_mappings.py"
    configuration = upstream.root / "models/auto/configuration_auto.py"
    expected = upstream.find("one"), upstream.folder_of("two.5"), upstream.auto_tasks
    configuration.write_text(
        tables.read_text().replace("OrderedDict(", "OrderedDict[str, str](") + configuration.read_text()
    )
    tables.unlink()

    earlier = Upstream(upstream.root)
    found = earlier.find("one"), earlier.folder_of("two.5"), earlier.auto_tasks
    assert (found[0].config_class, found[0].base_class, found[0].tasks, *found[1:]) == (
        expected[0].config_class,
        expected[0].base_class,
        expected[0].tasks,
        *expected[1:],
    )


def test_available_are_folders_with_a_modeling_file_of_their_name(upstream: Upstream) -> None:
    """The auto classes are in such a folder, and are no architecture."""
    assert upstream.folders == ("one", "three", "two_words", "unmapped")


def test_version(upstream: Upstream) -> None:
    assert upstream.version == "5.0.1.dev0"
    write_all(upstream.root, {"__init__.py": ""})
    assert Upstream(upstream.root).version == "unknown"


def test_everything_that_is_known_of_a_model(upstream: Upstream) -> None:
    """Of the mapped names those that are in the file, in the order of the mapping."""
    model = upstream.find("one")

    assert (model.name, model.model_type, model.config_class, model.base_class) == (
        "one",
        "one",
        "OneConfig",
        "OneModel",
    )
    assert model.tasks == {
        "causal_lm": ("OneForCausalLM",),
        "question_answering": ("OneForQuestionAnswering", "OneForMore"),
    }
    assert (model.modeling.name, model.modeling.path) == (
        "transformers.models.one.modeling_one", "transformers/models/one/modeling_one.py",
    )  # fmt: skip
    assert model.configuration is not None
    assert set(model.configuration.classes) == {"OneConfig"}


@pytest.mark.parametrize("name", ["two_words", "two-words", "two.5"])
def test_names_with_hyphens_and_those_with_another_folder(upstream: Upstream, name: str) -> None:
    model = upstream.find(name)

    assert (model.name, model.model_type, model.config_class, model.base_class) == (
        "two_words", "two-words", "TwoWordsConfig", "TwoWordsModel",
    )  # fmt: skip
    assert model.tasks == {"question_answering": ("TwoWordsForQuestionAnswering",)}
    assert model.configuration is None


def test_a_model_type_that_is_named_after_a_part(upstream: Upstream) -> None:
    """Found by the base class that is in the file."""
    model = upstream.find("three")

    assert (model.model_type, model.config_class, model.base_class) == ("three_text", "ThreeConfig", "ThreeModel")


def test_a_folder_that_no_mapping_knows(upstream: Upstream) -> None:
    model = upstream.find("unmapped")

    assert (model.model_type, model.config_class, model.base_class, model.tasks) == ("unmapped", "", "", {})


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("two_word", "did you mean two_words?"),
        ("ThreE", "did you mean three?"),
        ("empty", "`adaptergen list --available` shows every name"),
        ("empty-type", "`adaptergen list --available` shows every name"),
        ("auto", "`adaptergen list --available` shows every name"),
        ("../one", "did you mean one?"),
        ("", "`adaptergen list --available` shows every name"),
    ],
)
def test_what_is_not_there(upstream: Upstream, name: str, fix: str) -> None:
    with pytest.raises(ProblemsFound) as found:
        upstream.find(name)

    (problem,) = found.value.problems
    assert (problem.code, problem.fix) == ("unknown-model", fix)
    assert problem.message == f"transformers 5.0.1.dev0 has no modeling file for '{name}'"


def test_tables_are_read_as_far_as_they_are_literal(upstream: Upstream) -> None:
    assert upstream.table("CONFIG_MAPPING_NAMES") == {
        "one": "OneConfig", "two-words": "TwoWordsConfig", "three_text": "ThreeConfig", "late": "LateConfig",
    }  # fmt: skip
    assert set(upstream.table("MODEL_MAPPING_NAMES")) == {"one", "two-words", "three_text"}
    assert upstream.table("UNREADABLE_NAMES") == upstream.table("NOT_READ") == {}


def test_tables_are_parsed_once(upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And again only if a file has changed, or what was kept of it."""
    parsed = []
    monkeypatch.setenv("ADAPTERGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(auto_tables, "parse_python", lambda text, shown: parsed.append(shown) or ast.parse(text))

    def tables() -> tuple[object, ...]:
        again = Upstream(upstream.root)
        return tuple(again.table(name) for name in ("MODEL_MAPPING_NAMES", "CONFIG_MAPPING_NAMES"))

    first = tables()
    assert tables() == tables() == first
    assert len(parsed) == 3
    (piece,) = (tmp_path / "cache/tables").iterdir()
    for damaged in (b"", b"[]", piece.read_bytes()[:-9], b'{"MODEL_MAPPING_NAMES": {"one": 1}}'):
        parsed.clear()
        piece.write_bytes(damaged)
        assert tables() == tables() == first
        assert len(parsed) == 3
    parsed.clear()
    more = upstream.root / "models/auto/modeling_auto.py"
    more.write_text(more.read_text() + 'MODEL_MAPPING_NAMES.update({"four": "FourModel"})\n')
    assert tables() != first
    assert len(parsed) == 3


def test_auto_mappings_that_are_not_python(upstream: Upstream) -> None:
    (upstream.root / "models/auto/modeling_auto.py").write_text("MODEL_MAPPING_NAMES = (\n")
    with pytest.raises(ProblemsFound) as found:
        upstream.find("one")
    (problem,) = found.value.problems
    assert (problem.code, str(problem.at)) == ("not-python", "transformers/models/auto/modeling_auto.py:1")


@pytest.mark.parametrize(
    "odd",
    [
        "{[]: 'x'}", "{**{}}", "{1: 'x', 'two-words': 2}", "OrderedDict([('a', 'b', 'c'), 'de', 1, ([], 'x')])",
        "OrderedDict(*[], **{1: 2}, a=3)", "{'x': ('a', None)}", "OrderedDict([[]])", "{'x': {}}", "{-'a': 1}",
    ],
)  # fmt: skip
def test_odd_entries_are_left_out(upstream: Upstream, odd: str) -> None:
    before = Upstream(upstream.root).table("MODEL_MAPPING_NAMES")
    with (upstream.root / "models/auto/modeling_auto.py").open("a") as file:
        file.write(f"MODEL_MAPPING_NAMES.update({odd})\n")
    assert Upstream(upstream.root).table("MODEL_MAPPING_NAMES") == before


def test_modules_are_read_once_and_only_those_of_this_package(upstream: Upstream) -> None:
    module = upstream.load("transformers.models.one.modeling_one")

    assert module is not None
    assert upstream.load("transformers.models.one.modeling_one") is module
    assert upstream.load("transformers.models.one.modeling_two") is None
    assert upstream.load("torch.nn") is None


def test_the_real_mappings() -> None:
    """Forms that the installed transformers uses."""
    real = installed_transformers()
    neo, roberta = real.find("gpt_neo"), real.find("xlm-roberta")

    assert (neo.model_type, neo.config_class, neo.base_class) == ("gpt_neo", "GPTNeoConfig", "GPTNeoModel")
    assert neo.tasks["causal_lm"] == ("GPTNeoForCausalLM",)
    assert (roberta.name, roberta.model_type, roberta.base_class) == ("xlm_roberta", "xlm-roberta", "XLMRobertaModel")
    pair = installed_transformers().find("encoder_decoder")  # no mapping of base models has it
    assert (pair.name, pair.model_type, pair.config_class) == (
        "encoder_decoder",
        "encoder-decoder",
        "EncoderDecoderConfig",
    )
    assert real.folder_of("openai-gpt") == "openai"
    assert {"bert", "gpt_neo", "t5", "vit"} <= set(real.folders)
    assert "auto" not in real.folders
