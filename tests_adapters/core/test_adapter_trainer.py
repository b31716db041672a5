"""Training with `AdapterTrainer`: what is checked, what the loss is, and which models are taken."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import (
    BartForConditionalGeneration,
    BertForQuestionAnswering,
    LlamaForCausalLM,
    PreTrainedModel,
    Seq2SeqTrainingArguments,
    Trainer,
    integrations,
)
from transformers import trainer as trainer_module

import generated
from generated import AdapterTrainer, AdapterTrainerCallback, Parallel, Route, Seq2SeqAdapterTrainer, Stack
from generated.core.errors import TrainingSetupError
from tests_adapters.core.made_data import (
    Copies,
    Questions,
    Sentences,
    arguments,
    assert_equal,
    frozen_weights,
    trained_weights,
)
from tests_adapters.core.trainer_setups import fixed, flexible, losses, trainer_for, with_adapter, with_fusion
from tests_adapters.core.zoo import METHODS, build


def test_only_what_is_trained_changes(tmp_path: Path) -> None:
    model = with_adapter()
    model.add_adapter("other")
    model.train_adapter("task")
    frozen, trained = frozen_weights(model), trained_weights(model)
    trainer_for(model, tmp_path).train()
    assert_equal(frozen_weights(model), frozen)
    assert not any(torch.equal(value, trained[name]) for name, value in trained_weights(model).items())


def test_no_active_adapter_is_refused(tmp_path: Path) -> None:
    model = fixed()
    model.add_adapter("task")
    with pytest.raises(TrainingSetupError, match="no adapter is active"):
        trainer_for(model, tmp_path)


def test_adapters_to_activate(tmp_path: Path) -> None:
    model = with_adapter()
    model.add_adapter("second")
    AdapterTrainer(model, arguments(tmp_path), adapter_names=["second", "task"])
    assert model.active_adapters == Stack("second", "task")


def test_a_base_model_that_is_not_frozen_is_refused(tmp_path: Path) -> None:
    model = fixed()
    model.add_adapter("task", set_active=True)
    trainer = trainer_for(model, tmp_path)
    assert "eval_loss" in trainer.evaluate()
    with pytest.raises(TrainingSetupError, match=r"not frozen.*train_adapter"):
        trainer.train()


def test_nothing_to_train_is_refused(tmp_path: Path) -> None:
    model = with_adapter()
    model.requires_grad_(False)
    with pytest.raises(TrainingSetupError, match="everything is frozen"):
        trainer_for(model, tmp_path).train()


def test_the_callback_checks_for_other_trainers(tmp_path: Path) -> None:
    model = fixed()
    model.add_adapter("task", set_active=True)
    trainer = Trainer(model, arguments(tmp_path), train_dataset=Sentences(), callbacks=[AdapterTrainerCallback()])
    with pytest.raises(TrainingSetupError, match="not frozen"):
        trainer.train()


def test_fusion_is_trained_and_its_adapters_are_not(tmp_path: Path) -> None:
    model = with_fusion()
    frozen, trained = frozen_weights(model), trained_weights(model)
    trainer_for(model, tmp_path).train()
    assert {name for name in trained if "adapter_fusion_layer.a,b" in name}
    assert_equal(frozen_weights(model), frozen)
    assert not any(torch.equal(value, trained[name]) for name, value in trained_weights(model).items())


def test_value_maps_of_fusions_do_not_decay(tmp_path: Path) -> None:
    trainer = trainer_for(with_fusion(), tmp_path, weight_decay=0.1)
    groups = {group["weight_decay"]: {*map(id, group["params"])} for group in trainer.create_optimizer().param_groups}
    of_fusion = {name: value for name, value in trainer.model.named_parameters() if "fusion_layer" in name}
    for name, value in of_fusion.items():
        is_exempt = ".value." in name or name.endswith("bias")
        assert id(value) in groups[0.0 if is_exempt else 0.1], name
    assert {name.rsplit(".", 2)[-2] for name in of_fusion} == {"query", "key", "value"}


@pytest.mark.parametrize("accumulated", [1, 2])
def test_regularisation_is_part_of_the_loss(accumulated: int, tmp_path: Path) -> None:
    """Once per update, however many batches it has. The loss itself is a mean, whatever `Trainer` takes it for."""
    model = with_fusion()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if ".value." in name:
                value.fill_(0.5)
    options = {"gradient_accumulation_steps": accumulated, "per_device_train_batch_size": 4 // accumulated}
    penalty = model.get_fusion_regularization_loss().item()
    shown = trainer_for(model, tmp_path / "1", max_steps=1, learning_rate=0.0, **options)
    shown.train()
    plain = Trainer(
        model, arguments(tmp_path / "2", max_steps=1, learning_rate=0.0, **options), train_dataset=Sentences()
    )
    plain.train()
    assert penalty > 0.1
    assert losses(shown)[0] - losses(plain)[0] / accumulated == pytest.approx(penalty, rel=1e-3)
    assert shown.evaluate()["eval_loss"] == Trainer(model, arguments(tmp_path)).evaluate(Sentences())["eval_loss"]


def test_targets_of_heads_with_names(tmp_path: Path) -> None:
    """No one has to say what the targets of a question answering head are called."""
    model = build("bert", generated.BertAdapterModel)
    model.add_qa_head("task")
    model.add_adapter("task")
    model.train_adapter("task")
    trainer = AdapterTrainer(model, arguments(tmp_path), train_dataset=Questions(), eval_dataset=Questions())
    trainer.train()
    assert trainer.label_names == ["start_positions", "end_positions"]
    assert "eval_loss" in trainer.evaluate()
    predictions = trainer.predict(Questions())
    assert [part.shape for part in predictions.predictions] == [(16, 6), (16, 6)]
    assert [part.shape for part in predictions.label_ids] == [(16,), (16,)]


def test_targets_of_a_fixed_head(tmp_path: Path) -> None:
    model = generated.init(build("bert", BertForQuestionAnswering))
    model.add_adapter("task")
    model.train_adapter("task")
    trainer = AdapterTrainer(model, arguments(tmp_path), train_dataset=Questions(), eval_dataset=Questions())
    assert trainer.label_names == ["start_positions", "end_positions"]
    assert "eval_loss" in trainer.evaluate()


def test_columns_for_adapters_and_heads_are_kept(tmp_path: Path) -> None:
    model = with_adapter(kind=flexible)
    trainer = trainer_for(model, tmp_path)
    trainer._set_signature_columns_if_needed()
    assert {"task_ids", "adapter_ids", "labels", "input_ids"} <= set(trainer._signature_columns)
    collated = trainer._get_collator_with_removed_columns(lambda rows: rows)([{"task_ids": 1, "title": "x"}])
    assert collated == [{"task_ids": 1}]


def with_two_heads() -> PreTrainedModel:
    model = build("bert", generated.BertAdapterModel)
    for name in ("a", "b"):
        model.add_adapter(name, config=METHODS["seq_bn"]())
        model.add_classification_head(name, num_labels=2)
    return model


def test_adapters_side_by_side_with_a_head_each(tmp_path: Path) -> None:
    model = with_two_heads()
    model.train_adapter(Parallel("a", "b"))
    before = trained_weights(model)
    trainer = trainer_for(model, tmp_path)
    trainer.train()
    assert not any(torch.equal(value, before[name]) for name, value in trained_weights(model).items())
    assert [head.logits.shape for head in trainer.predict(Sentences()).predictions] == [(16, 2), (16, 2)]


def test_examples_go_where_a_column_says(tmp_path: Path) -> None:
    model = with_two_heads()
    model.train_adapter(Route("a", "b"))
    model.active_head = "a"
    before = trained_weights(model)
    AdapterTrainer(model, arguments(tmp_path), train_dataset=Sentences(adapter_ids=torch.tensor(1))).train()
    moved = {name for name, value in trained_weights(model).items() if not torch.equal(value, before[name])}
    assert {name.split(".adapters.")[1][0] for name in moved if ".adapters." in name} == {"b"}


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_flexible_language_models_count_and_smooth_as_fixed_ones(smoothing: float, tmp_path: Path) -> None:
    """Over accumulated batches with different numbers of labels."""

    def run(model: PreTrainedModel, folder: Path) -> list[float]:
        torch.manual_seed(2)
        model.add_adapter("task", config="lora")
        model.train_adapter("task")
        options = {"gradient_accumulation_steps": 2, "per_device_train_batch_size": 2}
        args = arguments(folder, max_steps=3, label_smoothing_factor=smoothing, **options)
        trainer = AdapterTrainer(model, args, train_dataset=Copies())
        trainer.train()
        return losses(trainer)

    fixed_head = build("llama", LlamaForCausalLM)
    fixed_head.save_pretrained(tmp_path / "model")
    flexible_head = generated.LlamaAdapterModel.from_pretrained(tmp_path / "model")
    flexible_head.active_head = "default"
    expected = run(generated.init(fixed_head), tmp_path / "fixed")
    assert run(flexible_head, tmp_path / "flexible") == pytest.approx(expected, rel=1e-5)


def test_sequence_to_sequence(tmp_path: Path) -> None:
    model = generated.init(build("bart", BartForConditionalGeneration))
    model.add_adapter("task", config="lora")
    model.train_adapter("task")
    options = {"predict_with_generate": True, "generation_max_length": 20, "max_steps": 2}
    trainer = Seq2SeqAdapterTrainer(
        model, arguments(tmp_path, Seq2SeqTrainingArguments, **options), train_dataset=Copies(), eval_dataset=Copies()
    )
    trainer.train()
    assert isinstance(trainer, AdapterTrainer)
    assert trainer.predict(Copies()).predictions.shape == (16, 20)
    assert not list(tmp_path.rglob("model.safetensors"))


RECOMPUTED = [
    {"activation_checkpointing": True, "activation_checkpointing_kwargs": {"use_reentrant": form}}
    for form in (False, True)
]


@pytest.mark.parametrize("options", [{"torch_compile": True, "torch_compile_backend": "eager"}, *RECOMPUTED])
def test_checkpointing_and_compilation_change_nothing(options: dict[str, object], tmp_path: Path) -> None:
    expected = trainer_for(with_adapter(), tmp_path / "plain", max_steps=2)
    expected.train()
    trainer = trainer_for(with_adapter(), tmp_path / "other", max_steps=2, **options)
    trainer.train()
    weights = trained_weights(expected.model)
    for name, value in trained_weights(trainer.adapted_model).items():
        torch.testing.assert_close(value, weights[name], rtol=1e-4, atol=1e-5, msg=name)
    assert (tmp_path / "other" / "checkpoint-2" / "task" / "adapter.safetensors").is_file()


def test_hyperparameter_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each trial starts from a new model; checkpoints hold adapters."""
    made: list[PreTrainedModel] = []

    def model_init() -> PreTrainedModel:
        made.append(with_adapter())
        return made[-1]

    def search(trainer: Trainer, n_trials: int, direction: str, **kwargs: object) -> list[float]:
        results = []
        for number, rate in enumerate((0.0, 0.05)):
            trainer.train(trial=SimpleNamespace(number=number, params={"learning_rate": rate}))
            results.append(trainer.evaluate()["eval_loss"])
        return results

    backend = SimpleNamespace(run=search, ensure_available=lambda: None, default_hp_space=lambda trial: trial.params)
    monkeypatch.setitem(trainer_module.ALL_HYPERPARAMETER_SEARCH_BACKENDS, "optuna", lambda: backend)
    monkeypatch.setattr(integrations, "hp_params", lambda trial: trial.params)
    args = arguments(tmp_path, max_steps=4)
    trainer = AdapterTrainer(None, args, model_init=model_init, train_dataset=Sentences(), eval_dataset=Sentences())
    without, with_training = trainer.hyperparameter_search(backend="optuna", n_trials=2)

    assert len(made) == 3
    assert without != with_training
    assert_equal(trained_weights(made[1]), trained_weights(with_adapter()))
    assert len(list(tmp_path.glob("run-*/checkpoint-*/task/adapter.safetensors"))) == 2


@pytest.mark.parametrize("by_function", [False, True])
def test_quantised_models_are_taken(by_function: bool, tmp_path: Path) -> None:
    """transformers trains only adapters of PEFT on them."""
    model = with_adapter()
    model.is_quantized = True
    model.hf_quantizer = SimpleNamespace(is_trainable=True, quantization_config=SimpleNamespace(quant_method="x"))
    with pytest.raises(ValueError, match="purely quantized"):
        Trainer(model, arguments(tmp_path))
    given = {"model_init": lambda: model} if by_function else {"model": model}
    trainer = AdapterTrainer(args=arguments(tmp_path), train_dataset=Sentences(), **given)
    assert trainer.model.is_quantized
    trainer.train()
    assert (tmp_path / "checkpoint-8" / "task" / "adapter.safetensors").is_file()


def test_a_quantisation_without_gradients_is_refused(tmp_path: Path) -> None:
    model = with_adapter()
    model.is_quantized = True
    model.hf_quantizer = SimpleNamespace(is_trainable=False, quantization_config=SimpleNamespace(quant_method="x"))
    with pytest.raises(TrainingSetupError, match="quantised by x"):
        AdapterTrainer(model, arguments(tmp_path))
    assert model.is_quantized
