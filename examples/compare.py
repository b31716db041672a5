"""Train all weights of a model, its head alone, and adapters of five methods, on the same tasks.

    python examples/compare.py --tiny
    python examples/compare.py --model roberta-base --dataset nyu-mll/glue --tasks mrpc rte --seeds 3

Written are comparison.json, with each run as soon as it has ended, and in the end a table and a plot, comparison.md
and comparison.png. Trained weights are counted with the head. The learning rates are those of METHODS, unless
--learning-rate gives one for all. --resume goes on with a comparison that was interrupted, or had fewer seeds.
"""

from __future__ import annotations

import copy
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoTokenizer, DataCollatorWithPadding, Trainer, TrainingArguments, set_seed

from common.comparison import Key, Row, Run, plot, rows_of, table
from common.errors import told
from common.kept_runs import digest, keep, kept
from common.memory import peak
from common.options import Defaults, Options, read_options
from common.sources import loaded, splits
from common.texts import Task, encoded, task_of
from common.training import sizes
from generated import AdapterTrainer, AutoAdapterModel
from tiny.reading import made_comparison


DEFAULTS = Defaults("compare", "google-bert/bert-base-uncased", "nyu-mll/glue", tiny={"max_steps": 1000})
NAME = "task"
ALL, HEAD = "all weights", "head"  # what is trained instead of an adapter
BOTH_ENDS = "loreft[r=4,prefix_positions=7,suffix_positions=7,tied_weights=True,dropout=0.0]"
EVERY_MAP = "ia3[attn_matrices=['q','k','v','o'],output_lora=True]"
DECIDE_NOTHING = ("output_dir", "logging_dir", "run_name", "disable_tqdm", "report_to")


@dataclass(frozen=True)
class Setting:
    """
    How a method is trained.

    Args:
        trained: configuration of an adapter, which is trained with the head; or `ALL`, or `HEAD`.
    """

    trained: str
    learning_rate: float


@dataclass(frozen=True)
class Method:
    """A method, for models of usual size and for a tiny one."""

    name: str
    real: Setting
    tiny: Setting


METHODS = (
    Method("full fine-tuning", Setting(ALL, 2e-5), Setting(ALL, 1e-3)),
    Method("head alone", Setting(HEAD, 1e-3), Setting(HEAD, 1e-2)),
    Method("bottleneck", Setting("seq_bn", 1e-4), Setting("seq_bn[reduction_factor=8]", 1e-2)),
    Method("LoRA", Setting("lora", 3e-4), Setting("lora[r=4]", 1e-2)),
    Method("(IA)³", Setting("ia3", 3e-3), Setting(EVERY_MAP, 1e-1)),
    Method("prefix tuning", Setting("prefix_tuning", 1e-3), Setting("prefix_tuning_flat[prefix_length=8]", 1e-1)),
    Method("ReFT", Setting("loreft", 1e-3), Setting(BOTH_ENDS, 2e-2)),
)


@dataclass(frozen=True)
class Work:
    """A task with its data, ready to be trained on."""

    name: str
    task: Task
    train: Dataset
    test: Dataset
    collator: Callable[[Any], Any]


@dataclass(frozen=True)
class Attempt:
    """A run that is wanted."""

    method: str
    setting: Setting
    work: Work
    seed: int


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    with told("runs that had ended are kept, for --resume"):
        options = read_options(__doc__, DEFAULTS, arguments, add_arguments)
        return run(made_comparison(options) if options.tiny else options)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--tasks", nargs="+", default=["mrpc", "rte"], help="parts of the data set (mrpc rte)")
    parser.add_argument("--seeds", type=int, default=1, help="how often each is trained (1)")
    parser.add_argument(
        "--resume", action="store_true", help="keep runs in comparison.json that had the same arguments and settings"
    )


def run(options: Options) -> list[Row]:
    works = [prepared(options, name) for name in options.more.tasks]
    wanted = {key_of(options, each): each for each in attempts(options, works)}
    file = options.output / "comparison.json"
    done = {run.key: run for run in kept(file) if run.key in wanted} if options.more.resume else {}
    for key, attempt in wanted.items():
        is_known = key in done
        if not is_known:
            done[key] = one_run(options, attempt, key)
            keep(file, [done[each] for each in wanted if each in done])
        print(f"{key.method}, {key.task}, seed {key.seed}: {done[key].score:.3f}{' (kept)' * is_known}", flush=True)
    rows = rows_of([done[key] for key in wanted])
    (options.output / "comparison.md").write_text(f"{table(rows)}\n", encoding="utf-8")
    plot(rows, options.output / "comparison.png")
    print(f"\n{table(rows)}\n\nwritten: {options.output}/comparison.json, .md, .png")
    return rows


def attempts(options: Options, works: Sequence[Work]) -> Iterator[Attempt]:
    """Every method on every task with every seed, in the order of the table."""
    for method in METHODS:
        for work in works:
            for seed in range(options.more.seeds):
                setting = method.tiny if options.tiny else method.real
                yield Attempt(method.name, setting, work, options.training.seed + seed)


def key_of(options: Options, attempt: Attempt) -> Key:
    training = arguments_of(options, attempt).to_dict()
    decided = {
        "data": (options.dataset, options.train_split, options.eval_split, options.limit, options.max_length),
        "model": options.model,
        "trained": attempt.setting.trained,
        "seed of made data": options.training.seed if options.tiny else None,
        "training": {name: value for name, value in training.items() if name not in DECIDE_NOTHING},
    }
    return Key(attempt.method, attempt.work.name, attempt.seed, digest(decided))


def prepared(options: Options, name: str) -> Work:
    train, test = splits(options, name)
    tokenizer = loaded("tokenizer", options.model, AutoTokenizer.from_pretrained)
    task = task_of(train)
    train, test = (encoded(data, tokenizer, options.max_length) for data in (train, test))
    return Work(name, task, train, test, DataCollatorWithPadding(tokenizer))


def one_run(options: Options, attempt: Attempt, key: Key) -> Run:
    work, trainer = attempt.work, trainer_of(options, attempt)
    trained, parameters = sizes(trainer.model)
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time  # others may use the same cores
    started = clock()
    trainer.train()
    seconds = clock() - started
    score = work.task.measure(trainer, work.test)()
    most = peak(trainer.model, lambda: two_steps(trainer))
    rate = trainer.args.learning_rate
    return Run(*key, attempt.setting.trained, rate, score, trained, parameters, seconds, most)


def trainer_of(options: Options, attempt: Attempt) -> Trainer:
    """A new model with a new head, and no other, of which is trained what the setting says."""
    set_seed(attempt.seed)
    model = loaded("model", options.model, AutoAdapterModel.from_pretrained)
    for head in list(model.heads):
        model.delete_head(head)
    attempt.work.task.add_head(model, NAME)
    kind: type[Trainer] = Trainer
    if attempt.setting.trained == HEAD:
        model.freeze_model()
    elif attempt.setting.trained != ALL:
        model.add_adapter(NAME, config=attempt.setting.trained)
        model.train_adapter(NAME)
        kind = AdapterTrainer
    data = {"train_dataset": attempt.work.train, "data_collator": attempt.work.collator}
    return kind(model, arguments_of(options, attempt), **data)


def arguments_of(options: Options, attempt: Attempt) -> TrainingArguments:
    training = copy.deepcopy(options.training)
    training.seed = attempt.seed
    training.label_names = ["labels"]  # of heads that have names, transformers' own trainer does not know it
    if "learning_rate" not in options.given:
        training.learning_rate = attempt.setting.learning_rate
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
