"""What is trained together with an adapter, and what the Trainer of transformers sees."""

import pytest
import torch
from transformers import PreTrainedConfig, PreTrainedModel, Trainer, TrainingArguments

from tests_adapters.core.heads import tiny
from tests_adapters.core.heads.examples import example_inputs
from tests_adapters.core.heads.random_models import adapter_model, randomize, with_head


def trainable(model: PreTrainedModel) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def test_only_the_adapter_and_its_head() -> None:
    model = with_head(tiny.BERT, "classification", "task")
    model.add_tagging_head("other")
    model.add_adapter("task")
    model.add_adapter("other")

    model.train_adapter("task")

    assert model.active_head == "task"
    heads = {name for name in trainable(model) if name.startswith("heads.")}
    assert heads == {f"heads.task.{name}" for name in model.heads["task"].state_dict()}
    assert trainable(model) - heads
    assert all(".adapters.task." in name for name in trainable(model) - heads)


def test_training_moves_on_to_another_head() -> None:
    model = with_head(tiny.BERT, "classification", "first")
    model.add_tagging_head("second")
    for name in ("first", "second"):
        model.add_adapter(name)

    model.train_adapter("first")
    model.train_adapter("second")

    heads = {name.split(".")[1] for name in trainable(model) if name.startswith("heads.")}
    assert heads == {"second"}


def test_without_a_head_of_its_name_the_active_head_is_trained() -> None:
    model = with_head(tiny.BERT, "classification", "task")
    model.add_adapter("language")

    model.train_adapter("language")

    assert {name.split(".")[1] for name in trainable(model) if name.startswith("heads.")} == {"task"}


@pytest.mark.parametrize(
    ("config", "kind", "head_type"),
    [
        (tiny.BERT, "masked_lm", "masked_lm"),
        (tiny.LLAMA, "causal_lm", "causal_lm"),
        (tiny.T5, "seq2seq_lm", "seq2seq_lm"),
    ],
)
def test_projections_onto_the_vocabulary_stay(config: PreTrainedConfig, kind: str, head_type: str) -> None:
    model = with_head(config, kind)
    model.add_adapter("task")

    model.train_adapter("task")

    assert not model.get_input_embeddings().weight.requires_grad
    assert not any(parameter.requires_grad for parameter in model.get_output_embeddings().parameters())
    transforms = {name for name in trainable(model) if name.startswith("heads.")}
    last = len(model.heads["task"]) - 1
    assert transforms == {
        f"heads.task.{name}" for name in model.heads["task"].state_dict() if not name.startswith(f"{last}.")
    }
    model(**example_inputs(head_type, config)).loss.backward()
    assert {name for name, parameter in model.named_parameters() if parameter.grad is not None} == trainable(model)


def test_several_active_heads_are_trained_together() -> None:
    model = with_head(tiny.BERT, "masked_lm", "lm")
    model.add_causal_lm_head("next")
    model.add_tagging_head("tags")
    model.add_adapter("task")
    model.active_head = ["lm", "next"]

    model.train_adapter("task")

    heads = {name.removeprefix("heads.") for name in trainable(model) if name.startswith("heads.")}
    assert {name.split(".")[0] for name in heads} == {"lm", "next"}
    assert not any(name.split(".")[1] == "3" for name in heads)


def test_embeddings_on_demand() -> None:
    model = with_head(tiny.BERT, "masked_lm")
    model.add_adapter("task")

    model.train_adapter("task", train_embeddings=True)

    assert model.get_input_embeddings().weight.requires_grad
    assert not model.get_output_embeddings().bias.requires_grad


def test_a_step_moves_only_what_is_trained() -> None:
    model = with_head(tiny.BERT, "classification")
    model.add_adapter("task", config="double_seq_bn[reduction_factor=2, non_linearity='tanh']")
    randomize(model)
    model.train_adapter("task")
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    optimizer = torch.optim.SGD((parameter for parameter in model.parameters() if parameter.requires_grad), lr=1.0)

    for _ in range(2):
        optimizer.zero_grad()
        model(**example_inputs("classification", tiny.BERT, 2)).loss.backward()
        optimizer.step()

    moved = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert moved == trainable(model)


def test_activating_adapters_activates_their_head() -> None:
    model = with_head(tiny.BERT, "tagging", "a")
    model.add_tagging_head("b")
    for name in ("a", "b", "c"):
        model.add_adapter(name)

    model.set_active_adapters(["b", "a"])
    assert model.active_head == "a"
    model.set_active_adapters(["a", "c"])
    assert model.active_head == "a"
    model.set_active_adapters("b")
    assert model.active_head == "b"
    model.set_active_adapters(None)
    assert model.active_head == "b"


def test_gradient_checkpointing_changes_nothing() -> None:
    model, inputs = with_head(tiny.LLAMA, "classification"), example_inputs("classification", tiny.LLAMA, 2)
    model.train()
    model(**inputs).loss.backward()
    expected = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()

    model.activation_checkpointing_enable()
    model(**inputs).loss.backward()

    assert all(torch.equal(parameter.grad, expected[name]) for name, parameter in model.named_parameters())


def test_the_trainer_of_transformers_finds_its_columns(tmp_path) -> None:
    model = with_head(tiny.BERT, "classification")
    model.add_adapter("task")
    model.train_adapter("task")
    inputs = example_inputs("classification", tiny.BERT, 2)
    rows = [{name: tensor[row] for name, tensor in inputs.items()} | {"row": row} for row in range(3)]
    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        max_steps=2,
        per_device_train_batch_size=3,
        label_names=model.heads["task"].get_label_names(),
        report_to=[],
        save_strategy="no",
        use_cpu=True,
    )
    before = model.heads["task"][1].weight.clone()

    trainer = Trainer(model=model, args=arguments, train_dataset=rows, eval_dataset=rows)
    trainer.train()

    assert not torch.equal(model.heads["task"][1].weight, before)
    assert "eval_loss" in trainer.evaluate()


def test_the_trainer_may_scale_only_losses_that_can_be_scaled() -> None:
    assert with_head(tiny.GPT2, "causal_lm").accepts_loss_kwargs
    assert not with_head(tiny.GPT2, "classification").accepts_loss_kwargs
    assert not adapter_model(tiny.GPT2).accepts_loss_kwargs
