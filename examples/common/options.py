"""The arguments of every example, and of the training behind it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch
from transformers import HfArgumentParser, TrainingArguments


REST = """
All other arguments are those of transformers' TrainingArguments, for instance --max-steps, --num-train-epochs,
--learning-rate, --per-device-train-batch-size, --gradient-accumulation-steps, --bf16, --seed.
"""
TINY = {"learning_rate": 5e-3, "max_steps": 300, "per_device_train_batch_size": 32, "per_device_eval_batch_size": 64}
REAL = {"learning_rate": 1e-4, "num_train_epochs": 3}


@dataclass(frozen=True)
class Defaults:
    """
    What an example does if it is not told otherwise.

    Args:
        name: of the adapter, and of the folder below `runs/`.
        tiny: arguments of the training with `--tiny`; `real`: without.
    """

    name: str
    model: str
    dataset: str
    dataset_config: str | None = None
    train_split: str = "train"
    eval_split: str = "validation"
    adapter: str = "seq_bn"
    max_length: int = 128
    tiny: Mapping[str, Any] = field(default_factory=dict)
    real: Mapping[str, Any] = field(default_factory=dict)
    training: type[TrainingArguments] = TrainingArguments


@dataclass(frozen=True)
class Options:
    """
    What an example is to do.

    Args:
        output: folder for everything that is written.
        limit: the most examples of each split.
        training: arguments of the trainer.
        given: names of the arguments of the trainer that people gave.
        more: arguments that this example alone has.
    """

    model: str
    dataset: str
    dataset_config: str | None
    train_split: str
    eval_split: str
    adapter: str
    name: str
    output: Path
    tiny: bool
    limit: int | None
    max_length: int
    training: TrainingArguments
    given: frozenset[str]
    more: argparse.Namespace

    @property
    def most_steps(self) -> int | None:
        """How long anything may be trained, if people said so: tiny models are not pretrained longer."""
        return self.training.max_steps if "max_steps" in self.given else None

    def of(self, **changes: Any) -> Options:
        """The same with other values."""
        return replace(self, **changes)


def read_options(
    doc: str,
    defaults: Defaults,
    arguments: Sequence[str] | None = None,
    add: Callable[[argparse.ArgumentParser], None] = lambda parser: None,
) -> Options:
    """
    Args:
        doc: of the script: what it does, and commands as examples.
        arguments: by default those of the command line.
        add: adds what this example alone takes.

    Raises:
        SystemExit: for `--help`, and for arguments that there are not.
    """
    parser = _parser(doc, defaults)
    add(parser)
    given, rest = parser.parse_known_args(arguments)
    output = given.output or Path("runs", defaults.name)
    usual: dict[str, Any] = {"seed": 0, "logging_steps": 50, "save_strategy": "no"}
    usual |= {"output_dir": str(output / "checkpoints"), "dataloader_pin_memory": torch.cuda.is_available()}
    usual |= (TINY | dict(defaults.tiny)) if given.tiny else (REAL | dict(defaults.real))
    if given.dataset == defaults.dataset and given.dataset_config is None:
        given.dataset_config = defaults.dataset_config
    training = _training_arguments(defaults.training, rest, usual)
    shared = {each.name: getattr(given, each.name) for each in fields(Options) if hasattr(given, each.name)}
    named = frozenset(each.partition("=")[0].lstrip("-").replace("-", "_") for each in rest if each.startswith("--"))
    return Options(**shared | {"output": output}, training=training, given=named, more=given)


def _parser(doc: str, defaults: Defaults) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=doc, epilog=REST, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    said = f"{defaults.dataset} {defaults.dataset_config or ''}".strip()
    parser.add_argument("--tiny", action="store_true", help="made data and a small new model, without a network")
    parser.add_argument("--model", default=defaults.model, help=f"of the Hub, or a folder ({defaults.model})")
    parser.add_argument("--dataset", default=defaults.dataset, help=f"of the Hub, or a folder ({said})")
    parser.add_argument("--dataset-config", default=None, help="which part of the data set, for instance mrpc")
    parser.add_argument("--train-split", default=defaults.train_split, help=f"({defaults.train_split})")
    parser.add_argument("--eval-split", default=defaults.eval_split, help=f"({defaults.eval_split})")
    parser.add_argument(
        "--adapter",
        default=defaults.adapter,
        help=f"lora, seq_bn, prefix_tuning, loreft, lora[r=16] … ({defaults.adapter})",
    )
    parser.add_argument("--name", default=defaults.name, help=f"of the adapter ({defaults.name})")
    parser.add_argument("--output", type=Path, help=f"folder for what is written (runs/{defaults.name})")
    parser.add_argument("--limit", type=int, help="use no more than so many examples of each split")
    parser.add_argument("--max-length", type=int, default=defaults.max_length, help=f"tokens ({defaults.max_length})")
    return parser


def _training_arguments(
    kind: type[TrainingArguments], rest: Sequence[str], usual: Mapping[str, Any]
) -> TrainingArguments:
    parser = HfArgumentParser(kind, usage="an argument of transformers' TrainingArguments; see --help of the example")
    parser.set_defaults(**usual)
    (training,) = parser.parse_args_into_dataclasses(args=list(rest), look_for_args_file=False)
    return training
