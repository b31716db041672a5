"""Train an adapter to tell classes of texts, or of pairs of texts, in the format of GLUE.

python examples/text_classification.py --tiny
python examples/text_classification.py --model roberta-base --dataset-config mrpc --adapter lora
"""

from __future__ import annotations

from collections.abc import Sequence

from transformers import AutoTokenizer, DataCollatorWithPadding

from common.errors import told
from common.options import Defaults, Options, read_options
from common.sources import loaded, splits
from common.texts import encoded, task_of
from common.training import Report, train_and_report
from generated import AdapterTrainer, AutoAdapterModel
from tiny.reading import made_reviews


DEFAULTS = Defaults(
    "text_classification", "google-bert/bert-base-uncased", "nyu-mll/glue", "sst2", tiny={"max_steps": 400}
)


def main(arguments: Sequence[str] | None = None) -> Report:
    with told():
        options = read_options(__doc__, DEFAULTS, arguments)
        return run(made_reviews(options) if options.tiny else options)


def run(options: Options) -> Report:
    train, test = splits(options)
    task = task_of(train)
    tokenizer = loaded("tokenizer", options.model, AutoTokenizer.from_pretrained)
    train, test = (encoded(data, tokenizer, options.max_length) for data in (train, test))

    model = loaded("model", options.model, AutoAdapterModel.from_pretrained)
    model.add_adapter(options.name, config=options.adapter)
    task.add_head(model, options.name)
    model.train_adapter(options.name)

    trainer = AdapterTrainer(
        model, options.training, train_dataset=train, data_collator=DataCollatorWithPadding(tokenizer)
    )
    loader = f"model = generated.AutoAdapterModel.from_pretrained({options.model!r})"
    return train_and_report(options, trainer, task.measure(trainer, test), task.score, loader)


if __name__ == "__main__":
    main()
