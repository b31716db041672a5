"""A modeling file that is written otherwise and means the same: do its adapters keep their promises?"""

from __future__ import annotations

import importlib
import random
import sys
from pathlib import Path

import pytest

from adaptergen import provider
from adaptergen.plan_file import load
from adaptergen.verify.proof import outcomes_of
from generated.core import providers
from tests_adapters.core.test_remote_code import CODE
from tests_adapters.generator.hostile.harmless import rewritten


CHANGES = 25


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "seed"), [("alibi", 1), ("fused_encoder", 2), ("packed", 3)])
def test_every_method_keeps_its_promises(
    architecture: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One form of each method on the base model, of a file with some tens of changes that mean nothing."""
    package = f"rewritten_{architecture}"
    folder = tmp_path / package
    folder.mkdir()
    for file in (CODE / architecture).glob("*.py"):
        text = file.read_text()
        if file.name.startswith("modeling_"):
            text = many_times_rewritten(text, random.Random(seed))
        (folder / file.name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    module = f"{package}.modeling_{architecture}"
    importlib.import_module(module)
    provided = provider.provide(module, str(sys.modules[module].__file__))
    providers.add_package(provided)
    plan = load((provided / "plan.toml").read_text(), "plan.toml")

    outcomes = list(outcomes_of(plan, "generated"))

    assert [outcome for outcome in outcomes if outcome.failure] == []
    assert {outcome.method for outcome in outcomes} == {"", *plan.methods}


def many_times_rewritten(text: str, draw: random.Random) -> str:
    for _ in range(CHANGES):
        text, _ = rewritten(text, draw)
    return text
