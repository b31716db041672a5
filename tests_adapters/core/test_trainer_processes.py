"""`AdapterTrainer` in two processes: losses of one, checkpoints of adapters alone, breaks that change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import DistributedType, FullyShardedDataParallelPlugin, PartialState
from transformers import BertForSequenceClassification, PreTrainedModel

import generated
from generated import AdapterTrainer
from tests_adapters.core.made_data import Sentences, arguments
from tests_adapters.core.processes import WORLD, in_two
from tests_adapters.core.trainer_setups import losses
from tests_adapters.core.zoo import METHODS, build, call, inputs_for


BATCH, ACCUMULATED = 4, 2
HALF_WAY = 2  # of the four updates


def made(method: str) -> PreTrainedModel:
    model = build("bert", BertForSequenceClassification, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model = generated.init(model)
    torch.manual_seed(2)
    for name in ("task", "idle"):
        model.add_adapter(name, config=METHODS[method]())
    model.train_adapter("task")
    return model


def trainer_for(model: PreTrainedModel, folder: Path, world: int, **options: Any) -> AdapterTrainer:
    usual = {"num_train_epochs": 2, "save_strategy": "steps", "save_steps": 1, "lr_scheduler_type": "linear"}
    of_batches = {"per_device_train_batch_size": BATCH // world, "gradient_accumulation_steps": ACCUMULATED}
    return AdapterTrainer(model, arguments(folder, **usual, **of_batches, **options), train_dataset=Sentences())


def in_a_row_and_with_a_break(method: str, folder: Path, engine: str) -> tuple[list[float], list[float]]:
    """Losses of a training, and of one that goes on from a checkpoint of it in a new model."""
    prepared = _sharding if engine == "fsdp2" else _replicating
    trainer = prepared(made(method), folder)
    trainer.train()
    again = prepared(made(method), folder)
    again.train(resume_from_checkpoint=str(folder / f"checkpoint-{HALF_WAY}"))
    return losses(trainer), losses(again)


def _replicating(model: PreTrainedModel, folder: Path) -> AdapterTrainer:
    return trainer_for(model, folder, WORLD, ddp_find_unused_parameters=False)


def _sharding(model: PreTrainedModel, folder: Path) -> AdapterTrainer:
    """accelerate shards on accelerators alone, so it is told that the CPU is one."""
    layers = {"transformer_layer_cls_to_wrap": ["BertLayer"]}
    trainer = trainer_for(model, folder, WORLD, fsdp=True, fsdp_config=layers)
    state = trainer.accelerator.state
    state.distributed_type = PartialState().distributed_type = DistributedType.FSDP
    state.fsdp_plugin = FullyShardedDataParallelPlugin(**trainer.args.fsdp_plugin_args)
    trainer.is_fsdp_enabled = True
    return trainer


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["ddp", "fsdp2"])
@pytest.mark.parametrize("method", ["seq_bn", "lora"])
def test_losses_and_checkpoints(method: str, engine: str, tmp_path: Path) -> None:
    alone, folder = trainer_for(made(method), tmp_path / "one", 1), tmp_path / "two"
    alone.train()
    first, second = in_two(in_a_row_and_with_a_break, method, folder, engine)
    for in_a_row, resumed in (first, second):
        assert in_a_row == pytest.approx(losses(alone), abs=1e-5)
        assert resumed == pytest.approx(in_a_row, abs=1e-6)

    last = folder / "checkpoint-4"
    assert not [*last.glob("pytorch_model*"), *last.glob("model*")]
    read = generated.init(build("bert", BertForSequenceClassification))
    read.load_adapter(last / "task", set_active=True)
    inputs = inputs_for("bert")
    for mine, expected in zip(call(read.eval(), inputs), call(alone.model.eval(), inputs), strict=True):
        torch.testing.assert_close(mine, expected, atol=1e-4, rtol=0)
