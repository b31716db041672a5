"""Where does a project keep its files, and which names can become paths, imports and classes?"""

from __future__ import annotations

import pytest

from adaptergen import naming
from adaptergen.problems import ProblemsFound
from adaptergen.settings import Settings, read_settings


PATH = "pyproject.toml"


def read(lines: str) -> Settings | None:
    return read_settings(f"[project]\nname = 'x'\n\n[tool.adaptergen]\n{lines}", PATH)


def refusals(lines: str) -> list[str]:
    with pytest.raises(ProblemsFound) as found:
        read(lines)
    assert {problem.code for problem in found.value.problems} == {"bad-settings"}
    return [f"{problem.at} {problem.message}" for problem in found.value.problems]


def test_all_settings_may_be_left_out() -> None:
    assert read("") == Settings("generated", "tests_adapters", "adapter_docs", "")
    assert read_settings("", PATH) is None
    assert read_settings("[tool.other]\n", PATH) is None


def test_every_setting() -> None:
    lines = "package = 'a.b_c'\ntests = 'tests/a'\ndocs = 'docs-2.0/u'\ntemplates = 't'\n"

    assert read(lines) == Settings("a.b_c", "tests/a", "docs-2.0/u", "t")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("package = 'a/b'", "package must be the dotted name of a Python package, not 'a/b'"),
        ("package = 'a-b'", "package must be the dotted name of a Python package, not 'a-b'"),
        ("package = 'a..b'", "package must be the dotted name of a Python package, not 'a..b'"),
        ("package = ''", "package must be the dotted name of a Python package, not ''"),
        ("package = ['a']", "package must be the dotted name of a Python package, not ['a']"),
        ("tests = 'a.b'", "tests must be the folder of a Python package inside the project, not 'a.b'"),
        ("tests = '1/a'", "tests must be the folder of a Python package inside the project, not '1/a'"),
        ("docs = '/docs'", "docs must be a folder inside the project, not '/docs'"),
        ("docs = '../docs'", "docs must be a folder inside the project, not '../docs'"),
        ("docs = 'a/../../docs'", "docs must be a folder inside the project, not 'a/../../docs'"),
        ("docs = 'docs/'", "docs must be a folder inside the project, not 'docs/'"),
        ("docs = 'a\\b'", "docs must be a folder inside the project, not 'a\\\\b'"),
        ("docs = 'ü'", "docs must be a folder inside the project, not 'ü'"),
        ("docs = 'a;b'", "docs must be a folder inside the project, not 'a;b'"),
        ("templates = true", "templates must be a folder inside the project, not True"),
        ("template = 'x'", "template is not a setting"),
    ],
)
def test_a_bad_setting_has_its_line(line: str, message: str) -> None:
    assert refusals(line) == [f"{PATH}:5 tool.adaptergen.{message}"]


def test_all_bad_settings_are_told() -> None:
    assert refusals("docs = 1\npackage = 'x'\ntests = 2\n") == [
        f"{PATH}:5 tool.adaptergen.docs must be a folder inside the project, not 1",
        f"{PATH}:7 tool.adaptergen.tests must be the folder of a Python package inside the project, not 2",
    ]


@pytest.mark.parametrize(
    ("path", "placed"),
    [
        ("generated/models/x.py", "a/b/models/x.py"),
        ("tests_adapters/models/x.py", "tests/c/models/x.py"),
        ("adapter_docs/index.md", "docs.d/index.md"),
        ("utils/check_adapters.py", "utils/check_adapters.py"),
        ("examples/generated/x.md", "examples/generated/x.md"),
    ],
)
def test_where_templates_go(path: str, placed: str) -> None:
    settings = Settings(package="a.b", tests="tests/c", docs="docs.d")

    assert settings.placed(path) == placed
    assert Settings().placed(path) == path
    assert settings.plan_path("bert") == "a/b/models/bert/plan.toml"


@pytest.mark.parametrize("name", ["a", "gpt2", "gpt_neo", "x" * 80, "a1_"])
def test_names_of_folders(name: str) -> None:
    assert naming.checked_name(name) == naming.folder_name(name) == name


@pytest.mark.parametrize(
    ("name", "folder"),
    [("xlm-roberta", "xlm_roberta"), ("kosmos-2.5", "kosmos_2_5"), ("EvollaModel", "evollamodel"), ("A-B", "a_b")],
)
def test_model_types_become_folders(name: str, folder: str) -> None:
    assert naming.folder_name(name) == folder
    with pytest.raises(ProblemsFound, match="cannot name a model"):
        naming.checked_name(name)


@pytest.mark.parametrize("name", ["", "_a", "1a", "a b", "a/b", "a\\b", "a\n", "é", "import", "aux", "lpt1", "x" * 81])
def test_names_of_nothing(name: str) -> None:
    for function in (naming.checked_name, naming.folder_name):
        with pytest.raises(ProblemsFound) as found:
            function(name)
        (problem,) = found.value.problems
        assert (problem.code, repr(name) in problem.message) == ("bad-name", True)


@pytest.mark.parametrize(
    ("base", "family", "title"),
    [
        ("GPTNeoModel", "GPTNeo", "GPT Neo"),
        ("BertModel", "Bert", "Bert"),
        ("DistilBertModel", "DistilBert", "Distil Bert"),
        ("GPT2Model", "GPT2", "GPT2"),
        ("T5Model", "T5", "T5"),
        ("XLMRobertaXLModel", "XLMRobertaXL", "XLM RobertaXL"),
        ("ViTModel", "ViT", "ViT"),
        ("Qwen2MoeModel", "Qwen2Moe", "Qwen2 Moe"),
        ("DINOv3ViTModel", "DINOv3ViT", "DINOv3 ViT"),
        ("CaseTransformer", "CaseTransformer", "Case Transformer"),
    ],
)
def test_names_of_classes(base: str, family: str, title: str) -> None:
    assert naming.family(base) == family
    assert naming.title(base) == title
    assert naming.adapter_model(base) == f"{family}AdapterModel"
    assert naming.mixin(base) == f"{base}AdaptersMixin"
    assert naming.with_adapters(base) == f"{base}WithAdapters"
