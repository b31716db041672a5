"""Does an interrupted comparison keep the runs that have ended, and is nothing of another setting taken for them?"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests_adapters.examples.scripts import module, needs_extra, tiny


pytestmark = needs_extra

FEW = ("--max-steps", "2", "--limit", "64")
ALL = [(method, task) for method in ("full fine-tuning", "(IA)³") for task in ("mood", "topic")]


@pytest.fixture
def compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[tuple[str, str]]]:
    """Compare two methods, and say what would have been trained: all that was not kept."""
    compare, comparison = module("compare"), module("common.comparison")
    monkeypatch.setattr(compare, "METHODS", [each for each in compare.METHODS if each.name in dict(ALL)])

    def run(*arguments: str, most: int = len(ALL)) -> list[tuple[str, str]]:
        begun: list[tuple[str, str]] = []

        def untrained(options: Any, attempt: Any, key: Any) -> Any:
            if len(begun) == most:
                raise KeyboardInterrupt
            begun.append((key.method, key.task))
            rate = compare.arguments_of(options, attempt).learning_rate
            return comparison.Run(*key, attempt.setting.trained, rate, 0.5 + len(begun) / 100, 1, 10, 2.0, 3)

        monkeypatch.setattr(compare, "one_run", untrained)
        tiny("compare", tmp_path, *FEW, *arguments)
        return begun

    return run


def runs(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "comparison.json").read_text(encoding="utf-8"))


def test_goes_on_where_it_was_interrupted(
    compared: Callable[..., list[tuple[str, str]]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        compared(most=3)
    assert ended.value.code == 130
    assert capsys.readouterr().err.endswith("stopped; runs that had ended are kept, for --resume\n")
    first = runs(tmp_path)
    assert [(each["method"], each["task"]) for each in first] == ALL[:3]
    assert not (tmp_path / "comparison.md").exists()

    assert compared("--resume") == ALL[3:]
    assert runs(tmp_path)[:3] == first
    assert "(IA)³, mood, seed 0: " in (said := capsys.readouterr().out)
    assert said.count("(kept)") == 3
    assert (tmp_path / "comparison.md").read_text().count("\n") == 2 + len(dict(ALL))

    assert compared("--resume", "--learning-rate", "0.5") == ALL  # the later argument counts: nothing was trained so
    assert {each["learning_rate"] for each in runs(tmp_path)} == {0.5}


def test_more_seeds_train_only_these(compared: Callable[..., list[tuple[str, str]]], tmp_path: Path) -> None:
    assert compared() == ALL
    assert compared() == ALL  # kept is nothing without being asked
    first = runs(tmp_path)

    with pytest.raises(SystemExit):  # the runs that were there outlive an interruption, those that come later, too
        compared("--resume", "--seeds", "2", most=1)
    assert [run for run in runs(tmp_path) if run["seed"] == 0] == first
    assert [run["task"] for run in runs(tmp_path) if run["seed"] == 1] == ["mood"]


def test_what_is_in_the_file_is_no_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept_runs, errors = module("common.kept_runs"), module("common.errors")
    assert kept_runs.kept(tmp_path / "comparison.json") == []
    for text in ("[{", '[{"method": "LoRA"}]', "[1]", "1"):
        (tmp_path / "comparison.json").write_text(text)
        with pytest.raises(errors.ExampleError, match=r"start anew without --resume"):
            kept_runs.kept(tmp_path / "comparison.json")


def test_a_file_is_whole_at_any_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted in the last moment, when everything is written, it is the one of before."""
    kept_runs, comparison = module("common.kept_runs"), module("common.comparison")
    run = comparison.Run("LoRA", "mood", 0, "0", "lora", 0.1, 0.9, 1, 2, 3.0, 4)
    kept_runs.keep(tmp_path / "comparison.json", [run])

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("os.replace", stop)
        with pytest.raises(KeyboardInterrupt):
            kept_runs.keep(tmp_path / "comparison.json", [run, run])
    assert kept_runs.kept(tmp_path / "comparison.json") == [run]
    kept_runs.keep(tmp_path / "comparison.json", [run, run])
    assert [path.name for path in tmp_path.iterdir()] == ["comparison.json"]
