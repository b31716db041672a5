"""transformers' own Trainer on a model with adapters: what it saves is what it reads back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import BertForSequenceClassification, PreTrainedModel, Trainer

import generated
from tests_adapters.core.made_data import Sentences, arguments, trained_weights
from tests_adapters.core.zoo import METHODS, build


def fixed(architecture: str) -> PreTrainedModel:
    return generated.init(build(architecture, BertForSequenceClassification))


def flexible(architecture: str) -> PreTrainedModel:
    model = build(architecture, generated.BertAdapterModel)
    torch.manual_seed(1)
    model.add_classification_head("task", num_labels=2)
    return model


def model_with(method: str, kind: Callable[[str], PreTrainedModel] = fixed) -> PreTrainedModel:
    model = kind("bert")
    model.add_adapter("task", config=METHODS[method]())
    model.train_adapter("task")
    return model


def trained(folder: Path, model: PreTrainedModel, resume: bool = False, **options: object) -> dict[str, torch.Tensor]:
    """What the adapter and the head are after two epochs of four steps."""
    trainer = Trainer(model, arguments(folder, **options), train_dataset=Sentences(), eval_dataset=Sentences())
    trainer.train(resume_from_checkpoint=str(folder / "checkpoint-4") if resume else None)
    return trained_weights(model)


@pytest.mark.parametrize("kind", [fixed, flexible])
@pytest.mark.parametrize("method", ["seq_bn", "lora", "prefix_tuning", "compacter"])
def test_resuming(method: str, kind: Callable[[str], PreTrainedModel], tmp_path: Path) -> None:
    """From the checkpoint after the first epoch, the second one ends where it did without the break."""
    expected = trained(tmp_path, model_with(method, kind))
    resumed = trained(tmp_path, model_with(method, kind), resume=True)

    assert resumed.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(resumed[name], value, msg=lambda text, name=name: f"{name}: {text}")


def test_the_best_checkpoint_is_loaded(tmp_path: Path) -> None:
    """Adapter and head are those of one and the same checkpoint."""
    model = model_with("lora")
    best = {"load_best_model_at_end": True, "eval_strategy": "epoch", "metric_for_best_model": "eval_loss"}
    at_end = trained(tmp_path, model, greater_is_better=True, **best)

    folders = sorted(tmp_path.glob("checkpoint-*"))
    states = [BertForSequenceClassification.from_pretrained(folder).classifier.weight for folder in folders]
    chosen = folders[[torch.equal(state, at_end["classifier.weight"]) for state in states].index(True)]
    loaded = generated.init(BertForSequenceClassification.from_pretrained(chosen))
    loaded.load_adapter(chosen / "adapters" / "task")
    for name, value in at_end.items():
        assert torch.equal(loaded.get_parameter(name), value)
