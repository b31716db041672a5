"""Learn a task in one language and do it in another, of which no labels are known: MAD-X.

An adapter for each language learns to tell hidden words, and with it how its words look to the model (invertible
adapters). The adapter of the task is trained above that of the first language, which is then exchanged for the other.

    python examples/cross_lingual.py --tiny
    python examples/cross_lingual.py --dataset facebook/xnli --source en --target sw \\
        --texts wikimedia/wikipedia --source-texts 20231101.en --target-texts 20231101.sw
    python examples/cross_lingual.py --source en --target sw \\
        --source-adapter AdapterHub/m-en-wiki_pfeiffer --target-adapter AdapterHub/m-sw-wiki_pfeiffer
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from typing import Any

from datasets import Dataset
from transformers import (
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    DataCollatorWithPadding,
    PreTrainedTokenizerBase,
)

from common.errors import told
from common.options import Defaults, Options, read_options
from common.sources import column, loaded, splits
from common.texts import encoded, task_of
from common.training import Files, Report, train_and_report
from generated import AdapterTrainer, AutoAdapterModel, Stack
from tiny.languages import made_languages


DEFAULTS = Defaults(
    "cross_lingual", "google-bert/bert-base-multilingual-cased", "facebook/xnli", tiny={"max_steps": 200}
)
LANGUAGE = "seq_bn_inv"


def main(arguments: Sequence[str] | None = None) -> Report:
    with told():
        options = read_options(__doc__, DEFAULTS, arguments, add_arguments)
        return run(made_languages(options) if options.tiny else options)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--source", default="en", help="part of the data set whose labels are learned from (en)")
    parser.add_argument("--target", default="sw", help="part of the data set in the other language (sw)")
    parser.add_argument("--texts", default="wikimedia/wikipedia", help="data set of texts in both languages")
    parser.add_argument("--source-texts", default="20231101.en", help="its part in the first language (20231101.en)")
    parser.add_argument("--target-texts", default="20231101.sw", help="its part in the other language (20231101.sw)")
    parser.add_argument("--source-adapter", help="of the first language, from the Hub or a folder: it is not trained")
    parser.add_argument("--target-adapter", help="of the other language, likewise")


def run(options: Options) -> Report:
    more = options.more
    tokenizer = loaded("tokenizer", options.model, AutoTokenizer.from_pretrained)
    model = loaded("model", options.model, AutoAdapterModel.from_pretrained)
    for language, texts, known in (
        (more.source, more.source_texts, more.source_adapter),
        (more.target, more.target_texts, more.target_adapter),
    ):
        if known:
            loaded("adapter", known, model.load_adapter, load_as=language, with_head=False)
        else:
            train_language(model, options, language, texts, tokenizer)

    (train,) = splits(options, more.source, [options.train_split])
    (test,) = splits(options, more.target, [options.eval_split])
    task = task_of(train)
    train, test = (encoded(data, tokenizer, options.max_length) for data in (train, test))
    model.add_adapter(options.name, config=options.adapter)
    task.add_head(model, options.name)
    model.train_adapter(options.name)
    trainer = AdapterTrainer(
        model, options.training, train_dataset=train, data_collator=DataCollatorWithPadding(tokenizer),
        adapter_names=Stack(more.source, options.name),
    )  # fmt: skip
    score = task.measure(trainer, test)

    def of_target() -> float:
        """The score in the other language, through its adapter."""
        model.set_active_adapters(Stack(more.target, options.name))
        reached = score()
        model.set_active_adapters(Stack(more.source, options.name))
        return reached

    setup = Stack(more.target, options.name)
    files = Files(
        write=lambda folder: model.save_adapter_setup(folder, setup, head_setup=options.name),
        forget=lambda: model.delete_adapter([more.target, options.name]),
        read=lambda folder: model.load_adapter_setup(folder, set_active=True),
        shown="model.load_adapter_setup({folder!r}, set_active=True)",
    )
    loader = f"model = generated.AutoAdapterModel.from_pretrained({options.model!r})"
    report = train_and_report(options, trainer, of_target, f"{task.score} in {more.target}", loader, files)
    print(f"{task.score} in {more.target} through the adapter of {more.source}: {score():.3f}")
    return report


def train_language(model: Any, options: Options, language: str, part: str, tokenizer: PreTrainedTokenizerBase) -> None:
    """An adapter that learns the texts of a language; the head is that of the checkpoint, if it has one."""
    (texts,) = splits(options.of(dataset=options.more.texts), part, [options.train_split])
    model.add_adapter(language, config=LANGUAGE)
    has_head = "default" in model.heads
    if has_head:
        model.active_head = "default"
    else:
        model.add_masked_lm_head(language)
    model.train_adapter(language, train_head=not has_head)
    AdapterTrainer(
        model,
        options.training,
        train_dataset=tokens(texts, tokenizer, options.max_length),
        data_collator=DataCollatorForLanguageModeling(tokenizer),
    ).train()


def tokens(data: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Dataset:
    texts = column(data, "text", "sentence")

    def encode(rows: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        return dict(tokenizer(list(rows[texts]), truncation=True, max_length=max_length))

    return data.map(encode, batched=True, remove_columns=data.column_names, desc="tokens")


if __name__ == "__main__":
    main()
