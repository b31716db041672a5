"""Another transformers than those that are supported: what is wrong is said once, and nothing is touched."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adaptergen import provider, supported
from adaptergen.upstream import REQUIREMENT
from tests_adapters.generator.projects import done, run, two_models
from tests_adapters.generator.trees import fingerprint, write_all


ROOT = Path(__file__).parents[2]
TOO_NEW = ("5.24.0", "5.24.0.dev0", "6.0.0")
IN_RANGE = ("5.4.0", "5.5.4", "5.23.0", "5.23.2", "5.23.0.dev0")
NEED_UPSTREAM = (
    ["add-model", "my_case", "--no-verify"],
    ["plan", "case"],
    ["diff", "case"],
    ["diff", "case", "--upstream"],
    ["update", "case", "--no-verify"],
    ["update", "--all"],
    ["check"],
    ["verify", "case"],
    ["list", "--available"],
    ["survey", "case"],
)


def installed(site: Path, version: str) -> None:
    write_all(site / "transformers", {"__init__.py": f'__version__ = "{version}"\n' if version else ""})


@pytest.mark.parametrize("arguments", NEED_UPSTREAM, ids=" ".join)
@pytest.mark.parametrize("version", ["4.57.6", "5.3.0", ""])
def test_an_older_one_is_refused(one: Path, site: Path, version: str, arguments: list[str]) -> None:
    installed(site, version)
    before = fingerprint(one)
    result = run(one, *arguments)

    assert (result.exit_code, result.stdout) == (1, "")
    assert re.fullmatch(
        rf"error\[unsupported-transformers\]: transformers {re.escape(version or 'unknown')} \(.*\) is not supported, "
        rf"5\.4 to 5\.23 are(\n  |; )fix: pip install '{re.escape(REQUIREMENT)}'\n",
        result.stderr,
    )
    assert fingerprint(one) == before


@pytest.mark.parametrize("version", TOO_NEW)
def test_a_newer_one_is_followed_first(one: Path, site: Path, version: str) -> None:
    """Nothing is added for it, and everything is brought up to date with it."""
    installed(site, version)
    before = fingerprint(one)
    refused = run(one, "add-model", "my_case", "--no-verify")

    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "is newer than all that are supported, 5.4 to 5.23\n  fix: `adaptergen update --all`" in refused.stderr
    assert fingerprint(one) == before

    followed = run(one, "update", "--all", "--no-verify")
    assert followed.exit_code == 0
    assert followed.stderr.startswith(f"warning: transformers {version} (")
    for arguments in (["plan", "case"], ["check"], ["list", "--available"], ["diff", "case"]):
        assert run(one, *arguments).exit_code == 0


@pytest.mark.parametrize("version", IN_RANGE)
def test_those_that_are_supported(one: Path, site: Path, version: str) -> None:
    installed(site, version)
    done(one, "add-model", "my_case", "--no-verify")


def test_another_tree_is_held_to_the_same(one: Path, tmp_path: Path) -> None:
    tree = two_models(tmp_path / "other").root
    installed(tree.parent, "5.3.0")
    before = fingerprint(one)
    result = run(one, "update", "--all", "--source-tree", str(tree))

    assert (result.exit_code, result.stdout) == (1, "")
    assert str(tree) in result.stderr
    assert fingerprint(one) == before


@pytest.mark.parametrize("version", ["4.57.6", "6.0.0"])
def test_a_project_is_read_and_models_go_whatever_is_installed(one: Path, site: Path, version: str) -> None:
    installed(site, version)

    assert done(one, "list").startswith("case ")
    done(one, "remove-model", "case")
    assert done(one, "list") == ""


def test_nothing_is_generated_in_memory_for_an_older_one(site: Path) -> None:
    installed(site, "5.3.0")
    file = site / "transformers/models/case/modeling_case.py"

    with pytest.raises(ValueError, match=r"transformers 5\.3\.0 .* is not supported"):
        provider.provide("transformers.models.case.modeling_case", str(file))


def test_everything_says_the_same_range() -> None:
    oldest, newest = supported.OLDEST, supported.NEWEST
    requirement = f"transformers>={oldest[0]}.{oldest[1]},<{newest[0]}.{newest[1] + 1}"

    assert requirement == REQUIREMENT
    assert f'"{requirement}"' in (ROOT / "pyproject.toml").read_text()
    runtime = (ROOT / "generated/core/releases.py").read_text()
    assert f'Version("{oldest[0]}.{oldest[1]}"), Version("{newest[0]}.{newest[1] + 1}")' in runtime
