"""Train an adapter to find answers in texts, in the format of SQuAD.

python examples/question_answering.py --tiny
python examples/question_answering.py --model roberta-base --dataset rajpurkar/squad --adapter lora
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from datasets import Dataset
from transformers import AutoTokenizer, DataCollatorWithPadding, Trainer

from common.answers import best_answers, windows
from common.errors import told
from common.metrics import overlap
from common.options import Defaults, Options, read_options
from common.sources import column, loaded, splits
from common.training import Report, train_and_report
from generated import AdapterTrainer, AutoAdapterModel
from tiny.reading import made_questions


DEFAULTS = Defaults("question_answering", "google-bert/bert-base-uncased", "rajpurkar/squad", max_length=384)
FOR_READING = ["row", "spans"]


def main(arguments: Sequence[str] | None = None) -> Report:
    with told():
        options = read_options(__doc__, DEFAULTS, arguments)
        return run(made_questions(options) if options.tiny else options)


def run(options: Options) -> Report:
    train, test = splits(options)
    for name in ("question", "context", "answers"):
        column(train, name)
    tokenizer = loaded("tokenizer", options.model, AutoTokenizer.from_pretrained)
    length = min(options.max_length, tokenizer.model_max_length)
    train_parts, test_parts = (windows(data, tokenizer, length) for data in (train, test))

    model = loaded("model", options.model, AutoAdapterModel.from_pretrained)
    model.add_adapter(options.name, config=options.adapter)
    model.add_qa_head(options.name)
    model.train_adapter(options.name)

    trainer = AdapterTrainer(
        model, options.training, train_dataset=train_parts.remove_columns(FOR_READING),
        data_collator=DataCollatorWithPadding(tokenizer),
    )  # fmt: skip
    loader = f"model = generated.AutoAdapterModel.from_pretrained({options.model!r})"
    return train_and_report(options, trainer, measure(trainer, test, test_parts), "F1 of answers", loader)


def measure(trainer: Trainer, data: Dataset, parts: Dataset) -> Callable[[], float]:
    def score() -> float:
        starts, ends = trainer.predict(parts.remove_columns(FOR_READING)).predictions[:2]
        found = best_answers(data, parts, starts, ends)
        right = [answers["text"] or [""] for answers in data["answers"]]
        return sum(max(overlap(one, text) for text in texts) for one, texts in zip(found, right, strict=True)) / len(
            data
        )

    return score


if __name__ == "__main__":
    main()
