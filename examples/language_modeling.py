"""Train an adapter to go on with texts of a kind that the model has not read much of.

python examples/language_modeling.py --tiny
python examples/language_modeling.py --model gpt2 --dataset Salesforce/wikitext --dataset-config wikitext-2-raw-v1
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase, default_data_collator

import generated
from common.errors import ExampleError, told
from common.options import Defaults, Options, read_options
from common.sources import column, loaded, splits
from common.training import Report, train_and_report
from generated import AdapterTrainer
from tiny.writing import made_stories


DEFAULTS = Defaults(
    "language_modeling", "openai-community/gpt2", "Salesforce/wikitext", "wikitext-2-raw-v1", max_length=512,
    tiny={"per_device_train_batch_size": 16},
)  # fmt: skip
MOST = 50.0  # of a loss that is still told as a perplexity


def main(arguments: Sequence[str] | None = None) -> Report:
    with told():
        options = read_options(__doc__, DEFAULTS, arguments)
        return run(made_stories(options) if options.tiny else options)


def run(options: Options) -> Report:
    tokenizer = loaded("tokenizer", options.model, AutoTokenizer.from_pretrained)
    length = min(options.max_length, tokenizer.model_max_length)
    train, test = (blocks(data, tokenizer, length) for data in splits(options))

    model = generated.init(loaded("model", options.model, AutoModelForCausalLM.from_pretrained))
    model.add_adapter(options.name, config=options.adapter)
    model.train_adapter(options.name)

    trainer = AdapterTrainer(
        model, options.training, train_dataset=train, eval_dataset=test, data_collator=default_data_collator
    )
    loader = f"model = generated.init(AutoModelForCausalLM.from_pretrained({options.model!r}))"

    def perplexity() -> float:
        return math.exp(min(MOST, trainer.evaluate()["eval_loss"]))

    return train_and_report(options, trainer, perplexity, "perplexity", loader)


def blocks(data: Dataset, tokenizer: PreTrainedTokenizerBase, length: int) -> Dataset:
    """
    All texts one after the other, in pieces of one length; each token is to be told from those before it.

    Raises:
        ExampleError: they do not fill one piece.
    """
    texts = column(data, "text", "content")

    def encode(rows: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        return {"input_ids": tokenizer(list(rows[texts]))["input_ids"]}

    def cut(rows: Mapping[str, Sequence[Sequence[int]]]) -> dict[str, Any]:
        tokens = list(chain.from_iterable(rows["input_ids"]))
        pieces = [tokens[at : at + length] for at in range(0, len(tokens) - length + 1, length)]
        return {"input_ids": pieces, "labels": pieces}

    made = data.map(encode, batched=True, remove_columns=data.column_names, desc="tokens")
    made = made.map(cut, batched=True, remove_columns=made.column_names, desc="pieces")
    if not len(made):
        raise ExampleError(f"all texts together are shorter than one piece of {length} tokens; say --max-length")
    return made


if __name__ == "__main__":
    main()
