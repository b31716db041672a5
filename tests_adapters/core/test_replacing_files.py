"""What is saved takes the place of what was there, all of it or nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from generated.core.errors import AdapterFileError
from generated.core.loading import folder
from generated.core.loading.replacing import NewFiles, part, replacing, saved_together
from tests_adapters.core.killed_saves import empty, model_of


def texts(at: Path) -> dict[str, bytes]:
    return {path.relative_to(at).as_posix(): path.read_bytes() for path in sorted(at.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("written", [0, 1, 3])
def test_an_error_leaves_what_was_there(written: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the adapter whose turn it is, and of those before it."""
    model_of(0.1, 2).save_all_adapters(tmp_path)
    before, left, write = texts(tmp_path), [written], folder.save_file

    def full(tensors: object, path: Path, **options: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        write(tensors, path, **options)

    monkeypatch.setattr(folder, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        model_of(0.2, 4).save_all_adapters(tmp_path)

    assert texts(tmp_path) == before


def test_nothing_but_new_weights_is_replaced_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no moment without a description, if it stays what it is; of another one there is."""
    described, exchange = [], os.replace

    def watched(source: Path, target: Path) -> None:
        described.append((target.name, (tmp_path / "adapter_config.json").is_file()))
        exchange(source, target)

    model_of(0.1, 2).save_adapter(tmp_path, "x", with_head=False)
    monkeypatch.setattr(os, "replace", watched)
    model_of(0.2, 2).save_adapter(tmp_path, "x", with_head=False)
    model_of(0.2, 4).save_adapter(tmp_path, "x", with_head=False)

    replaced = ["adapter.safetensors", "adapter_config.json"]
    assert described == [*((name, True) for name in replaced), *((name, False) for name in replaced)]


def test_a_folder_without_a_description_is_not_passed_over(tmp_path: Path) -> None:
    model_of(0.1, 2).save_all_adapters(tmp_path)
    (tmp_path / "q" / "adapter_config.json").unlink()

    with pytest.raises(AdapterFileError, match=r"q.adapter_config\.json does not exist"):
        empty().load_all_adapters(tmp_path)


def test_heads_of_all_adapters_are_pickles_if_adapters_are(tmp_path: Path) -> None:
    model_of(0.1, 2).save_all_adapters(tmp_path, use_safetensors=False)

    assert (tmp_path / "x" / "pytorch_model_head.bin").is_file()
    assert not list(tmp_path.rglob("*.safetensors"))


def test_what_must_be_there_at_once_waits_for_nothing(tmp_path: Path) -> None:
    """Where a model is sharded, other processes go on when the first one has written."""
    first, second = tmp_path / "first", tmp_path / "second"
    with saved_together():
        for path, at_once in ((first, True), (second, False)):
            with replacing(NewFiles(weights=path), at_once=at_once):
                part(path).write_text("x")
        assert (first.is_file(), second.is_file()) == (True, False)

    assert second.is_file()


def test_what_is_saved_twice_is_what_was_saved_last(tmp_path: Path) -> None:
    model = model_of(0.1, 2)
    with saved_together():
        model.save_adapter(tmp_path, "x")
        model.save_adapter(tmp_path, "x", use_safetensors=False)

    assert sorted(texts(tmp_path)) == [
        "adapter_config.json",
        "head_config.json",
        "pytorch_adapter.bin",
        "pytorch_model_head.bin",
    ]


def test_what_is_there_is_not_replaced(tmp_path: Path) -> None:
    """A head that is as it was does not make a folder go without a description."""
    model = model_of(0.1, 2)
    model.save_adapter(tmp_path, "x")
    before = {path: path.stat().st_ino for path in tmp_path.iterdir()}
    model.save_adapter(tmp_path, "x")

    assert {path: path.stat().st_ino for path in tmp_path.iterdir()} == before


def test_what_a_killed_process_has_left_goes_in_the_end(tmp_path: Path) -> None:
    """Not at once: another one may be writing it."""
    old, new = (tmp_path / f"adapter.safetensors.{number}-1.part" for number in (1, 2))
    for path in (old, new):
        path.write_text("half")
    os.utime(old, (0, 0))
    model_of(0.1, 2).save_adapter(tmp_path, "x")

    assert (old.exists(), new.exists()) == (False, True)
