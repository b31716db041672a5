"""Training with `AdapterTrainer`: what is checked, what is saved, and that a break changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from transformers import (
    BartForConditionalGeneration,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    LlamaForCausalLM,
    PreTrainedModel,
    Seq2SeqTrainingArguments,
    Trainer,
    integrations,
)
from transformers import trainer as trainer_module

import generated
from generated import AdapterTrainer, AdapterTrainerCallback, Fuse, Parallel, Route, Seq2SeqAdapterTrainer, Stack
from generated.core.errors import AdapterFileError, TrainingSetupError
from tests_adapters.core.made_data import (
    Copies,
    Questions,
    Sentences,
    all_tokens,
    arguments,
    assert_equal,
    frozen_weights,
    trained_weights,
)
from tests_adapters.core.made_tokenizer import made_tokenizer
from tests_adapters.core.zoo import METHODS, VOCABULARY, build


def fixed() -> PreTrainedModel:
    return generated.init(build("bert", BertForSequenceClassification))


def flexible() -> PreTrainedModel:
    model = build("bert", generated.BertAdapterModel)
    torch.manual_seed(1)
    model.add_classification_head("task", num_labels=2)
    return model


def with_adapter(method: str = "seq_bn", kind: Callable[[], PreTrainedModel] = fixed) -> PreTrainedModel:
    model = kind()
    torch.manual_seed(2)
    model.add_adapter("task", config=METHODS[method]())
    model.train_adapter("task")
    return model


def with_fusion(config: str = "dynamic") -> PreTrainedModel:
    model = fixed()
    torch.manual_seed(2)
    for name in ("a", "b"):
        model.add_adapter(name, config=METHODS["seq_bn"]())
    model.add_adapter_fusion(["a", "b"], config=config)
    model.train_adapter_fusion(Fuse("a", "b"))
    return model


def with_embeddings() -> PreTrainedModel:
    model = with_adapter()
    model.train_adapter("task", train_embeddings=True)
    return model


def with_other_embeddings() -> PreTrainedModel:
    model = with_adapter()
    model.add_embeddings("other", made_tokenizer(map(str, range(VOCABULARY))))
    model.train_adapter("task", train_embeddings=True)
    return model


def with_norms() -> PreTrainedModel:
    """A part of the base model is trained on purpose."""
    model = with_adapter()
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.requires_grad_(True)
    return model


def trainer_for(model: PreTrainedModel, folder: Path, **options: object) -> AdapterTrainer:
    return AdapterTrainer(model, arguments(folder, **options), train_dataset=Sentences(), eval_dataset=Sentences())


def losses(trainer: Trainer) -> list[float]:
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


SETUPS = {
    **{method: lambda method=method: with_adapter(method) for method in ("lora", "prefix_tuning", "compacter")},
    "flexible": lambda: with_adapter(kind=flexible),
    "flexible compacter": lambda: with_adapter("compacter", flexible),
    "fusion": with_fusion,
    "embeddings": with_embeddings,
    "other embeddings": with_other_embeddings,
    "norms": with_norms,
}


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
    """Once per update, however many batches it has."""
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
    assert losses(shown)[0] - losses(plain)[0] == pytest.approx(penalty, rel=1e-3)
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
