"""From arguments of a command line to an adapter that is trained."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import BertForSequenceClassification, HfArgumentParser

from generated import AdapterArguments, Stack, setup_adapter_training
from generated.core.errors import TrainingSetupError
from tests_adapters.core.zoo import fresh


def parsed(*arguments: str) -> AdapterArguments:
    return HfArgumentParser(AdapterArguments).parse_args_into_dataclasses(list(arguments))[0]


def stored(folder: Path, name: str, config: str) -> str:
    model = fresh("bert", BertForSequenceClassification)
    model.add_adapter(name, config=config)
    model.save_adapter(folder / name, name)
    return str(folder / name)


def trained_adapters(model) -> set[str]:
    found = (name.split(".") for name, parameter in model.named_parameters() if parameter.requires_grad)
    return {name for segments in found for name in model.adapters_config if name in segments}


def test_a_new_adapter() -> None:
    model = fresh("bert", BertForSequenceClassification)
    arguments = parsed("--train_adapter", "--adapter_config", "lora")
    assert setup_adapter_training(model, arguments, "task", {"r": 3}) == ("task", None)
    assert model.adapters_config["task"].r == 3
    assert model.active_adapters == Stack("task")
    assert trained_adapters(model) == {"task"}


def test_an_adapter_that_is_there_is_kept() -> None:
    model = fresh("bert", BertForSequenceClassification)
    model.add_adapter("task", config="ia3")
    config = model.adapters_config["task"]
    setup_adapter_training(model, parsed("--train_adapter"), "task")
    assert model.adapters_config["task"] is config


def test_adapters_of_folders(tmp_path: Path) -> None:
    """The language adapter acts, and is not trained."""
    task, language = stored(tmp_path, "old", "lora"), stored(tmp_path, "german", "seq_bn_inv")
    model = fresh("bert", BertForSequenceClassification)
    arguments = parsed("--train_adapter", "--load_adapter", task, "--load_lang_adapter", language)
    assert setup_adapter_training(model, arguments, "task") == ("task", "german")
    assert model.active_adapters == Stack("german", "task")
    assert trained_adapters(model) == {"task"}


def test_no_adapters() -> None:
    model = fresh("bert", BertForSequenceClassification)
    assert setup_adapter_training(model, parsed(), "task") == (None, None)
    assert not model.has_adapters()
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("argument", ["--load_adapter", "--load_lang_adapter"])
def test_loading_without_training_is_refused(argument: str) -> None:
    with pytest.raises(TrainingSetupError, match="--train_adapter"):
        setup_adapter_training(fresh("bert"), parsed(argument, "somewhere"), "task")


def test_more_arguments_for_loading(tmp_path: Path) -> None:
    task = stored(tmp_path, "old", "seq_bn")
    model = fresh("bert", BertForSequenceClassification)
    arguments = parsed("--train_adapter", "--load_adapter", task)
    setup_adapter_training(model, arguments, "task", adapter_load_kwargs={"leave_out": [0]})
    assert list(model.get_adapter("task")) == [1]
