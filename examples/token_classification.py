"""Train an adapter to tag words, for instance to find names, in the format of CoNLL-2003.

python examples/token_classification.py --tiny
python examples/token_classification.py --model roberta-base --dataset tner/conll2003 --tags tags --adapter lora
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from datasets import Dataset
from transformers import AutoTokenizer, DataCollatorForTokenClassification, PreTrainedTokenizerBase, Trainer

from common.errors import ExampleError, told
from common.metrics import name_f1
from common.options import Defaults, Options, read_options
from common.sources import column, loaded, splits
from common.training import Report, train_and_report
from generated import AdapterTrainer, AutoAdapterModel
from tiny.reading import made_names


DEFAULTS = Defaults("token_classification", "google-bert/bert-base-cased", "eriktks/conll2003")
NOT_ASKED = -100


def main(arguments: Sequence[str] | None = None) -> Report:
    with told():
        options = read_options(__doc__, DEFAULTS, arguments, add_arguments)
        return run(made_names(options) if options.tiny else options)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--tags", default="ner_tags", help="column of the tags, for instance pos_tags (ner_tags)")


def run(options: Options) -> Report:
    train, test = splits(options)
    tags = column(train, options.more.tags)
    labels = labels_of(train, tags)
    tokenizer = loaded("tokenizer", options.model, AutoTokenizer.from_pretrained, add_prefix_space=True)
    train, test = (encoded(data, tags, labels, tokenizer, options.max_length) for data in (train, test))

    model = loaded("model", options.model, AutoAdapterModel.from_pretrained)
    model.add_adapter(options.name, config=options.adapter)
    model.add_tagging_head(options.name, num_labels=len(labels), id2label=dict(enumerate(labels)))
    model.train_adapter(options.name)

    collator = DataCollatorForTokenClassification(tokenizer)
    trainer = AdapterTrainer(model, options.training, train_dataset=train, data_collator=collator)
    loader = f"model = generated.AutoAdapterModel.from_pretrained({options.model!r})"
    return train_and_report(options, trainer, measure(trainer, test, labels), "F1 of names", loader)


def labels_of(data: Dataset, tags: str) -> list[str]:
    """
    Names of the tags, in the order of their numbers.

    Raises:
        ExampleError: they have none.
    """
    names = getattr(getattr(data.features[tags], "feature", None), "names", None)
    if names:
        return list(names)
    if isinstance(data[0][tags][0], str):
        return sorted({tag for row in data[tags] for tag in row})
    raise ExampleError(f"the data do not say what the numbers in the column {tags} are called")


def encoded(
    data: Dataset, tags: str, labels: Sequence[str], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> Dataset:
    """Token numbers, and the tag of each word at its first token."""
    numbers = {name: number for number, name in enumerate(labels)}

    def encode(rows: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        made = tokenizer(list(rows["tokens"]), is_split_into_words=True, truncation=True, max_length=max_length)
        made["labels"] = [
            [NOT_ASKED if word is None else numbers.get(row[word], row[word]) for word in firsts(made.word_ids(place))]
            for place, row in enumerate(rows[tags])
        ]
        return made

    return data.map(encode, batched=True, remove_columns=data.column_names, desc="tokens")


def firsts(words: Sequence[int | None]) -> list[int | None]:
    """The words that tokens are of, without the tokens that go on with a word."""
    return [None if place and words[place - 1] == word else word for place, word in enumerate(words)]


def measure(trainer: Trainer, data: Dataset, labels: Sequence[str]) -> Callable[[], float]:
    def score() -> float:
        output = trainer.predict(data)
        found, right = [], []
        for scores, asked in zip(output.predictions, output.label_ids, strict=True):
            at = asked != NOT_ASKED
            found.append([labels[number] for number in scores[at].argmax(-1)])
            right.append([labels[number] for number in asked[at]])
        return name_f1(found, right)

    return score


if __name__ == "__main__":
    main()
