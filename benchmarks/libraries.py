"""How does each library put adapters into a model? The same adapters, as far as it has them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from torch import nn


METHODS = ("lora", "seq_bn", "ia3", "prefix_tuning")
R, PREFIX, REDUCTION = 8, 10, 16


class Plain:
    """transformers itself, without adapters."""

    def prepared(self, model: nn.Module) -> nn.Module:
        return model

    def trained(self, model: nn.Module, name: str) -> None:
        """All of its weights."""
        model.train()


class Ours:
    configs = {
        "lora": f"lora[r={R},alpha={2 * R}]",
        "seq_bn": f"seq_bn[reduction_factor={REDUCTION}]",
        "ia3": "ia3",
        "prefix_tuning": f"prefix_tuning_flat[prefix_length={PREFIX}]",
    }

    def prepared(self, model: nn.Module) -> nn.Module:
        import generated

        return generated.init(model)

    def added(self, model: nn.Module, method: str, names: Sequence[str]) -> nn.Module:
        model = self.prepared(model)
        for name in names:
            model.add_adapter(name, config=self.configs[method])
        model.set_active_adapters(names[0])
        return model

    def trained(self, model: nn.Module, name: str) -> None:
        model.train_adapter(name)

    def switched(self, model: nn.Module, name: str) -> None:
        model.set_active_adapters(name)

    def mixed(self, model: nn.Module, rows: Sequence[str]) -> dict[str, Any]:
        """Prepare a batch whose rows have adapters of their own, and say what a call is to be given."""
        from generated import Route

        model.set_active_adapters(Route(*model.adapters_config))
        return {"adapter_names": list(rows)}

    def saved(self, model: nn.Module, folder: str, names: Sequence[str]) -> None:
        for name in names:
            model.save_adapter(f"{folder}/{name}", name, with_head=False)

    def loaded(self, model: nn.Module, folder: str, names: Sequence[str]) -> nn.Module:
        model = self.prepared(model)
        for name in names:
            model.load_adapter(f"{folder}/{name}")
        return model


class Peft:
    def prepared(self, model: nn.Module) -> nn.Module:
        return model

    targets = {"bert": ["query", "value"], "gpt2": ["c_attn"], "llama": ["q_proj", "v_proj"]}
    rescaled = {
        "bert": (r".*\.(key|value|\d+\.output\.dense)", r".*\.\d+\.output\.dense"),
        "gpt2": (["c_attn", "mlp.c_proj"], ["mlp.c_proj"]),
        "llama": (["k_proj", "v_proj", "down_proj"], ["down_proj"]),
    }

    def config(self, model: nn.Module, method: str) -> Any:
        import peft

        name = model.config.model_type
        task = "SEQ_CLS" if name == "bert" else "CAUSAL_LM"
        if method == "lora":
            return peft.LoraConfig(
                task_type=task,
                r=R,
                lora_alpha=2 * R,
                target_modules=self.targets[name],
                fan_in_fan_out=name == "gpt2",
            )
        if method == "ia3":
            targets, feedforward = self.rescaled[name]
            return peft.IA3Config(
                task_type=task,
                target_modules=targets,
                feedforward_modules=feedforward,
                fan_in_fan_out=name == "gpt2",
            )
        if method == "prefix_tuning" and name != "bert":
            return peft.PrefixTuningConfig(task_type=task, num_virtual_tokens=PREFIX)
        raise NotMeasured

    def added(self, model: nn.Module, method: str, names: Sequence[str]) -> nn.Module:
        import peft

        config = self.config(model, method)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            first, *others = names
            adapted = peft.get_peft_model(model, config, adapter_name=first)
            for name in others:
                adapted.add_adapter(name, config)
        return adapted.eval()

    def trained(self, model: nn.Module, name: str) -> None:
        model.train()

    def switched(self, model: nn.Module, name: str) -> None:
        model.set_adapter(name)

    def mixed(self, model: nn.Module, rows: Sequence[str]) -> dict[str, Any]:
        return {"adapter_names": list(rows)}

    def saved(self, model: nn.Module, folder: str, names: Sequence[str]) -> None:
        model.save_pretrained(folder, selected_adapters=list(names))

    def loaded(self, model: nn.Module, folder: str, names: Sequence[str]) -> nn.Module:
        import peft

        first, *others = names
        adapted = peft.PeftModel.from_pretrained(model, f"{folder}/{first}", adapter_name=first)
        for name in others:
            adapted.load_adapter(f"{folder}/{name}", adapter_name=name)
        return adapted


class AdapterHub:
    """The library `adapters`, in an environment with the transformers that it pins."""

    def prepared(self, model: nn.Module) -> nn.Module:
        import adapters

        adapters.init(model)
        return model

    def added(self, model: nn.Module, method: str, names: Sequence[str]) -> nn.Module:
        model = self.prepared(model)
        for name in names:
            model.add_adapter(name, config=Ours.configs[method])
        model.set_active_adapters(names[0])
        return model.eval()

    def trained(self, model: nn.Module, name: str) -> None:
        model.train_adapter(name)

    def switched(self, model: nn.Module, name: str) -> None:
        model.set_active_adapters(name)

    def mixed(self, model: nn.Module, rows: Sequence[str]) -> dict[str, Any]:
        """It has no ids: rows of one adapter follow one another."""
        from adapters.composition import BatchSplit

        names = sorted(set(rows))
        model.set_active_adapters(BatchSplit(*names, batch_sizes=[list(rows).count(name) for name in names]))
        return {}

    saved = Ours.saved
    loaded = Ours.loaded


class NotMeasured(Exception):
    """A library does not have the method for this model."""


LIBRARIES: dict[str, Callable[[], Any]] = {"plain": Plain, "ours": Ours, "PEFT": Peft, "adapters": AdapterHub}
