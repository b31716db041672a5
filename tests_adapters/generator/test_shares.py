"""Do shares of machines and processes come to what one of them does alone, and does an interrupt leave nothing?"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from adaptergen.shares import Share
from tests_adapters.generator.projects import done, run
from tests_adapters.generator.trees import fingerprint


@pytest.mark.parametrize("count", [1, 2, 3, 7, 12])
def test_shares_are_disjoint_and_together_whole(count: int) -> None:
    names = [f"model_{number:02}" for number in range(10)]
    shares = [Share(number, count).of(names) for number in range(1, count + 1)]

    assert sorted(name for share in shares for name in share) == names
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("value", ["0/2", "3/2", "1", "1/0", "a/b", "-1/2", "1/2/3", "½/2", "1 / 2"])
@pytest.mark.parametrize("command", ["survey", "update"])
def test_what_is_no_share(project: Path, command: str, value: str) -> None:
    result = run(project, command, f"--shard={value}")

    assert result.exit_code == 2
    assert f"Invalid value for '--shard': '{value}' is no share" in result.stderr
    assert "1/3, 2/3 and 3/3" in result.stderr


def surveyed(project: Path, folder: Path, count: int) -> list[str]:
    """The arguments that merge the shares of this many machines."""
    files = [folder / f"{number}.json" for number in range(1, count + 1)]
    for number, file in enumerate(files, start=1):
        done(project, "survey", "--shard", f"{number}/{count}", "--json", str(file))
    return [argument for file in files for argument in ("--merge", str(file))]


@pytest.mark.parametrize("count", [2, 3])
def test_merged_shares_are_the_whole_survey(project: Path, tmp_path: Path, count: int) -> None:
    """Also where there are more machines than architectures, and in any order."""
    merge = surveyed(project, tmp_path, count)
    whole = done(project, "survey", "--json", "-")

    assert done(project, "survey", *merge, "--json", "-") == whole
    assert done(project, "survey", *merge[2:], *merge[:2], "--json", "-") == whole
    assert done(project, "survey", *merge) == done(project, "survey")
    assert list(json.loads((tmp_path / "1.json").read_text())["architectures"]) == ["case"]


def test_what_merged_shares_write(one: Path, tmp_path: Path) -> None:
    merge = surveyed(one, tmp_path, 2)
    done(one, "survey", "--write")
    before = fingerprint(one)
    (one / "adapter_docs/coverage.json").unlink()
    done(one, "survey", *merge, "--write")

    assert fingerprint(one) == before


def test_a_share_that_is_missing(project: Path, tmp_path: Path) -> None:
    first = surveyed(project, tmp_path, 2)[:2]
    result = run(project, "survey", *first, "--json", str(tmp_path / "whole.json"))

    assert (result.exit_code, result.stdout) == (1, "")
    assert "error[not-whole]: none of the files has my_case" in result.stderr
    assert "--merge" in result.stderr
    assert not (tmp_path / "whole.json").exists()


def test_files_that_do_not_fit(project: Path, tmp_path: Path) -> None:
    merge = surveyed(project, tmp_path, 1)
    other = json.loads((tmp_path / "1.json").read_text())
    other["architectures"]["case"]["methods"]["lora"]["because"] = "another day"
    (tmp_path / "contradiction.json").write_text(json.dumps(other))
    (tmp_path / "release.json").write_text(json.dumps({**other, "transformers": "5.4.0"}))
    (tmp_path / "text.json").write_text("[]")
    told = {
        "contradiction": f"{tmp_path}/contradiction.json: error[contradiction]: says something else of case",
        "release": f"{tmp_path}/release.json: error[other-release]: is of transformers 5.4.0, not 5.23.0",
        "text": f"{tmp_path}/text.json: error[not-a-survey]",
    }
    for name, message in told.items():
        result = run(project, "survey", *merge, "--merge", str(tmp_path / f"{name}.json"))
        assert (result.exit_code, result.stdout) == (1, "")
        assert message in result.stderr


@pytest.mark.parametrize("more", [["case"], ["--shard", "1/2"], ["--verify"], ["--check"]])
def test_merging_looks_at_nothing(project: Path, tmp_path: Path, more: list[str]) -> None:
    result = run(project, "survey", *surveyed(project, tmp_path, 1), *more)

    assert result.exit_code == 2
    assert "--merge looks at nothing" in result.stderr


def test_updates_in_shares_and_processes(two: Path, tmp_path: Path) -> None:
    """One after the other, in one process and in two, they write the same tree; each reports of its own."""
    plans = [two / f"generated/models/{name}/plan.toml" for name in ("case", "my_case")]
    for plan in plans:
        text = plan.read_text()
        assert 'slot = "output_adapters"' in text
        plan.write_text(text.replace('slot = "output_adapters"', 'slot = "my_adapters"'))
    copies = [tmp_path / name for name in ("alone", "processes", "machines")]
    for copy in copies:
        shutil.copytree(two, copy)
    alone, processes, machines = copies

    whole = done(alone, "update", "--all", "--no-verify", "--jobs", "1")
    assert done(processes, "update", "--all", "--no-verify", "--jobs", "2") == whole
    shares = [done(machines, "update", "--all", "--no-verify", "--shard", f"{number}/2") for number in (1, 2)]

    assert [[name for name in ("replanned: case", "replanned: my_case") if name in told] for told in shares] == [
        ["replanned: case"],
        ["replanned: my_case"],
    ]
    assert fingerprint(processes) == fingerprint(machines) == fingerprint(alone) != fingerprint(two)


INTERRUPTED = """\
import os, signal, sys
from adaptergen.cli import main
from adaptergen.surveying import workers

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is started without
shared_out = workers.shared_out

def interrupted(work, items, jobs):
    for number, done in enumerate(shared_out(work, items, jobs)):
        yield done
        os.killpg(0, signal.SIGINT)  # as a terminal does: to this process and all that it started

workers.shared_out = interrupted
main(["-C", *sys.argv[1:]], prog_name="adaptergen")
"""


@pytest.mark.parametrize("earlier", [False, True])
def test_ctrl_c_in_a_share(project: Path, site: Path, tmp_path: Path, earlier: bool) -> None:
    file = tmp_path / "out" / "1.json"
    file.parent.mkdir()
    if earlier:
        done(project, "survey", "my_case", "--json", str(file))
    before = fingerprint(tmp_path / "out")
    command = ["survey", "--shard", "1/1", "--jobs", "2", "--json", str(file)]
    process = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(project), *command],
        env={"PYTHONPATH": str(site)}, capture_output=True, text=True, start_new_session=True, check=False,
    )  # fmt: skip

    assert (process.returncode, process.stdout, process.stderr) == (1, "", "\nAborted!\n")
    assert fingerprint(tmp_path / "out") == before


def test_ctrl_c_while_the_file_is_written(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "out" / "1.json"
    file.parent.mkdir()
    done(project, "survey", "my_case", "--json", str(file))
    before = fingerprint(file.parent)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    result = run(project, "survey", "--json", str(file))

    assert (result.exit_code, result.stderr) == (1, "\nAborted!\n")
    assert fingerprint(file.parent) == before
