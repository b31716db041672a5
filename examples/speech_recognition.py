"""Train an adapter to write down what is said, with a model that was trained by CTC (wav2vec 2.0, HuBERT, WavLM).

    python examples/speech_recognition.py --tiny
    python examples/speech_recognition.py --model facebook/wav2vec2-base-960h --dataset PolyAI/minds14 \\
        --dataset-config en-AU --eval-split train --adapter lora
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Dataset
from torch import Tensor
from transformers import AutoModelForCTC, AutoProcessor, ProcessorMixin, Trainer

import generated
from common.errors import told
from common.metrics import word_errors
from common.options import Defaults, Options, read_options
from common.sounds import samples, with_files
from common.sources import column, loaded, splits
from common.training import Report, train_and_report
from generated import AdapterTrainer
from tiny.listeners import made_speech


DEFAULTS = Defaults(
    "speech_recognition", "facebook/wav2vec2-base-960h", "openslr/librispeech_asr", "clean", "train.100",
    tiny={"per_device_train_batch_size": 16, "max_steps": 200, "learning_rate": 1e-2},
)  # fmt: skip
NOT_ASKED = -100


def main(arguments: Sequence[str] | None = None) -> Report:
    with told():
        options = read_options(__doc__, DEFAULTS, arguments)
        return run(made_speech(options) if options.tiny else options)


def run(options: Options) -> Report:
    train, test = splits(options)
    processor = loaded("processor", options.model, AutoProcessor.from_pretrained)
    train, test = (encoded(data, processor) for data in (train, test))

    model = generated.init(loaded("model", options.model, AutoModelForCTC.from_pretrained, ctc_loss_reduction="mean"))
    model.add_adapter(options.name, config=options.adapter)
    model.train_adapter(options.name)

    trainer = AdapterTrainer(
        model, options.training, train_dataset=train, data_collator=Collator(processor),
        preprocess_logits_for_metrics=lambda logits, labels: logits.argmax(-1),
    )  # fmt: skip
    loader = f"model = generated.init(AutoModelForCTC.from_pretrained({options.model!r}))"
    return train_and_report(options, trainer, measure(trainer, test, processor), "word error rate", loader)


def encoded(data: Dataset, processor: ProcessorMixin) -> Dataset:
    """Sounds at the model's rate, and the numbers of the letters that are spoken."""
    sounds = column(data, "audio")
    texts = column(data, "text", "sentence", "transcription")
    rate, spelled = processor.feature_extractor.sampling_rate, speller(processor)

    def encode(row: Mapping[str, Any]) -> dict[str, Any]:
        heard = processor.feature_extractor(samples(row[sounds], rate), sampling_rate=rate)
        letters = processor.tokenizer(spelled(row[texts]))
        return {"input_values": heard["input_values"][0], "labels": letters["input_ids"]}

    return with_files(data, sounds).map(encode, remove_columns=data.column_names, desc="sounds")


def speller(processor: ProcessorMixin) -> Callable[[str], str]:
    """How the tokenizer wants texts: many know large letters only."""
    letters = [token for token in processor.tokenizer.get_vocab() if len(token) == 1 and token.isalpha()]
    return str.upper if letters and all(letter.isupper() for letter in letters) else str.lower


@dataclass(frozen=True)
class Collator:
    """Sounds and letters of a batch, each made equally long; no letter is asked for where there was none."""

    processor: ProcessorMixin

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        batch = self.processor.feature_extractor.pad(
            [{"input_values": row["input_values"]} for row in rows], padding=True, return_tensors="pt"
        )
        letters = self.processor.tokenizer.pad([{"input_ids": row["labels"]} for row in rows], return_tensors="pt")
        labels = letters["input_ids"].masked_fill(letters["attention_mask"] == 0, NOT_ASKED)
        return {**batch, "labels": labels}


def measure(trainer: Trainer, data: Dataset, processor: ProcessorMixin) -> Callable[[], float]:
    blank = processor.tokenizer.pad_token_id

    def score() -> float:
        output = trainer.predict(data)
        found, right = (np.where(tokens < 0, blank, tokens) for tokens in (output.predictions, output.label_ids))
        return word_errors(
            processor.tokenizer.batch_decode(found), processor.tokenizer.batch_decode(right, group_tokens=False)
        )

    return score


if __name__ == "__main__":
    main()
