"""Are transformers' own tests found, and is a model with adapters held to what upstream's own class does in them?"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import unittest
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import (
    BertGenerationConfig,
    DINOv3ViTConfig,
    EncoderDecoderConfig,
    GPT2Config,
    GPT2Model,
    MarianConfig,
    WavLMConfig,
)

from adaptergen.verify.outputs import CheckFailed, run
from adaptergen.verify.subjects import ModelCase
from generated.models.bert_generation import BertGenerationEncoderAdapterModel
from generated.models.dinov3_vit import DINOv3ViTAdapterModel
from generated.models.encoder_decoder import EncoderDecoderAdapterModel
from generated.models.gpt2 import GPT2AdapterModel
from generated.models.marian import MarianAdapterModel
from generated.models.wavlm import WavLMAdapterModel
from tests_adapters.core.upstream import archive, outcomes
from tests_adapters.core.upstream.archive import NotAtHand, located
from tests_adapters.core.upstream.cases import test_names as names_of_tests
from tests_adapters.core.upstream.classes import finished, forms_together, with_adapters
from tests_adapters.core.upstream.flavours import Flavour, Kind, flavours
from tests_adapters.core.upstream.modules import upstream_module
from tests_adapters.core.upstream.outcomes import AS_UPSTREAM, FailsUpstream, Ruled, run_upstream_test, why
from tests_adapters.core.upstream.report import KIND, WHY, summary
from tests_adapters.core.upstream.skips import SKIPS, reason_to_skip


GPT2 = ModelCase(name="gpt2", adapter_model_class=GPT2AdapterModel, config_class=GPT2Config)
ADAPTER_MODEL, INITIALIZED, ADAPTED, *_ = flavours(GPT2, everything=True)
BERT_GENERATION = ModelCase(
    name="bert_generation", adapter_model_class=BertGenerationEncoderAdapterModel, config_class=BertGenerationConfig
)
DINOV3 = ModelCase(name="dinov3_vit", adapter_model_class=DINOv3ViTAdapterModel, config_class=DINOv3ViTConfig)
ENCODER_DECODER = ModelCase(
    name="encoder_decoder", adapter_model_class=EncoderDecoderAdapterModel, config_class=EncoderDecoderConfig
)
MARIAN = ModelCase(name="marian", adapter_model_class=MarianAdapterModel, config_class=MarianConfig)
WAVLM = ModelCase(name="wavlm", adapter_model_class=WavLMAdapterModel, config_class=WavLMConfig)
SPECIAL = [
    each
    for case in (BERT_GENERATION, DINOV3, ENCODER_DECODER, MARIAN, WAVLM)
    for each in flavours(case, everything=True)
]
TEST_OF_MODEL = """
import unittest

from ...test_modeling_common import ModelTesterMixin


class Tester:
    pass


class GPT2ModelTest(ModelTesterMixin, unittest.TestCase):
    def setUp(self):
        self.model_tester = Tester()

    def test_only_here(self):
        (cls,) = self.all_model_classes
        assert cls.__name__ == "GPT2AdapterModel"
"""


@pytest.fixture
def at_hand() -> Path:
    try:
        return located()
    except NotAtHand as problem:
        pytest.skip(str(problem))


@pytest.fixture
def nothing_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.delenv("TRANSFORMERS_TESTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    return tmp_path


def packed(path: Path, files: dict[str, str]) -> Path:
    with tarfile.open(path, "w:gz") as made:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            made.addfile(member, io.BytesIO(text.encode()))
    return path


def test_nothing_but_the_tests_of_a_distribution_is_unpacked(tmp_path: Path) -> None:
    common = "transformers-5/tests/test_modeling_common.py"
    made = packed(tmp_path / "transformers-5.tar.gz", {common: "pass", "transformers-5/setup.py": "exit(1)"})
    folder = archive._unpacked(made)
    assert [path.name for path in folder.parent.rglob("*")] == ["tests", "test_modeling_common.py"]


def test_a_distribution_that_writes_elsewhere_is_refused(tmp_path: Path) -> None:
    made = packed(tmp_path / "transformers-5.tar.gz", {"transformers-5/tests/../../../escaped.py": "pass"})
    with pytest.raises(tarfile.FilterError):
        archive._unpacked(made)
    assert not (tmp_path.parent / "escaped.py").exists()


def test_a_distribution_without_tests(tmp_path: Path) -> None:
    made = packed(tmp_path / "transformers-5.tar.gz", {"transformers-5/tests/conftest.py": "pass"})
    with pytest.raises(NotAtHand, match=r"has no tests/test_modeling_common.py"):
        archive._unpacked(made)


def test_what_is_wanted_is_named(nothing_fetched: Path) -> None:
    with pytest.raises(NotAtHand, match=rf"transformers==\d.* are not in {nothing_fetched}.*TRANSFORMERS_TESTS"):
        located()


def test_a_checkout_without_tests(nothing_fetched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFORMERS_TESTS", str(nothing_fetched))
    with pytest.raises(NotAtHand, match=f"TRANSFORMERS_TESTS names {nothing_fetched}, which has no tests/"):
        archive.fetch()


def test_without_a_network(
    nothing_fetched: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line; it is no error, since what needs the tests is skipped."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    archive.main()
    assert "will be skipped: pip cannot download the source of transformers==" in capsys.readouterr().err
    assert not list((nothing_fetched).rglob("*.py"))


def test_what_a_distribution_leaves_out_is_empty_and_skips(at_hand: Path) -> None:
    mixin = upstream_module("nowhere.at_all").SomeMixin
    assert isinstance(type("Test", (mixin,), {})(), mixin)
    with pytest.raises(unittest.SkipTest, match=r"leaves tests/nowhere/at_all.py out"):
        mixin()


def judged(monkeypatch: pytest.MonkeyPatch, ours: BaseException | None, upstream: BaseException | None) -> None:
    """Run a test that does one thing with a class of ours, and another with upstream's."""

    def case_of(flavour: Flavour) -> type[unittest.TestCase]:
        does = upstream if flavour.kind is Kind.UPSTREAM else ours

        def test(self: unittest.TestCase) -> None:
            if does is not None:
                raise does

        return type("Case", (unittest.TestCase,), {"test_of_this": test})

    monkeypatch.setattr(outcomes, "test_case", case_of)
    run_upstream_test(INITIALIZED, "test_of_this")


WRONG, SKIPPED = AssertionError("wrong"), unittest.SkipTest("it has none")


@pytest.mark.parametrize("upstream", [None, WRONG, SKIPPED])
def test_what_passes(monkeypatch: pytest.MonkeyPatch, upstream: BaseException | None) -> None:
    judged(monkeypatch, None, upstream)


def test_what_fails_for_us_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError, match=r"^wrong$"):
        judged(monkeypatch, WRONG, None)


def test_what_is_skipped_for_us_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckFailed, match="skipped, and run with upstream's own class: it has none"):
        judged(monkeypatch, SKIPPED, None)


@pytest.mark.parametrize("upstream", [WRONG, SKIPPED])
def test_what_upstream_does_not_pass_either(monkeypatch: pytest.MonkeyPatch, upstream: BaseException) -> None:
    with pytest.raises(unittest.SkipTest, match=rf"{AS_UPSTREAM}: {type(upstream).__name__}"):
        judged(monkeypatch, WRONG, upstream)


def test_what_applies_to_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(unittest.SkipTest, match=r"^it has none$"):
        judged(monkeypatch, SKIPPED, SKIPPED)


def test_every_rule_is_about_a_test_and_a_kind(at_hand: Path) -> None:
    names = names_of_tests(GPT2)
    for skip in SKIPS:
        assert any(skip.is_about(name) for name in names), skip
        assert any(skip.applies(each) for each in (ADAPTER_MODEL, ADAPTED, *SPECIAL)), skip
    assert not [name for name in names if reason_to_skip(name, INITIALIZED)]


def test_adapters_of_a_finished_class_act_and_are_the_same_each_time(tmp_path: Path) -> None:
    forms = forms_together(GPT2.base)
    cls = finished(GPT2Model, lambda model: with_adapters(GPT2.runtime, forms, model))
    model = cls(GPT2.tiny_config()).eval()
    inputs = {"input_ids": torch.arange(6)[None]}
    model.save_pretrained(tmp_path)

    loaded, report = cls.from_pretrained(tmp_path, output_loading_info=True)

    assert cls.__qualname__ == "GPT2Model"
    assert not report["missing_keys"]
    assert set(model.adapters_config) == {"bottleneck", "lora", "invertible", "reft"}
    assert torch.equal(*(run(each, inputs)["last_hidden_state"] for each in (model, loaded)))
    adapted = run(model, inputs)["last_hidden_state"]
    model.set_active_adapters(None)
    assert not torch.allclose(adapted, run(model, inputs)["last_hidden_state"], atol=1e-2)


def test_each_skip_is_counted_with_its_reason() -> None:
    reports = [
        *(reported("after init", "passed") for _ in range(3)),
        reported("after init", "skipped", why(FailsUpstream(f"{AS_UPSTREAM}: ValueError: tiny"))),
        reported("with adapters", "failed"),
        *(reported("with adapters", "skipped", why(Ruled(SKIPS[-1].reason))) for _ in range(2)),
        reported("with adapters", "skipped", why(unittest.SkipTest("no MoE"))),
        SimpleNamespace(user_properties=[], outcome="passed", skipped=False),
    ]
    assert list(summary(reports)) == [
        "after init: 3 passed, 0 failed, 1 skipped",
        f"       1 {AS_UPSTREAM}",
        "with adapters: 0 passed, 1 failed, 3 skipped",
        f"       2 {SKIPS[-1].reason}",
        "       1 transformers' test says itself that it does not apply",
    ]


def reported(kind: str, outcome: str, reason: str = "") -> SimpleNamespace:
    properties = [(KIND, kind), *([(WHY, reason)] if reason else [])]
    return SimpleNamespace(user_properties=properties, outcome=outcome, skipped=outcome == "skipped")


@pytest.mark.slow
def test_a_checkout_brings_the_tests_of_a_model(at_hand: Path, tmp_path: Path) -> None:
    tests = tmp_path / "tests"
    tests.mkdir()
    for path in at_hand.glob("*.py"):
        (tests / path.name).symlink_to(path)
    (tests / "models/gpt2").mkdir(parents=True)
    (tests / "models/gpt2/test_modeling_gpt2.py").write_text(TEST_OF_MODEL)
    module = Path(__file__).parent.parent / "models/test_gpt2.py"

    result = subprocess.run(
        [sys.executable, "-m", "pytest", str(module), "-k", "only_here", "-p", "no:cacheprovider"],
        env={**os.environ, "TRANSFORMERS_TESTS": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "adapter model: 1 passed, 0 failed, 0 skipped" in result.stdout, result.stdout + result.stderr
