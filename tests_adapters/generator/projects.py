"""What tests of the commands work on: a project, and a transformers of two models that Python finds first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from adaptergen.cli import main
from adaptergen.upstream import Upstream
from tests_adapters.generator.case import CASES
from tests_adapters.generator.trees import made_up_transformers, write_all


TWO_MAPPINGS = """\
CONFIG_MAPPING_NAMES = {"case": "CaseConfig", "my-case": "MyCaseConfig"}
MODEL_MAPPING_NAMES = {"case": "CaseModel", "my-case": "MyCaseModel"}
MODEL_FOR_CAUSAL_LM_MAPPING_NAMES = {"case": "CaseForCausalLM", "my-case": "MyCaseForCausalLM"}
"""


def two_models(folder: Path) -> Upstream:
    """A transformers with `case`, and with `my_case`, whose model type has a hyphen, as in `xlm-roberta`."""
    texts = {path.name: path.read_text() for path in (CASES / "pre_norm").glob("*.py")}
    upstream = made_up_transformers(folder, texts)
    write_all(upstream.root, {"models/auto/auto_mappings.py": TWO_MAPPINGS})
    write_all(upstream.root / "models" / "my_case", {_my(name): _my(text) for name, text in texts.items()})
    return upstream


def _my(text: str) -> str:
    return text.replace("Case", "MyCase").replace('"case"', '"my-case"').replace("_case", "_my_case")


def run(project: Path, *arguments: str) -> Result:
    """A command in this process; a traceback fails the test."""
    return CliRunner().invoke(main, ["-C", str(project), *arguments], catch_exceptions=False)


def done(project: Path, *arguments: str) -> str:
    """What a command printed that had nothing to complain about."""
    result = run(project, *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process of its own with nothing in its environment but what is given."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def git(project: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    subprocess.run(["git", *identity, *arguments], cwd=project, check=True, capture_output=True)
