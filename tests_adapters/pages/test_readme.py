"""The example of the README runs as it stands, and learns."""

import re
from pathlib import Path

import pytest
import torch


README = Path(__file__).parents[2] / "README.md"


def test_training_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)

    exec(compile(example, str(README), "exec"), {})

    assert sorted(path.name for path in Path("adapters/mood").iterdir()) == [
        "adapter.safetensors",
        "adapter_config.json",
        "head_config.json",
        "model_head.safetensors",
    ]
    shown = capsys.readouterr().out
    assert "mood" in shown
    assert float(shown.split()[-1]) < 0.1  # from ln 2 = 0.69
