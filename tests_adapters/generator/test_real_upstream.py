"""Does what holds for made-up files hold for transformers' own: reversible, repeatable, nothing else touched?"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from adaptergen.naming import with_adapters
from adaptergen.pipeline import Integration
from adaptergen.plan_file import dump, load
from adaptergen.rendering import Templates
from adaptergen.settings import Settings
from adaptergen.transforms.undo import undone
from adaptergen.upstream_diff import upstream_diff
from tests_adapters.generator.real import NAMES, integration, upstream
from tests_adapters.generator.reversing import edited_file, methods


ROOT = Path(__file__).parents[2]
REPEATED = ("gpt2", "t5", "bart")


@pytest.fixture(scope="module", params=NAMES)
def made(request: pytest.FixtureRequest) -> Integration:
    """One integration after the other: tests of the same model follow each other."""
    return integration(request.param)


def test_plan_survives_being_written(made: Integration) -> None:
    assert load(dump(made.plan), "plan.toml") == made.plan


def test_undoing_the_edits_gives_upstream_back(made: Integration) -> None:
    path = upstream().root.parent / f"{made.plan.source.module.replace('.', '/')}.py"
    edited = edited_file(made)

    assert edited != made.source.lines
    assert undone(edited, 1, made.borrowed.edits) == made.source.lines
    assert "".join(f"{line}\n" for line in made.source.lines).encode() == path.read_bytes()


def test_copied_methods_are_upstreams_lines(made: Integration) -> None:
    """The emitted classes, read by Python's own parser, with the edits taken back."""
    theirs = methods(made.source.text)
    ours = methods(made.borrowed.code)
    originals = {with_adapters(cls): cls for cls in made.plan.copied_classes}

    assert {cls for cls, _ in ours} == set(originals)
    for (cls, method), (_, lines) in ours.items():
        start, expected = theirs[originals[cls], method]
        edits = [e for e in made.borrowed.edits if (e.cls, e.method) == (originals[cls], method)]
        assert undone(lines, start, edits) == expected


def test_edited_files_are_python(made: Integration) -> None:
    ast.parse("\n".join(edited_file(made)))
    ast.parse(made.borrowed.code)


def test_diff_touches_only_what_the_plan_names(made: Integration) -> None:
    plan = made.plan
    named = {
        line.strip()
        for text in (
            *(text for hook in plan.residuals for text in (hook.statement, hook.norm_statement)),
            *(hook.statement for hook in plan.prefixes if hook.bias),
            *(length.statement for hook in plan.prefixes for length in hook.lengths),
        )
        for line in text.splitlines()
    }
    diff = upstream_diff(made.source, made.borrowed.edits).splitlines()[2:]
    removed = {line[1:].strip() for line in diff if line.startswith("-")}
    added = "".join(line[1:].strip() for line in diff if line.startswith("+"))

    assert {line for line in removed if not line.startswith("@") and "super()" not in line} <= named
    assert added.count("adapter_layer_forward(") == len(plan.residuals)
    assert added.count("self.prefix_tuning(") == len(plan.prefixes)


def test_every_run_gives_the_same_bytes() -> None:
    """Also in another process, where sets have another order."""
    here = digests()
    code = f"import json, {__name__} as m; print(json.dumps(m.digests()))"
    environment = {**os.environ, "PYTHONHASHSEED": "4321", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == here


def digests() -> dict[str, str]:
    """Path → digest of every file that is rendered for some of the models."""
    templates = Templates(ROOT / "templates", Settings())
    texts = {}
    for name in REPEATED:
        made = integration(name)
        texts |= templates.render(made.plan, made.borrowed, made.source.text)
        texts[f"{name}/plan.toml"] = dump(made.plan)
        texts[f"{name}/upstream.diff"] = upstream_diff(made.source, made.borrowed.edits)
    return {path: hashlib.sha256(text.encode()).hexdigest() for path, text in texts.items()}
