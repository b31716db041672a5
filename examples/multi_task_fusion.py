"""Train an adapter for each of several tasks, and then a mixture of them for another task: AdapterFusion.

python examples/multi_task_fusion.py --tiny
python examples/multi_task_fusion.py --model roberta-base --dataset nyu-mll/glue --sources mnli qqp --target mrpc
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from transformers import AutoTokenizer, DataCollatorWithPadding

from common.errors import told
from common.options import Defaults, Options, read_options
from common.sources import loaded, splits
from common.texts import encoded, task_of
from common.training import Files, Report, train_and_report
from generated import AdapterTrainer, AutoAdapterModel, Fuse
from tiny.reading import made_review_tasks


DEFAULTS = Defaults("multi_task_fusion", "google-bert/bert-base-uncased", "nyu-mll/glue", tiny={"max_steps": 200})


def main(arguments: Sequence[str] | None = None) -> Report:
    with told():
        options = read_options(__doc__, DEFAULTS, arguments, add_arguments)
        return run(made_review_tasks(options) if options.tiny else options)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--sources", nargs="+", default=["mnli", "qqp"], help="parts of the data set (mnli qqp)")
    parser.add_argument("--target", default="mrpc", help="part of the data set that the mixture is for (mrpc)")


def run(options: Options) -> Report:
    tokenizer = loaded("tokenizer", options.model, AutoTokenizer.from_pretrained)
    model = loaded("model", options.model, AutoAdapterModel.from_pretrained)
    collator = DataCollatorWithPadding(tokenizer)
    for name in options.more.sources:
        train_source(model, options, name, tokenizer, collator)

    target, mixture = options.more.target, Fuse(*options.more.sources)
    train, test = splits(options, target)
    task = task_of(train)
    train, test = (encoded(data, tokenizer, options.max_length) for data in (train, test))
    model.add_adapter_fusion(mixture)
    task.add_head(model, target)
    model.train_adapter_fusion(mixture)
    model.active_head = target

    trainer = AdapterTrainer(model, options.training, train_dataset=train, data_collator=collator)
    loader = f"model = generated.AutoAdapterModel.from_pretrained({options.model!r})"
    files = Files(
        write=lambda folder: model.save_adapter_setup(folder, mixture, head_setup=target),
        forget=lambda: model.delete_adapter(options.more.sources),
        read=lambda folder: model.load_adapter_setup(folder, set_active=True),
        shown="model.load_adapter_setup({folder!r}, set_active=True)",
    )
    return train_and_report(options, trainer, task.measure(trainer, test), task.score, loader, files)


def train_source(model: Any, options: Options, name: str, tokenizer: Any, collator: Any) -> None:
    """An adapter and a head for one task; they stay in the model."""
    (train,) = splits(options, name, [options.train_split])
    model.add_adapter(name, config=options.adapter)
    task_of(train).add_head(model, name)
    model.train_adapter(name)
    data = encoded(train, tokenizer, options.max_length)
    AdapterTrainer(model, options.training, train_dataset=data, data_collator=collator).train()


if __name__ == "__main__":
    main()
