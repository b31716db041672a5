"""Train an adapter to say in short what a text says, or to write any other text from a text.

python examples/summarization.py --tiny
python examples/summarization.py --model facebook/bart-base --dataset EdinburghNLP/xsum --text document
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    PreTrainedTokenizerBase,
    Seq2SeqTrainingArguments,
    Trainer,
)

import generated
from common.errors import told
from common.metrics import rouge_l
from common.options import Defaults, Options, read_options
from common.sources import column, loaded, splits
from common.training import Report, train_and_report
from generated import Seq2SeqAdapterTrainer
from tiny.writing import made_summaries


DEFAULTS = Defaults(
    "summarization", "google-t5/t5-small", "EdinburghNLP/xsum", max_length=512, training=Seq2SeqTrainingArguments,
    tiny={"max_steps": 200},
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> Report:
    with told():
        options = read_options(__doc__, DEFAULTS, arguments, add_arguments)
        return run(made_summaries(options) if options.tiny else options)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--text", default="document", help="column of the texts (document)")
    parser.add_argument("--summary", default="summary", help="column of what is to be written (summary)")
    parser.add_argument("--prefix", default="", help='what is put before each text, for instance "summarize: "')
    parser.add_argument("--summary-length", type=int, default=64, help="tokens (64)")


def run(options: Options) -> Report:
    train, test = splits(options)
    tokenizer = loaded("tokenizer", options.model, AutoTokenizer.from_pretrained)
    train, test = (encoded(data, options, tokenizer) for data in (train, test))

    model = generated.init(loaded("model", options.model, AutoModelForSeq2SeqLM.from_pretrained))
    model.add_adapter(options.name, config=options.adapter)
    model.train_adapter(options.name)

    options.training.predict_with_generate = True
    options.training.generation_max_length = options.more.summary_length
    trainer = Seq2SeqAdapterTrainer(
        model, options.training, train_dataset=train, data_collator=DataCollatorForSeq2Seq(tokenizer, model)
    )
    loader = f"model = generated.init(AutoModelForSeq2SeqLM.from_pretrained({options.model!r}))"
    return train_and_report(options, trainer, measure(trainer, test, tokenizer), "ROUGE-L", loader)


def encoded(data: Dataset, options: Options, tokenizer: PreTrainedTokenizerBase) -> Dataset:
    """Token numbers of the texts and of their summaries."""
    texts, summaries = column(data, options.more.text), column(data, options.more.summary)

    def encode(rows: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        given = [f"{options.more.prefix}{text}" for text in rows[texts]]
        made = tokenizer(given, truncation=True, max_length=options.max_length)
        asked = tokenizer(text_target=list(rows[summaries]), truncation=True, max_length=options.more.summary_length)
        return {**made, "labels": asked["input_ids"]}

    return data.map(encode, batched=True, remove_columns=data.column_names, desc="tokens")


def measure(trainer: Trainer, data: Dataset, tokenizer: PreTrainedTokenizerBase) -> Callable[[], float]:
    def texts(tokens: np.ndarray) -> list[str]:
        return tokenizer.batch_decode(np.where(tokens < 0, tokenizer.pad_token_id, tokens), skip_special_tokens=True)

    def score() -> float:
        output = trainer.predict(data)
        return rouge_l(texts(output.predictions), texts(output.label_ids))

    return score


if __name__ == "__main__":
    main()
