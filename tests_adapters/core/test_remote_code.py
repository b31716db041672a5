"""Models whose code is not transformers': given as a file, or loaded from the files of a checkpoint."""

from __future__ import annotations

import copy
import importlib
import json
import pickle
import shutil
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, PreTrainedModel

import generated
from adaptergen import provider
from adaptergen.plan_file import load
from adaptergen.verify.proof import outcomes_of
from adaptergen.verify.tiny import tiny_config
from generated.core import providers
from tests_adapters.core.zoo import add_random


CODE = Path(__file__).parents[1] / "remote_code"
ARCHITECTURES = ("alibi", "fused_encoder", "packed")
TOKENS = torch.tensor([[5, 6, 7, 8]])


def classes_of(architecture: str) -> dict[str, type]:
    """Its public classes by what stands behind the name of the architecture, e.g. "ForCausalLM"."""
    modeling = importlib.import_module(f"tests_adapters.remote_code.{architecture}.modeling_{architecture}")
    prefix = "".join(word.capitalize() for word in architecture.split("_"))
    found = {name.removeprefix(prefix): cls for name, cls in vars(modeling).items() if name.startswith(prefix)}
    return {name: cls for name, cls in found.items() if name in ("Config", "Model") or name.startswith("For")}


def write_checkpoint(folder: Path, architecture: str, kind: str) -> PreTrainedModel:
    """A checkpoint as a repository of the Hub holds it: weights, configuration, and the files of its code."""
    classes = classes_of(architecture)
    torch.manual_seed(0)
    model = classes[kind](tiny_config(classes["Config"])).eval()
    model.save_pretrained(folder)
    for file in (CODE / architecture).glob("*_*.py"):
        if file.name != "__init__.py":
            shutil.copy(file, folder)
    written = json.loads((folder / "config.json").read_text())
    auto = {"Config": "AutoConfig", "Model": "AutoModel", "ForCausalLM": "AutoModelForCausalLM"}
    files = {"Config": f"configuration_{architecture}"}
    written["auto_map"] = {
        auto[name]: f"{files.get(name, f'modeling_{architecture}')}.{cls.__name__}"
        for name, cls in classes.items()
        if name in auto
    }
    (folder / "config.json").write_text(json.dumps(written))
    return model


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_method_keeps_its_promises(architecture: str) -> None:
    """One form of each method on the base model; `adaptergen verify` runs all of them on all classes."""
    module = classes_of(architecture)["Model"].__module__
    folder = provider.provide(module, str(sys.modules[module].__file__))
    providers.add_package(folder)
    plan = load((folder / "plan.toml").read_text(), "plan.toml")

    outcomes = list(outcomes_of(plan, "generated"))

    assert [outcome for outcome in outcomes if outcome.failure] == []
    assert {outcome.method for outcome in outcomes} == {"", *plan.methods}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_model_with_its_own_code_takes_adapters(architecture: str, tmp_path: Path) -> None:
    write_checkpoint(tmp_path, architecture, "Model")
    model = generated.init(AutoModel.from_pretrained(tmp_path, trust_remote_code=True)).eval()
    assert type(model).__module__.startswith("transformers_modules.")
    before = model(TOKENS)[0]
    for name, config in (("bottleneck", "seq_bn"), ("lora", "lora"), ("prefix", "prefix_tuning")):
        add_random(model, name, config)
        assert not torch.allclose(model(TOKENS)[0], before)
        model.set_active_adapters(None)
        assert torch.equal(model(TOKENS)[0], before)
    model.set_active_adapters("lora")
    changed = model(TOKENS)[0]
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(copied(TOKENS)[0], changed)


def test_a_checkpoint_with_its_own_code_becomes_an_adapter_model(tmp_path: Path) -> None:
    fixed = write_checkpoint(tmp_path / "model", "packed", "ForCausalLM")
    flexible = generated.AutoAdapterModel.from_pretrained(tmp_path / "model", trust_remote_code=True).eval()
    assert type(flexible).__name__ == "PackedAdapterModel"
    assert torch.allclose(flexible(TOKENS).logits, fixed(TOKENS).logits, atol=1e-6)

    loaded = generated.load_model(tmp_path / "model", AutoModelForCausalLM, trust_remote_code=True)
    add_random(loaded, "task", "lora")
    loaded.save_adapter(tmp_path / "adapter", "task")
    flexible.load_adapter(tmp_path / "adapter", set_active=True)
    assert torch.allclose(flexible(TOKENS).logits, loaded.eval()(TOKENS).logits, atol=1e-6)


def test_adapter_model_of_a_configuration_with_its_own_code(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, "alibi", "ForCausalLM")
    config = AutoConfig.from_pretrained(tmp_path, trust_remote_code=True)

    assert type(generated.AutoAdapterModel.from_config(config)).__name__ == "AlibiAdapterModel"
