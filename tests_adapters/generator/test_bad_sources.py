"""Is a file that is no modeling file, or one that is not understood, refused with its place, and nothing written?"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests_adapters.generator.case import CASES
from tests_adapters.generator.projects import done, run
from tests_adapters.generator.trees import fingerprint


WHOLE = (CASES / "pre_norm/modeling_case.py").read_bytes()
NOT_PYTHON = "give a Python modeling file, such as modeling_<name>.py"
ODD_TEXT = "has a byte order mark, or a line break that is not a plain line feed"


def refused(project: Path, text: bytes) -> str:
    """What add-model says to a file with this text, which it must not take."""
    source = project.with_name("modeling_mine.py")
    source.write_bytes(text)
    before = fingerprint(project.parent)
    result = run(project, "add-model", "mine", "--source", str(source), "--no-verify")

    assert (result.exit_code, result.stdout) == (1, "")
    assert fingerprint(project.parent) == before
    return result.stderr.replace(str(source), "FILE")


def said(where: str, code: str, message: str, fix: str) -> str:
    return f"{where}: error[{code}]: {message}\n  fix: {fix}\n"


@pytest.mark.parametrize("source", ["nowhere/modeling_mine.py", "project", ""])
def test_no_file_is_wrong_usage(project: Path, source: str) -> None:
    before = fingerprint(project)
    result = run(project, "add-model", "mine", "--source", str(project.parent / source), "--no-verify")

    assert result.exit_code == 2
    assert "Error: Invalid value for '--source': File " in result.stderr
    assert fingerprint(project) == before


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        (b"def forward(:\n", "FILE:1", "invalid syntax"),
        (b"x = 1\n  y = 2\n", "FILE:2", "unexpected indent"),
        (b"print 'x'\n", "FILE:1", "Missing parentheses in call to 'print'. Did you mean print(...)?"),
        (b"x = " + b"(" * 5000 + b")" * 5000, "FILE:1", "too many nested parentheses"),
    ],
)
def test_not_python(project: Path, text: bytes, where: str, message: str) -> None:
    assert refused(project, text) == said(where, "not-python", f"not valid Python: {message}", NOT_PYTHON)


def test_zero_bytes_are_not_python(project: Path) -> None:
    assert "error[not-python]: not valid Python: source code " in refused(project, b"x = '\0'\n")


@pytest.fixture
def _usual_depth() -> Iterator[None]:
    """Python's own limit, which torch raises for the whole process when it compiles."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(limit)


@pytest.mark.usefixtures("_usual_depth")
def test_what_is_nested_too_deeply_is_no_crash(project: Path) -> None:
    """Neither for a parser nor for those who follow what it has read."""
    minuses = b"x = " + b"-" * 5000 + b"1\n"
    sums = WHOLE.replace(b"return self.out_proj(", b"return self.out_proj(" + b"1 + " * 900)

    assert refused(project, minuses) == said("FILE", "too-deep", "nested too deeply to be parsed", NOT_PYTHON)
    assert refused(project, sums).startswith("FILE: error[too-deep]: nested too deeply to be followed\n  fix: ")


def test_not_utf_8(project: Path) -> None:
    assert refused(project, b"x = 1\n# caf\xe9\n") == said(
        "FILE:2", "not-utf-8", "is not UTF-8 text (byte 11)", "save the file as UTF-8"
    )
    assert "FILE:1: error[not-utf-8]" in refused(project, WHOLE.decode().encode("utf-16"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (WHOLE.replace(b"\n", b"\r\n"), 1),
        (WHOLE.replace(b"\n", b"\r", 1), 1),
        (WHOLE.replace(b"\n", b"\n\x0c", 1), 2),
        (WHOLE.replace(b"two", "two \u2028".encode()).replace(b"a norm", "a \u2028 norm".encode()), 1),
        (b"\xef\xbb\xbf" + WHOLE, 1),
    ],
    ids=["windows", "mac", "form feed", "line separator", "byte order mark"],
)
def test_lines_that_are_not_lines_to_everybody(project: Path, text: bytes, line: int) -> None:
    """Edits are made and undone by lines, and the digest is that of the file's bytes: no text is mended on the way."""
    assert refused(project, text) == said(
        f"FILE:{line}", "odd-text", ODD_TEXT, "save the file as UTF-8 with Unix line ends"
    )


@pytest.mark.parametrize("text", [b"", b"import torch\n", b"class Model:\n    pass\n"])
def test_no_model(project: Path, text: bytes) -> None:
    message, fix = "no class derives from PreTrainedModel", "give a modeling file of transformers"

    assert refused(project, text) == said("FILE", "no-model", message, fix)


@pytest.mark.parametrize(("case", "line"), [("no_attention", 28), ("unknown_kernel", 77)])
def test_attention_that_is_missing_or_not_understood(project: Path, case: str, line: int) -> None:
    """Without it nothing can be adapted: an error rather than a plan full of refusals."""
    told = refused(project, (CASES / case / "modeling_case.py").read_bytes())
    message = "no list of layers of CaseModel computes attention in a way that is understood"

    assert told.startswith(f"FILE:{line}: error[no-attention]: {message}\n  fix: ")


def test_towers_that_nothing_runs(project: Path) -> None:
    """A composite may leave everything to its `generate`."""
    text = (CASES / "two_towers" / "modeling_case.py").read_text(encoding="utf-8")
    before, forward, after = text.rpartition("    def forward(")
    told = refused(project, f"{before}    def generate({after}".encode())

    assert forward
    assert "error[no-forward]: CaseModel has no forward in this file, so that nothing says what runs" in told


@pytest.mark.parametrize("decorator", ["@torch.inference_mode()", "@torch.no_grad()", "@torch.no_grad"])
def test_a_forward_for_inference_alone(project: Path, decorator: str) -> None:
    """Whatever is put into such a model is never trained."""
    before, name, after = WHOLE.decode().partition("class CaseModel(")
    after = after.replace("    def forward(", f"    {decorator}\n    def forward(", 1)
    told = refused(project, f"{before}{name}{after}".encode())

    assert "error[no-gradients]: the forward of CaseModel keeps no gradients, so that nothing in it can be" in told


def test_a_file_that_another_model_was_made_from(one: Path, site: Path) -> None:
    """Two integrations of one file would fight for its checkpoints."""
    before = fingerprint(one)
    source = str(site / "transformers/models/case/modeling_case.py")
    result = run(one, "add-model", "twin", "--source", source, "--no-verify")

    assert result.exit_code == 1
    assert (
        result.stderr
        == "".join(
            said("generated/models/twin/plan.toml", "two-plans", f"twin and case both claim {claim}", fix)
            for fix in ["adaptergen remove-model case"]
            for claim in ("transformers.models.case.modeling_case", "model type case", "CaseAdapterModel")
        )
        + "3 problems\n"
    )
    assert fingerprint(one) == before


def test_a_model_that_does_not_say_its_configuration(project: Path) -> None:
    text = WHOLE.replace(b"    config: CaseConfig\n", b"").replace(b"Case", b"Mine")

    assert refused(project, text) == said(
        "FILE:100", "no-config", "which configuration MineModel takes is said nowhere",
        "say so in its class of pretrained models: `config: FooConfig`, or `config_class = FooConfig`",
    )  # fmt: skip


@pytest.mark.parametrize("command", ["update", "check", "diff", "plan"])
def test_a_file_that_is_gone_since(project: Path, command: str) -> None:
    source = project.with_name("modeling_mine.py")
    source.write_bytes(WHOLE)
    done(project, "add-model", "mine", "--source", str(source), "--no-verify")
    source.unlink()
    before = fingerprint(project)
    result = run(project, command, "mine")

    assert result.exit_code == 1
    expected = said(
        "../modeling_mine.py", "unreadable", "cannot be read: No such file or directory",
        "put a readable file there",
    )  # fmt: skip
    assert result.stderr == (expected.replace("\n  fix", "; fix") if command == "check" else expected)
    assert fingerprint(project) == before
