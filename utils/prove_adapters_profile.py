"""Are integrations for the library `adapters` right? Write some, and run them with the library itself.

    python utils/prove_adapters_profile.py --python .venv-adapters/bin/python
    python utils/prove_adapters_profile.py --python .venv-adapters/bin/python --write     and the table in the docs

The package that is installed there is copied, `adaptergen add-model --profile adapters` writes GPT Neo, OPT, GPT-NeoX
and a few of other structures into the copy, and `utils/adapters_profile_checks.py` runs them in that environment, with
the copy in front.
`make test-profile` makes the environment first.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from pages import table, with_text


ROOT = Path(__file__).parents[1]
CHECKS = ROOT / "utils" / "adapters_profile_checks.py"
PAGE = ROOT / "adapter_docs" / "adapters_profile.md"
MODELS = ("gpt_neo", "opt", "gpt_neox", "gemma", "esm", "ernie")
WRONG = 2  # how the checks end that found something; 1 is a traceback
PRESENT = "gpt2"  # what the library has, and must not be overwritten
WHERE = "import importlib.util as u; print(*(u.find_spec(n).submodule_search_locations[0] for n in {names!r}))"
COLUMNS = {  # of the table: title → what the names of its checks begin with
    "Without adapters": "without adapters",
    "Loaded": ": saved and loaded",
    "Cache, no cache": "with cache and without",
    "Prefix, cache": "prefix is a cache",
    "Uneven prefixes": "prefixes of 6 and 2",
    "Fixed heads": "fixed head as flexible one",
}

Found = Mapping[str, Any]


def written(python: Path, copy: Path, models: Sequence[str]) -> None:
    """The models in a copy of the library; what is written twice is not changed, what is there is refused."""
    code = WHERE.format(names=("adapters", "transformers"))
    library, tree = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    shutil.copytree(library, copy / "adapters", ignore=shutil.ignore_patterns("__pycache__"))

    def add(*names: str) -> subprocess.CompletedProcess[str]:
        target = ["--profile", "adapters", "--into", str(copy), "--source-tree", tree]
        command = [sys.executable, "-m", "adaptergen", "add-model", *names, *target]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    first, again, refused = add(*models), add(*models), add(PRESENT)
    click.echo(first.stdout + first.stderr, nl=False)
    if first.returncode or again.stdout != "nothing to change\n" or "error[present]" not in refused.stderr:
        raise click.ClickException(f"not written as it should be:\n{again.stdout}{again.stderr}{refused.stderr}")


def checked(python: Path, copy: Path, models: Sequence[str]) -> list[Found]:
    """What the checks found, told as they go."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore"}
    command = [str(python), str(CHECKS), *models]
    found: list[Found] = []
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as running:
        for line in running.stdout or ():
            found.append(json.loads(line))
            if not found[-1]["is_right"]:
                click.echo(f"WRONG {found[-1]['model']}, {found[-1]['attention']}: {described(found[-1])}")
    if running.returncode not in (0, WRONG):
        raise click.ClickException("the checks ended early, see above")
    return found


def described(found: Found) -> str:
    return f"{found['check']}: {found['value']}"


def told_in_table(found: Iterable[Found]) -> str:
    """A row for each model and attention: how many checks, and the largest difference in each kind of them."""
    rows: dict[tuple[str, str], list[Found]] = {}
    for each in found:
        rows.setdefault((each["model"], each["attention"]), []).append(each)
    head = ["Model", "Attention", "Checks", *COLUMNS]
    lines = [
        [model, attention, f"{_right(own)} of {len(own)}", *(_worst(own, part) for part in COLUMNS.values())]
        for (model, attention), own in rows.items()
    ]
    alignment = ["---", "---", *["--:"] * (len(COLUMNS) + 1)]
    return f"\n{table(head, lines, alignment)}\n"


def _right(found: Iterable[Found]) -> int:
    return sum(each["is_right"] for each in found)


def _worst(found: Iterable[Found], part: str) -> str:
    values = [each["value"] for each in found if part in each["check"]]
    return f"{max(values):.1e}".replace("0.0e+00", "0") if values else "–"


@click.command()
@click.option("--python", type=click.Path(exists=True, path_type=Path), required=True, help="Of the environment.")
@click.option("--write", is_flag=True, help=f"Write the table into {PAGE.relative_to(ROOT)}.")
@click.argument("models", nargs=-1)
def main(python: Path, write: bool, models: tuple[str, ...]) -> None:
    """Prove MODELS, by default those of the table."""
    models = models or MODELS
    with TemporaryDirectory(prefix="adapters-profile-") as folder:
        written(python, Path(folder), models)
        found = checked(python, Path(folder), models)
    wrong, told = len(found) - _right(found), told_in_table(found)
    click.echo(f"{told}{len(found)} checks, {wrong or 'none'} failed")
    if write:
        PAGE.write_text(with_text(PAGE.read_text(), "table", told))
    if wrong:
        sys.exit(1)


if __name__ == "__main__":
    main()
