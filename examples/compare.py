"""Train all weights of a model, and adapters of five methods, on the same tasks; write a table and a plot.

    python examples/compare.py --tiny
    python examples/compare.py --model roberta-base --dataset nyu-mll/glue --tasks mrpc rte --seeds 3

Written are comparison.json, with every run, comparison.md and comparison.png. Trained weights are counted with the
head. The learning rates are those of METHODS, unless --learning-rate gives one for all.
"""

from __future__ import annotations

import copy
import json
import time
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoTokenizer, DataCollatorWithPadding, Trainer, TrainingArguments, set_seed

from common.comparison import Row, Run, plot, rows_of, table
from common.errors import told
from common.memory import peak
from common.options import Defaults, Options, read_options
from common.sources import loaded, splits
from common.texts import Task, encoded, task_of
from common.training import sizes
from generated import AdapterTrainer, AutoAdapterModel
from tiny.reading import made_comparison


DEFAULTS = Defaults("compare", "google-bert/bert-base-uncased", "nyu-mll/glue", tiny={"max_steps": 300})
NAME = "task"
ENDS = "loreft[r=4,prefix_positions=3,suffix_positions=4,tied_weights=True]"  # of reviews: what they are about and say


@dataclass(frozen=True)
class Setting:
    """
    How a method is trained.

    Args:
        adapter: its configuration; `None` trains all weights.
    """

    adapter: str | None
    learning_rate: float


@dataclass(frozen=True)
class Method:
    """A method, for models of usual size and for a tiny one."""

    name: str
    real: Setting
    tiny: Setting


METHODS = (
    Method("full fine-tuning", Setting(None, 2e-5), Setting(None, 1e-3)),
    Method("bottleneck", Setting("seq_bn", 1e-4), Setting("seq_bn[reduction_factor=8]", 1e-2)),
    Method("LoRA", Setting("lora", 3e-4), Setting("lora[r=4]", 1e-2)),
    Method("(IA)³", Setting("ia3", 3e-3), Setting("ia3", 5e-2)),
    Method("prefix tuning", Setting("prefix_tuning", 1e-3), Setting("prefix_tuning_flat[prefix_length=8]", 3e-2)),
    Method("ReFT", Setting("loreft", 1e-3), Setting(ENDS, 1e-2)),
)


@dataclass(frozen=True)
class Work:
    """A task with its data, ready to be trained on."""

    name: str
    task: Task
    train: Dataset
    test: Dataset
    collator: Callable[[Any], Any]


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    with told():
        options = read_options(__doc__, DEFAULTS, arguments, add_arguments)
        return run(made_comparison(options) if options.tiny else options)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--tasks", nargs="+", default=["mrpc", "rte"], help="parts of the data set (mrpc rte)")
    parser.add_argument("--seeds", type=int, default=1, help="how often each is trained (1)")


def run(options: Options) -> list[Row]:
    works = [prepared(options, name) for name in options.more.tasks]
    runs = []
    for method in METHODS:
        for work in works:
            for seed in range(options.more.seeds):
                runs.append(one_run(options, method, work, options.training.seed + seed))
                print(f"{method.name}, {work.name}, seed {seed}: {runs[-1].score:.3f}", flush=True)
    rows = rows_of(runs)
    options.output.mkdir(parents=True, exist_ok=True)
    kept = json.dumps([asdict(each) for each in runs], indent=2, ensure_ascii=False)
    (options.output / "comparison.json").write_text(f"{kept}\n", encoding="utf-8")
    (options.output / "comparison.md").write_text(f"{table(rows)}\n", encoding="utf-8")
    plot(rows, options.output / "comparison.png")
    print(f"\n{table(rows)}\n\nwritten: {options.output}/comparison.json, .md, .png")
    return rows


def prepared(options: Options, name: str) -> Work:
    train, test = splits(options, name)
    tokenizer = loaded("tokenizer", options.model, AutoTokenizer.from_pretrained)
    task = task_of(train)
    train, test = (encoded(data, tokenizer, options.max_length) for data in (train, test))
    return Work(name, task, train, test, DataCollatorWithPadding(tokenizer))


def one_run(options: Options, method: Method, work: Work, seed: int) -> Run:
    setting = method.tiny if options.tiny else method.real
    trainer = trainer_of(options, setting, work, seed)
    trained, parameters = sizes(trainer.model)
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time  # others may use the same cores
    started = clock()
    trainer.train()
    seconds = clock() - started
    score = work.task.measure(trainer, work.test)()
    most = peak(trainer.model, lambda: two_steps(trainer))
    return Run(method.name, work.name, seed, score, trained, parameters, seconds, most)


def trainer_of(options: Options, setting: Setting, work: Work, seed: int) -> Trainer:
    """A new model with a new head, and an adapter unless all weights are trained."""
    set_seed(seed)
    model = loaded("model", options.model, AutoAdapterModel.from_pretrained)
    work.task.add_head(model, NAME)
    kind: type[Trainer] = Trainer
    if setting.adapter is not None:
        model.add_adapter(NAME, config=setting.adapter)
        model.train_adapter(NAME)
        kind = AdapterTrainer
    return kind(model, arguments_of(options, setting, seed), train_dataset=work.train, data_collator=work.collator)


def arguments_of(options: Options, setting: Setting, seed: int) -> TrainingArguments:
    training = copy.deepcopy(options.training)
    training.seed = seed
    training.label_names = ["labels"]  # of heads that have names, transformers' own trainer does not know it
    if "learning_rate" not in options.given:
        training.learning_rate = setting.learning_rate
    return training


def two_steps(trainer: Trainer) -> None:
    """The memory of more steps is that of the second: it has gradients, and what the optimizer keeps."""
    model, data = trainer.model, iter(trainer.get_train_dataloader())
    optimizer = torch.optim.AdamW(parameter for parameter in model.parameters() if parameter.requires_grad)
    batch = trainer._prepare_inputs(next(data))
    for _ in range(2):
        optimizer.zero_grad()
        model(**batch).loss.backward()
        optimizer.step()


if __name__ == "__main__":
    main()
