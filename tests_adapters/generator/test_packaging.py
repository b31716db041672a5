"""What a distribution must say of itself: one version, types, and whose work is in it."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner

import adaptergen
from adaptergen.cli import main
from adaptergen.new_project import NewProject
from adaptergen.rendering.context import notice
from adaptergen.settings import Settings
from adaptergen.upstream import installed_transformers
from generated.core.version import VERSION


ROOT = Path(__file__).parents[2]
MODELING_FILES = sorted(ROOT.glob("generated/models/*/modeling_*.py"))


def test_the_version_is_written_in_one_place() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in pyproject["project"]
    assert pyproject["tool"]["hatch"]["version"]["path"] == "generated/core/version.py"
    assert adaptergen.__version__ == version("adaptergen") == VERSION
    assert CliRunner().invoke(main, ["--version"], prog_name="adaptergen").stdout == f"adaptergen, version {VERSION}\n"


def test_other_attributes_of_the_package_do_not_exist() -> None:
    with pytest.raises(AttributeError, match="'adaptergen' has no attribute 'nothing'"):
        _ = adaptergen.nothing


@pytest.mark.parametrize("file", MODELING_FILES, ids=lambda file: file.parent.name)
def test_borrowed_methods_keep_the_notice_of_their_file(file: Path) -> None:
    text = file.read_text()
    module = re.search(r"^The methods are those of `([\w.]+)`", text, re.MULTILINE)[1]
    upstream = installed_transformers().root.joinpath(*module.split(".")[1:]).with_suffix(".py").read_text()
    assert notice(upstream) in text
    assert ("Copyright" in upstream.partition('"""')[0]) == ("Copyright" in text.partition('"""')[0])


def test_projects_have_the_licence_of_what_is_copied_into_them() -> None:
    files = NewProject("acme", Settings("acme.adapters")).files()
    assert files["acme/adapters/LICENSE"] == (ROOT / "LICENSE").read_text()
    assert "Methods in acme/adapters/models/*/modeling_*.py are those of" in files["acme/adapters/NOTICE"]
    assert files["acme/adapters/py.typed"] == ""
