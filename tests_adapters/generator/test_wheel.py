"""Is what people install whole? The wheel, built from the source distribution, seen from where this folder is not."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from generated.core.version import VERSION
from tests_adapters.core.test_package import USES_AN_ADAPTER, WITHOUT_THE_TOOL
from tests_adapters.generator.test_new_project import TRAIN


pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TEMPLATES = {path.relative_to(ROOT / "templates").as_posix() for path in (ROOT / "templates").rglob("*.jinja")}
LICENCES = ("LICENSE", "NOTICE")
USER = """\
from transformers import BertConfig, BertModel

import generated
from generated import AutoAdapterModel, LoRAConfig, Stack

model = generated.init(BertModel(BertConfig()))
model.add_adapter("task", config=LoRAConfig(r=4))
model.train_adapter(Stack("task"))
reveal_type(model.adapter_summary())
reveal_type(AutoAdapterModel.from_config(BertConfig()).add_classification_head("task", num_labels=2))
model.train_adapter(3)
LoRAConfig(r="four")
"""
SEEN = [
    'user.py:9: note: Revealed type is "str | list[dict[str, Any]]"',
    'user.py:10: note: Revealed type is "None"',
    'user.py:11: error: Argument 1 to "train_adapter" of "ModelAdaptersMixin" has incompatible type "int"',
    'user.py:12: error: Argument "r" to "LoRAConfig" has incompatible type "str"; expected "int"',
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both distributions."""
    folder = tmp_path_factory.mktemp("built")
    ran(folder, [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)])
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, over what is installed here. Files that lead to this folder do not act there."""
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, with_pip=False)
    wheel = next(built.glob("*.whl"))
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin/python"), "--disable-pip-version-check"]
    ran(environment, [*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)])
    layers = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (packages_of(environment) / "layers.pth").write_text("\n".join(layers))
    return environment


def packages_of(environment: Path) -> Path:
    return Path(sysconfig.get_path("purelib", "venv", vars={"base": str(environment)}))


def ran(folder: Path, command: Iterable[str], **variables: str) -> str:
    """What a command prints that ends well, in a folder that is no checkout, with nothing told of this one."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "OMP_NUM_THREADS": "1", **variables}
    done = subprocess.run([*command], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_is_in_the_wheel(built: Path) -> None:
    names = set(zipfile.ZipFile(next(built.glob("*.whl"))).namelist())
    assert {f"adaptergen/_templates/{path}" for path in TEMPLATES} <= names
    assert {"adaptergen/py.typed", "generated/py.typed"} <= names
    assert {f"adaptergen-{VERSION}.dist-info/licenses/{name}" for name in LICENCES} <= names
    assert {name.partition("/")[0] for name in names} == {"adaptergen", "generated", f"adaptergen-{VERSION}.dist-info"}


def test_what_is_in_the_source_distribution(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"templates/{path}" for path in TEMPLATES} <= names
    assert {*LICENCES, "pyproject.toml", "tests_adapters/core/model_suite.py"} <= names
    assert not [name for name in names if name.startswith((".venv", ".git/"))]


def test_it_is_what_is_imported(installed: Path, tmp_path: Path) -> None:
    code = "import adaptergen, generated; print(adaptergen.__file__, generated.__file__, generated.__version__)"
    *files, version = ran(tmp_path, [str(installed / "bin/python"), "-c", code]).split()
    assert {Path(file).parent.parent for file in files} == {packages_of(installed)}
    assert version == VERSION
    assert ran(tmp_path, [str(installed / "bin/adaptergen"), "--version"]).split()[-1] == VERSION


def test_a_project_of_ones_own(installed: Path, tmp_path: Path) -> None:
    """It is made, gets a model, holds, and its adapters learn."""
    adaptergen, project = str(installed / "bin/adaptergen"), tmp_path / "project"
    ran(tmp_path, [adaptergen, "init", "project", "--package", "acme.adapters"])
    written = ran(project, [adaptergen, "add-model", "gpt_neo", "--no-verify"])
    assert "create  acme/adapters/models/gpt_neo/modeling_gpt_neo.py" in written
    assert ran(project, [adaptergen, "check"]) == "1 model is as adaptergen writes them\n"
    assert "Apache License" in (project / "acme/adapters/LICENSE").read_text()
    ran(project, [str(installed / "bin/python"), "-c", TRAIN, "adapter"], PYTHONPATH=str(project))


def test_the_runtime_alone(installed: Path, tmp_path: Path) -> None:
    ran(tmp_path, [str(installed / "bin/python"), "-c", WITHOUT_THE_TOOL + USES_AN_ADAPTER])


def test_type_checkers_see_types(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(USER)
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(installed / "bin/python")]
    done = subprocess.run([*command, "user.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    *told, total = done.stdout.splitlines()
    assert [line[: len(seen)] for line, seen in zip(told, SEEN, strict=True)] == SEEN
    assert total.startswith("Found 2 errors in 1 file")
