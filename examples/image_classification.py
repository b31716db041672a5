"""Train an adapter to tell what is in images.

python examples/image_classification.py --tiny
python examples/image_classification.py --model google/vit-base-patch16-224-in21k --dataset ethz/food101 --adapter lora
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from datasets import ClassLabel, Dataset
from transformers import AutoImageProcessor, BaseImageProcessor, default_data_collator

from common.errors import ExampleError, told
from common.metrics import accuracy
from common.options import Defaults, Options, read_options
from common.sources import column, loaded, splits
from common.training import Report, train_and_report
from generated import AdapterTrainer, AutoAdapterModel
from tiny.lookers import made_displays


DEFAULTS = Defaults("image_classification", "google/vit-base-patch16-224-in21k", "ethz/food101")


def main(arguments: Sequence[str] | None = None) -> Report:
    with told():
        options = read_options(__doc__, DEFAULTS, arguments)
        return run(made_displays(options) if options.tiny else options)


def run(options: Options) -> Report:
    train, test = splits(options)
    labels = column(train, "label", "labels", "fine_label")
    names = names_of(train, labels)
    processor = loaded("image processor", options.model, AutoImageProcessor.from_pretrained)
    train, test = (encoded(data, labels, processor) for data in (train, test))

    model = loaded("model", options.model, AutoAdapterModel.from_pretrained)
    model.add_adapter(options.name, config=options.adapter)
    model.add_image_classification_head(options.name, num_labels=len(names), id2label=dict(enumerate(names)))
    model.train_adapter(options.name)

    options.training.remove_unused_columns = False  # images become pixels when a batch is made
    trainer = AdapterTrainer(model, options.training, train_dataset=train, data_collator=default_data_collator)

    def score() -> float:
        output = trainer.predict(test)
        return accuracy(output.predictions.argmax(-1).tolist(), output.label_ids.tolist())

    loader = f"model = generated.AutoAdapterModel.from_pretrained({options.model!r})"
    return train_and_report(options, trainer, score, "accuracy", loader)


def names_of(data: Dataset, labels: str) -> list[str]:
    """
    Raises:
        ExampleError: the labels have no names.
    """
    feature = data.features[labels]
    if not isinstance(feature, ClassLabel):
        raise ExampleError(f"the data do not say what the numbers in the column {labels} are called")
    return list(feature.names)


def encoded(data: Dataset, labels: str, processor: BaseImageProcessor) -> Dataset:
    """Pixels of the size that the model wants, made when they are needed."""
    images = column(data, "image", "img")

    def encode(rows: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        pixels = processor([image.convert("RGB") for image in rows[images]], return_tensors="pt")["pixel_values"]
        return {"pixel_values": pixels, "labels": rows[labels]}

    return data.with_transform(encode)


if __name__ == "__main__":
    main()
