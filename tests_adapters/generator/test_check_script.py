"""Does `python utils/check_adapters.py` pass on this repository, and fail with every problem of a broken one?"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests_adapters.generator.projects import done
from tests_adapters.generator.trees import copied


ROOT = Path(__file__).parents[2]
COPIED = ("pyproject.toml", "adapter_docs", "generated", "templates", "tests_adapters/models", "utils")
NAME = "gpt_neo"
HEAD = "class GPTNeoForCausalLMWithAdapters"
STALE = "a generated region does not say what the plans say"
EDITED = "a generated file is not what adaptergen writes: it was edited by hand, or a template or plan has changed"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the script looks at, with GPT Neo as its only model, as it is written today."""
    folder = tmp_path_factory.mktemp("repository")
    for path in COPIED:
        (shutil.copytree if (ROOT / path).is_dir() else shutil.copy)(ROOT / path, (folder / path))
    others = [path.name for path in (folder / "generated/models").iterdir() if (path / "plan.toml").exists()]
    done(folder, "remove-model", *(name for name in others if name != NAME))
    done(folder, "update", NAME, "--no-verify")
    return folder


def checked(repository: Path) -> subprocess.CompletedProcess[str]:
    """The script run from another folder, as hooks and CI may do."""
    command = [sys.executable, str(repository / "utils/check_adapters.py")]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)


def edit(path: Path, edits: Mapping[str, str]) -> None:
    text = path.read_text()
    for old, new in edits.items():
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text)


def line_of(path: Path, text: str) -> int:
    return path.read_text().splitlines().index(text) + 1


def test_it_passes_on_what_was_just_written(repository: Path) -> None:
    result = checked(repository)

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "1 model is as adaptergen writes them\n"


def test_it_names_all_that_is_broken(repository: Path, tmp_path: Path) -> None:
    broken = copied(repository, tmp_path / "broken")
    modeling = broken / f"generated/models/{NAME}/modeling_{NAME}.py"
    edit(modeling, {f"{HEAD}(ModelWithHeadsAdaptersMixin, ": f"{HEAD}("})
    edit(broken / "generated/models/__init__.py", {f'    "{NAME}": "GPTNeoAdapterModel",\n': ""})
    edit(broken / "adapter_docs/model_overview.md", {"| [GPT Neo]": "| [Neo]"})
    (broken / f"tests_adapters/models/test_{NAME}.py").unlink()
    (broken / f"adapter_docs/classes/models/{NAME}.rst").unlink()
    result = checked(broken)

    assert (result.returncode, result.stdout) == (1, "")
    places = [
        ("adapter_docs/classes/models/gpt_neo.rst", "missing", "the documentation page is missing"),
        ("adapter_docs/model_overview.md:LINE", "stale-region", STALE),
        ("generated/models/__init__.py:LINE", "stale-region", STALE),
        ("generated/models/gpt_neo/modeling_gpt_neo.py:LINE", "edited", EDITED),
        ("tests_adapters/models/test_gpt_neo.py", "missing", "the test module is missing"),
    ]
    said = [f"{at}: error[{code}]: {message}; fix: adaptergen update --all\n" for at, code, message in places]
    assert re.sub(r":\d+: ", ":LINE: ", result.stderr) == "".join([*said, "5 problems\n"])
    line = next(i for i, text in enumerate(modeling.read_text().splitlines(), 1) if HEAD in text)
    assert f"generated/models/gpt_neo/modeling_gpt_neo.py:{line}: " in result.stderr


def test_it_finds_a_changed_upstream_file(repository: Path, tmp_path: Path) -> None:
    broken = copied(repository, tmp_path / "broken")
    edit(broken / f"generated/models/{NAME}/plan.toml", {'sha256 = "': 'sha256 = "0'})
    result = checked(broken)

    assert result.returncode == 1
    assert re.fullmatch(
        r"generated/models/gpt_neo/plan\.toml: error\[upstream-changed\]: "
        r"transformers\.models\.gpt_neo\.modeling_gpt_neo of transformers \S+ "
        r"is not the file that the plan was made for \(transformers \S+\); fix: adaptergen update gpt_neo\n",
        result.stderr,
    )


def test_its_list_has_every_plan_and_nothing_else(repository: Path, tmp_path: Path) -> None:
    """A model that is not listed is found by the region, one that is listed in vain by its missing plan."""
    broken = copied(repository, tmp_path / "broken")
    script = broken / "utils/check_adapters.py"
    line = line_of(script, f'    "{NAME}",')
    edit(script, {f'    "{NAME}",\n': "", "CHECKED_MODELS = (\n": 'CHECKED_MODELS = (\n    "lost",\n'})
    result = checked(broken)

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "generated/models/lost/plan.toml: error[no-plan]: there is no model 'lost' in this project; fix: "
        "adaptergen add-model lost\n"
        f"utils/check_adapters.py:{line + 1}: error[stale-region]: {STALE}; fix: adaptergen update --all\n"
        "2 problems\n"
    )
