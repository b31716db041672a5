"""What is in a recording?

A folder with a tiny random model, adapters that the library `adapters` 1.3.0 wrote, and the numbers that it computed
with them: `cases.json` says what is what, `tensors.safetensors` holds all inputs, outputs and gradients.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file
from torch import Tensor, nn

import generated
from generated.core.composition import AdapterCompositionBlock
from tests_adapters.parity.peculiarities import imitate, subtract_nothing


@dataclass(frozen=True)
class Recording:
    """One architecture."""

    name: str
    folder: Path

    @cached_property
    def document(self) -> Mapping[str, Any]:
        return json.loads((self.folder / "cases.json").read_text(encoding="utf-8"))

    @cached_property
    def tensors(self) -> Mapping[str, Tensor]:
        return load_file(self.folder / "tensors.safetensors")

    @property
    def key_prefix(self) -> str:
        """What the names of the base model start with in the adapter files."""
        return self.document["model"]["key_prefix"]

    def cases(self) -> Iterator[Case]:
        return (Case(self, data) for data in self.document["cases"])

    def build(self, class_name: str | None = None, attention: str | None = None) -> nn.Module:
        """The recorded model, as a class of transformers, ready to take adapters."""
        cls = getattr(transformers, class_name or self.document["model"]["class"])
        keywords = {"attn_implementation": attention} if attention else {}
        return generated.init(cls.from_pretrained(self.folder / "model", **keywords).eval())

    def inputs(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments of the call that `run` recorded."""
        spec = run["inputs"] if isinstance(run["inputs"], Mapping) else self.document["inputs"][run["inputs"]]
        return {name: self.tensors[key] for name, key in spec["tensors"].items()} | spec["kwargs"]


@dataclass(frozen=True)
class Case:
    """One recorded computation; `data` is its entry in `cases.json`."""

    recording: Recording
    data: Mapping[str, Any]

    @property
    def id(self) -> str:
        return f"{self.recording.name}-{self.data['id']}"

    @property
    def kind(self) -> str:
        return self.data["kind"]

    @property
    def runs(self) -> list[Mapping[str, Any]]:
        return self.data["runs"]

    @property
    def tolerance(self) -> dict[str, float]:
        return {"atol": self.data["atol"], "rtol": self.data["rtol"]}

    @property
    def adapters(self) -> list[Mapping[str, Any]]:
        return [self.recording.document["adapters"][name] for name in self.data.get("adapters", ())]

    @property
    def setup(self) -> AdapterCompositionBlock | str | None:
        return AdapterCompositionBlock.from_dict(self.data["setup"]) if self.data.get("setup") else None

    @property
    def methods(self) -> set[str]:
        return {method for adapter in self.adapters for method in methods_in(adapter["config"])}

    @property
    def is_compared(self) -> bool:
        """The library adds the residual twice for a Stack in a dividing block; its rows are not those of the Stack."""
        return not self.data.get("quirk")

    @property
    def fusions(self) -> list[Mapping[str, Any]]:
        return [self.recording.document["fusions"][name] for name in self.data.get("fusions", ())]

    @property
    def attentions(self) -> tuple[str | None, ...]:
        """The attention kernels that must give the recorded numbers: where there are prefixes, all that run here."""
        recorded = self.data.get("attn_implementation") or self.recording.document["model"]["attn_implementation"]
        supports_sdpa = getattr(transformers, self.recording.document["model"]["class"])._supports_sdpa
        return ("eager", "sdpa") if "prefix_tuning" in self.methods and supports_sdpa else (recorded,)

    def folder_of(self, stored: Mapping[str, Any]) -> Path:
        """Of an adapter, or of a fusion."""
        return self.recording.folder / stored["dir"]

    def build(self, attention: str | None) -> nn.Module:
        """The model of this case, with its adapters loaded and its setup active."""
        model = self.recording.build(self.data.get("model_class"), attention)
        for adapter in self.adapters:
            model.load_adapter(self.folder_of(adapter), allow_pickle=True)
        for fusion in self.fusions:
            model.load_adapter_fusion(self.folder_of(fusion))
        model.set_active_adapters(self.setup)
        imitate(model)
        if self.data.get("config_class") == "DiReftConfig" and not self.id.endswith("__reloaded"):
            subtract_nothing(model)
        return model

    def compare(self, run: Mapping[str, Any], output: Any) -> None:
        """Assert that an output is the recorded one, wherever the recording says that it matters."""
        for name, key in run["outputs"].items():
            got, want = getattr(output, name), self.recording.tensors[key]
            if run["compare_mask"]:
                keep = self.recording.tensors[run["compare_mask"]].bool()
                got, want = got[keep], want[keep]
            torch.testing.assert_close(got, want, **self.tolerance)


def methods_in(config: Mapping[str, Any]) -> set[str]:
    """Names of the methods that a stored configuration asks for."""
    if config.get("architecture") == "union":
        return {method for part in config["configs"] for method in methods_in(part)}
    variants = {"dora": config.get("use_dora"), "vera": config.get("vera_d") is not None}
    return {config.get("architecture") or "bottleneck", *(name for name, used in variants.items() if used)}
