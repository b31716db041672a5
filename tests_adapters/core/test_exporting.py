"""Models with adapters leave for other engines: PEFT's format, plain checkpoints, `torch.export` and ONNX."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors import safe_open
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaForCausalLM

from tests_adapters.core.zoo import LANGUAGE_MODELS, add_random, build, build_adapted, differ, fresh, inputs_for


METHODS = ("seq_bn", "lora", "prefix_tuning")
LORA = "lora[r=8,alpha=16,attn_matrices=['q','k','v','o'],mlp_matrices=['gate','up','down']]"
each_method = pytest.mark.parametrize("method", METHODS)
NO_ONNX = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]


def logits(model: torch.nn.Module, inputs: dict[str, Any]) -> Tensor:
    with torch.no_grad():
        return model(**inputs).logits


def call_for(architecture: str) -> dict[str, Any]:
    """A call without a cache, as exported programs have it."""
    inputs: dict[str, Any] = inputs_for(architecture, LANGUAGE_MODELS[architecture])
    return inputs if architecture == "bert" else {**inputs, "use_cache": False}


def of_other_sizes(inputs: dict[str, Any]) -> dict[str, Any]:
    """Three rows, which are shorter."""
    return {
        name: value[:, -5:].repeat(2, 1)[:3] if isinstance(value, Tensor) else value for name, value in inputs.items()
    }


def free_sizes(inputs: dict[str, Any]) -> dict[str, Any]:
    free = dict.fromkeys((0, 1), torch.export.Dim.DYNAMIC)
    return {name: free if isinstance(value, Tensor) else None for name, value in inputs.items()}


@each_method
@pytest.mark.parametrize("architecture", ["bert", "llama", pytest.param("t5", marks=pytest.mark.slow)])
def test_exported_programs(architecture: str, method: str, tmp_path: Path) -> None:
    """Written, read and run without the model, on batches of any size."""
    model = build_adapted(architecture, method, LANGUAGE_MODELS[architecture])
    inputs = call_for(architecture)
    with torch.no_grad():
        program = torch.export.export(model, (), inputs, dynamic_shapes=free_sizes(inputs))
    torch.export.save(program, tmp_path / "model.pt2")
    run = torch.export.load(tmp_path / "model.pt2").module()
    for given in (inputs, of_other_sizes(inputs)):
        torch.testing.assert_close(run(**given).logits, logits(model, given))
    model.set_active_adapters(None)
    assert differ([run(**inputs).logits], [logits(model, inputs)])


@pytest.mark.slow
@pytest.mark.skipif(bool(NO_ONNX), reason=f"not installed: {', '.join(NO_ONNX)}; pip install 'adaptergen[export]'")
@each_method
@pytest.mark.parametrize("architecture", ["bert", "llama"])
def test_onnx(architecture: str, method: str, tmp_path: Path) -> None:
    import onnxruntime

    model = build_adapted(architecture, method, LANGUAGE_MODELS[architecture])
    inputs = call_for(architecture)
    with torch.no_grad():
        torch.onnx.export(
            model, (), tmp_path / "model.onnx", kwargs=inputs, dynamic_shapes=free_sizes(inputs), dynamo=True,
            output_names=["logits"], verbose=False,
        )  # fmt: skip
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for given in (inputs, of_other_sizes(inputs)):
        arrays = {name: value.numpy() for name, value in given.items() if isinstance(value, Tensor)}
        (found,) = session.run(["logits"], arrays)
        torch.testing.assert_close(torch.from_numpy(found), logits(model, given), atol=1e-4, rtol=1e-4)


def test_folders_for_servers_that_read_peft(tmp_path: Path) -> None:
    """What vLLM asks of such a folder: names from `base_model.model` on, ends of module names, and LoRA alone."""
    model, inputs = fresh("llama", LlamaForCausalLM), call_for("llama")
    add_random(model, "style", LORA)
    model.save_adapter(tmp_path, "style", format="peft")

    served = peft.PeftModel.from_pretrained(build("llama", LlamaForCausalLM), tmp_path).eval()
    torch.testing.assert_close(logits(served, inputs), logits(model, inputs))
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["peft_type"], config["r"], config["lora_alpha"], config["bias"]) == ("LORA", 8, 16, "none")
    assert not config["modules_to_save"]
    assert config["target_modules"] == sorted(
        f"{part}.{name}_proj"
        for part, names in {"self_attn": "qkvo", "mlp": ("gate", "up", "down")}.items()
        for name in names
    )
    with safe_open(tmp_path / "adapter_model.safetensors", "pt") as file:
        names = list(file.keys())
    assert len(names) == 2 * 7 * 2
    assert all(name.startswith("base_model.model.model.layers.") for name in names)
    assert all(name.endswith((".lora_A.weight", ".lora_B.weight")) for name in names)


@pytest.mark.parametrize("method", ["lora", "ia3", "dora"])
def test_merged_models_are_plain_checkpoints(method: str, tmp_path: Path) -> None:
    model, inputs = build_adapted("llama", method, LlamaForCausalLM), call_for("llama")
    expected = logits(model, inputs)
    model.merge_adapter(method)
    model.save_pretrained(tmp_path)

    plain, report = AutoModelForCausalLM.from_pretrained(
        tmp_path, attn_implementation="eager", output_loading_info=True
    )
    assert type(plain) is LlamaForCausalLM
    assert not any(report[problem] for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    torch.testing.assert_close(logits(plain.eval(), inputs), expected, atol=1e-4, rtol=1e-4)
    assert differ([logits(build("llama", LlamaForCausalLM), inputs)], [expected])
