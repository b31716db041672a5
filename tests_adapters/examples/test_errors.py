"""Is what people can mend told in words that name it, without a traceback, and with nothing written?"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests_adapters.examples.scripts import module, needs_extra


pytestmark = needs_extra


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets.config
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def refused(name: str, output: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a script says that cannot begin."""
    with pytest.raises(SystemExit) as ended:
        module(name).main(["--output", str(output), *arguments])
    assert ended.value.code == 1
    assert not (output / "report.json").exists()
    said = capsys.readouterr().err
    assert any(line.startswith("error: ") for line in said.replace("\r", "\n").splitlines()), said
    return said


def reviews(folder: Path) -> Path:
    """Few of them, as a data set."""
    kinds = module("tiny.reading").review_data("mood", 0, {"train": 8, "validation": 4})
    module("tiny.folders").write_data(folder, {"": kinds})
    return folder


@pytest.mark.slow
def test_no_such_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused("text_classification", tmp_path / "out", capsys, "--dataset", "nobody/nothing")
    assert "the data set 'nobody/nothing' could not be loaded" in said
    assert "--tiny, which needs neither" in said


def test_a_file_of_the_data_set_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = reviews(tmp_path / "data")
    (folder / "validation.parquet").unlink()
    said = refused("text_classification", tmp_path / "out", capsys, "--dataset", str(folder))
    assert f"the data set '{folder}' could not be loaded" in said
    assert "validation.parquet" in said


def test_no_such_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ("--dataset", str(reviews(tmp_path / "data")))
    said = refused("text_classification", tmp_path / "out", capsys, *data, "--model", "nobody/bert")
    assert "the tokenizer 'nobody/bert' could not be loaded" in said
    assert "check the name and the network" in said


def test_no_such_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ("--dataset", str(reviews(tmp_path / "data")))
    said = refused("text_classification", tmp_path / "out", capsys, *data, "--eval-split", "test")
    assert "has no split 'test'; it has: train, validation" in said


@pytest.mark.slow
def test_columns_of_another_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ("--dataset", str(reviews(tmp_path / "data")))
    said = refused("question_answering", tmp_path / "out", capsys, *data)
    assert "the data have no column question; they have: sentence, label" in said


def test_no_such_adapter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ("--tiny", "--max-steps", "1", "--adapter", "no_such_method")
    said = refused("text_classification", tmp_path / "out", capsys, *few)
    assert "no_such_method" in said
