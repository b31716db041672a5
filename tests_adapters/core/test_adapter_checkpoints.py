"""Checkpoints of `AdapterTrainer`: what is in them, and that a break changes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import (
    BertForSequenceClassification,
    PreTrainedModel,
)

import generated
from generated.core.errors import AdapterFileError
from tests_adapters.core.made_data import (
    all_tokens,
    assert_equal,
    frozen_weights,
    trained_weights,
)
from tests_adapters.core.made_tokenizer import made_tokenizer
from tests_adapters.core.trainer_setups import SETUPS, fixed, flexible, losses, trainer_for, with_adapter, with_fusion
from tests_adapters.core.zoo import VOCABULARY, build


@pytest.mark.parametrize("accumulated", [1, 2])
@pytest.mark.parametrize("setup", SETUPS)
def test_a_break_changes_nothing(setup: str, accumulated: int, tmp_path: Path) -> None:
    """From the checkpoint after the first epoch, the second one has the same losses and the same end, to the bit."""
    options = {"gradient_accumulation_steps": accumulated, "per_device_train_batch_size": 4 // accumulated}
    whole = trainer_for(SETUPS[setup](), tmp_path, **options)
    whole.train()
    resumed = trainer_for(SETUPS[setup](), tmp_path, **options)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-4"))

    assert losses(resumed) == losses(whole)
    assert_equal(trained_weights(resumed.model), trained_weights(whole.model))


def test_resuming_from_the_last_checkpoint(tmp_path: Path) -> None:
    first = trainer_for(with_adapter(), tmp_path)
    first.train()
    again = trainer_for(with_adapter(), tmp_path)
    again.train(resume_from_checkpoint=True)
    assert_equal(trained_weights(again.model), trained_weights(first.model))


def test_a_checkpoint_that_was_broken_off(tmp_path: Path) -> None:
    """What transformers writes last is missing: training does not go on from there, but from the one before."""
    whole = trainer_for(with_adapter(), tmp_path)
    whole.train()
    (tmp_path / "checkpoint-8" / "trainer_state.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"checkpoint-8/trainer_state\.json"):
        trainer_for(with_adapter(), tmp_path).train(resume_from_checkpoint=True)
    shutil.rmtree(tmp_path / "checkpoint-8")
    resumed = trainer_for(with_adapter(), tmp_path)
    resumed.train(resume_from_checkpoint=True)

    assert_equal(trained_weights(resumed.model), trained_weights(whole.model))


def test_a_checkpoint_holds_adapter_and_head_only(tmp_path: Path) -> None:
    trainer_for(with_adapter(kind=flexible), tmp_path).train()
    checkpoint = tmp_path / "checkpoint-8"
    assert sorted(path.name for path in checkpoint.iterdir()) == [
        "optimizer.pt",
        "rng_state.pth",
        "scheduler.pt",
        "task",
        "trainer_state.json",
        "training_args.bin",
    ]
    assert sorted(path.name for path in (checkpoint / "task").iterdir()) == [
        "adapter.safetensors",
        "adapter_config.json",
        "head_config.json",
        "model_head.safetensors",
    ]


def test_mixtures_and_embeddings_have_folders_of_their_own(tmp_path: Path) -> None:
    model = with_fusion()
    model.add_embeddings("other", made_tokenizer(map(str, range(VOCABULARY))))
    model.get_input_embeddings().requires_grad_(True)
    trainer = trainer_for(model, tmp_path, save_strategy="no")
    trainer.save_model(str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a,b", "b", "embeddings", "training_args.bin"]

    second = with_fusion()
    second.load_embeddings(tmp_path / "embeddings" / "other", "other")
    for name in ("a", "b"):
        second.load_adapter(tmp_path / name)
    second.load_adapter_fusion(tmp_path / "a,b", set_active=True)
    model.eval(), second.eval()
    with torch.no_grad():
        assert torch.equal(model(all_tokens()).logits, second(all_tokens()).logits)


@pytest.mark.parametrize("setup", ["fusion", "embeddings", "norms"])
def test_what_has_no_folder_has_a_file(setup: str, tmp_path: Path) -> None:
    trainer_for(SETUPS[setup](), tmp_path).save_model(str(tmp_path))
    assert (tmp_path / "trained.safetensors").is_file() == (setup == "norms")


@pytest.mark.parametrize("kind", [fixed, flexible])
def test_saved_adapters_are_loaded_by_hand(kind: Callable[[], PreTrainedModel], tmp_path: Path) -> None:
    """What `save_model` writes is an adapter with its head, as `load_adapter` takes it."""
    trainer = trainer_for(with_adapter(kind=kind), tmp_path / "run", save_strategy="no")
    trainer.train()
    trainer.save_model(str(tmp_path / "saved"))

    loaded = generated.init(build("bert", BertForSequenceClassification)) if kind is fixed else build_flexible()
    loaded.load_adapter(tmp_path / "saved" / "task", set_active=True)
    trainer.model.eval()
    with torch.no_grad():
        assert torch.equal(loaded(all_tokens()).logits, trainer.model(all_tokens()).logits)


def build_flexible() -> PreTrainedModel:
    return build("bert", generated.BertAdapterModel)


@pytest.mark.parametrize("setup", SETUPS)
def test_the_best_checkpoint_is_loaded(setup: str, tmp_path: Path) -> None:
    """The worst loss counts as the best: that is not the state at the end."""
    options = {"eval_strategy": "epoch", "metric_for_best_model": "eval_loss", "greater_is_better": True}
    trainer = trainer_for(SETUPS[setup](), tmp_path, load_best_model_at_end=True, **options)
    before = frozen_weights(trainer.model)
    active, trained = trainer.model.active_adapters, set(trained_weights(trainer.model))
    trainer.train()

    evaluations = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    assert evaluations[0] != evaluations[1]
    assert trainer.evaluate()["eval_loss"] == max(evaluations)
    assert trainer.model.active_adapters == active
    assert set(trained_weights(trainer.model)) == trained
    assert_equal(frozen_weights(trainer.model), before)


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    trainer = trainer_for(with_adapter(), tmp_path)
    before = trained_weights(trainer.model)
    with pytest.raises(AdapterFileError, match=r"(?s)nowhere holds no checkpoint.*missing: .*task"):
        trainer.train(resume_from_checkpoint=str(tmp_path / "nowhere"))
    assert_equal(trained_weights(trainer.model), before)


def test_a_checkpoint_of_another_adapter_is_refused(tmp_path: Path) -> None:
    trainer_for(with_adapter("lora"), tmp_path).train()
    trainer = trainer_for(with_adapter("seq_bn"), tmp_path)
    before = trained_weights(trainer.model)
    with pytest.raises(AdapterFileError, match=r"(?s)missing: .*unknown: .*lora_A"):
        trainer.train(resume_from_checkpoint=True)
    assert_equal(trained_weights(trainer.model), before)


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path: Path) -> None:
    """The same shapes, but what the weights are for differs."""

    def scaled(alpha: int) -> PreTrainedModel:
        model = fixed()
        model.add_adapter("task", config=f"lora[alpha={alpha}]")
        model.train_adapter("task")
        return model

    trainer_for(scaled(8), tmp_path).train()
    with pytest.raises(AdapterFileError, match="another configuration: task"):
        trainer_for(scaled(16), tmp_path).train(resume_from_checkpoint=True)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    trainer_for(with_adapter(), tmp_path).train()
    file = tmp_path / "checkpoint-8" / "task" / "adapter.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(AdapterFileError, match="cannot be read as weights"):
        trainer_for(with_adapter(), tmp_path).train(resume_from_checkpoint=True)
