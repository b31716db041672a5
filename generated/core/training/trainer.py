"""transformers' Trainer for adapters: what is trained must be adapters, and checkpoints hold them and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Seq2SeqTrainer, Trainer, TrainerCallback
from transformers.trainer import SCHEDULER_NAME, TRAINING_ARGS_NAME
from transformers.utils import logging

from generated.core.composition import Setup
from generated.core.errors import TrainingSetupError
from generated.core.forward_inputs import OWN_ARGUMENTS
from generated.core.layers.sharding import is_sharded
from generated.core.training.checkpoint import load_checkpoint, save_checkpoint
from generated.core.training.counted import divides_by_count
from generated.core.training.freezing import refuse_untrainable
from generated.core.training.passing import refuse_where_gradients_end


logger = logging.get_logger(__name__)


class AdapterTrainerCallback(TrainerCallback):
    """
    Refuses to train a model whose adapters are not what is trained, or where gradients end: some quantised maps pack
    their weights for inference when a model is evaluated, and pass none on from then on. Works with every trainer.
    """

    def __init__(self) -> None:
        self._asks_for_gradients = True

    def on_train_begin(
        self, args: Any, state: Any, control: Any, model: nn.Module | None = None, **kwargs: Any
    ) -> None:
        """
        Raises:
            TrainingSetupError: no adapter is active, or the base model is not frozen, or all of the model is.
        """
        refuse_untrainable(getattr(model, "_orig_mod", model))

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._asks_for_gradients = True

    def on_step_begin(
        self, args: Any, state: Any, control: Any, model: nn.Module | None = None, **kwargs: Any
    ) -> None:
        """
        Raises:
            TrainingSetupError: gradients end at a quantised map, at the first step or the first after an evaluation.
        """
        adapted = getattr(model, "_orig_mod", model)
        if self._asks_for_gradients and not is_sharded(adapted):
            refuse_where_gradients_end(adapted.adapted_base)
        self._asks_for_gradients = False


class AdapterTrainer(Trainer):
    """
    The `Trainer` of transformers for the adapters of a model, for which `train_adapter` was called.

    Checkpoints hold one folder per adapter and head, as `save_adapter` writes them, and the state of the training; the
    base model is not in them. Where FSDP2 shards the model, all processes gather them, and the first one writes. With
    FSDP1 and DeepSpeed they are those of `Trainer`.

    Args:
        adapter_names: a setup to activate, as for `set_active_adapters`.
        args: all others are those of `Trainer`.

    Raises:
        TrainingSetupError: no adapter is active.
    """

    def __init__(self, *args: Any, adapter_names: Setup | None = None, **kwargs: Any) -> None:
        self._adapter_names = adapter_names
        self._quantized: list[nn.Module] | None = []
        given = args[0] if args else kwargs.get("model")
        if given is not None:
            self._adopt(given)
        try:
            super().__init__(*args, **kwargs)
        finally:
            self._show_as_quantized()
        self.add_callback(AdapterTrainerCallback())
        if not divides_by_count(self.adapted_model):
            self.model_accepts_loss_kwargs = False
        self._follow_heads()

    @property
    def adapted_model(self) -> nn.Module:
        """The model, without what training wraps around it."""
        return self.accelerator.unwrap_model(self.model, keep_torch_compile=False)

    def call_model_init(self, trial: Any = None) -> nn.Module:
        model = super().call_model_init(trial)
        self._adopt(model)
        return model

    def get_decay_parameter_names(self, model: nn.Module) -> list[str]:
        """As in `Trainer`, without the value maps of fusions: weight decay would pull them away from the identity."""
        names = super().get_decay_parameter_names(model)
        return [name for name in names if not (".adapter_fusion_layer." in name and name.endswith(".value.weight"))]

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """As in `Trainer`; in training with the regularisation of active fusions (Pfeiffer et al., 2021)."""
        result = super().compute_loss(model, inputs, return_outputs, num_items_in_batch=num_items_in_batch)
        penalty = self._fusion_penalty(num_items_in_batch) if model.training else None
        if penalty is None:
            return result
        return (result[0] + penalty, result[1]) if return_outputs else result + penalty

    def _fusion_penalty(self, num_items_in_batch: Tensor | int | None) -> Tensor | None:
        """Counted once per update: losses that are divided by the items of all accumulated batches are summed."""
        penalty = self.adapted_model.get_fusion_regularization_loss()
        is_summed = self.compute_loss_func is not None or (
            self.model_accepts_loss_kwargs and num_items_in_batch is not None
        )
        if penalty is None or not is_summed:
            return penalty
        return penalty / self.current_gradient_accumulation_steps

    def _adopt(self, model: nn.Module) -> None:
        """Activate the adapters. `Trainer` would refuse a quantised model: it knows adapters of PEFT only."""
        adapted = getattr(model, "_orig_mod", model)
        if self._adapter_names is not None:
            adapted.set_active_adapters(self._adapter_names)
        if adapted.active_adapters is None:
            raise TrainingSetupError(
                "no adapter is active; call model.train_adapter(name), or pass adapter_names. To train the whole "
                "model, use the Trainer of transformers"
            )
        if self._quantized is not None and getattr(adapted, "is_quantized", False):
            _refuse_untrainable_quantization(adapted)
            adapted.is_quantized = False
            self._quantized.append(adapted)

    def _show_as_quantized(self) -> None:
        for model in self._quantized or ():
            model.is_quantized = True
        self._quantized = None

    def _follow_heads(self) -> None:
        """Targets, and how they are counted and smoothed, are those of the active heads where heads have names."""
        heads = getattr(self.adapted_model, "used_heads", tuple)()
        if heads and self.args.label_names is None:
            self.label_names = list(dict.fromkeys(name for head in heads for name in head.get_label_names()))
        if heads and all(head.config.get("shift_labels") for head in heads):
            self._loss_shifts_labels = True
            if self.label_smoother is not None:
                self.label_smoother = partial(self.label_smoother, shift_labels=True)

    def _set_signature_columns_if_needed(self) -> None:
        """What the active heads and the adapters take is not in the signature of the model."""
        super()._set_signature_columns_if_needed()
        heads = getattr(self.adapted_model, "used_heads", tuple)()
        more = (*OWN_ARGUMENTS, *(name for head in heads for name in head.argument_names()))
        self._signature_columns = list(dict.fromkeys((*self._signature_columns, *more)))

    @property
    def _is_fully_sharded(self) -> bool:
        """By FSDP2: each weight can be gathered by its name."""
        return bool(self.is_fsdp_enabled and self.accelerator.is_fsdp2)

    @property
    def _holds_parts_only(self) -> bool:
        is_in_parts = self.is_fsdp_enabled or self.is_deepspeed_enabled or self.is_distributed_loading_by_transformers
        return bool(is_in_parts and not self._is_fully_sharded)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """As in `Trainer`, to be called by all processes; where FSDP2 shards the model, all of them take part."""
        if not self._is_fully_sharded:
            super().save_model(output_dir, _internal_call)
            return
        self._save(output_dir)
        if self.args.push_to_hub and not _internal_call:
            self.push_to_hub(commit_message="Model save", revision=self.args.hub_revision)

    def _save(self, output_dir: str | None = None, state_dict: Mapping[str, Tensor] | None = None) -> None:
        if self._holds_parts_only:
            super()._save(output_dir, state_dict)
            return
        directory = Path(output_dir if output_dir is not None else self.args.output_dir)
        if self.args.should_save:
            logger.info("Saving the adapters to %s", directory)
            directory.mkdir(parents=True, exist_ok=True)
        if self.args.should_save or self._is_fully_sharded:
            save_checkpoint(self.adapted_model, directory)
        if self.args.should_save:
            processing = self.processing_class or getattr(self.data_collator, "tokenizer", None)
            if processing is not None:
                processing.save_pretrained(directory)
            torch.save(self.args, directory / TRAINING_ARGS_NAME)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        """As in `Trainer`, but for the whole model, which that writes beside the optimizer where FSDP2 shards it."""
        if not self._is_fully_sharded:
            super()._save_optimizer_and_scheduler(output_dir)
            return
        from accelerate.utils import save_fsdp_optimizer  # no trainer is made without it; the rest of the package is

        plugin = self.accelerator.state.fsdp_plugin
        save_fsdp_optimizer(plugin, self.accelerator, self.optimizer, self.model, output_dir)
        if self.args.should_save:
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir, SCHEDULER_NAME))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        if self._holds_parts_only:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        else:
            logger.info("Loading the adapters from %s", resume_from_checkpoint)
            load_checkpoint(self.adapted_model, Path(resume_from_checkpoint))

    def _load_best_model(self) -> None:
        if self._holds_parts_only:
            super()._load_best_model()
        else:
            best = self.state.best_model_checkpoint
            logger.info("Loading the best adapters, from %s (score: %s)", best, self.state.best_metric)
            load_checkpoint(self.adapted_model, Path(best))


class Seq2SeqAdapterTrainer(AdapterTrainer, Seq2SeqTrainer):
    """The `Seq2SeqTrainer` of transformers, in the same way."""


def _refuse_untrainable_quantization(model: nn.Module) -> None:
    quantizer = getattr(model, "hf_quantizer", None)
    if quantizer is not None and not quantizer.is_trainable:
        method = _name(quantizer.quantization_config.quant_method)
        raise TrainingSetupError(
            f"transformers trains nothing on a model quantised by {method} in this way; load it in a way that passes "
            "gradients on, such as one of eight bits"
        )


def _name(method: object) -> str:
    """Methods that transformers knows are values of an enumeration."""
    return str(getattr(method, "value", method))
