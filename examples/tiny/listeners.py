"""What a new voice says, and a small wav2vec 2.0 that knows another voice."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import torch
from datasets import Dataset, Features, List, Value
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2Processor,
)

from common.options import Options
from tiny.folders import different, placed, save, steps
from tiny.pretraining import Batch, pretrain
from tiny.voices import KNOWN, LETTERS, NEW, RATE, phrase


STEPS = 600
BATCH = 16
POOL = 800  # phrases that a model is pretrained on
SIZES = {"train": 300, "validation": 150}
NOT_ASKED = -100


def made_speech(options: Options) -> Options:
    """A new voice, as arrays of numbers."""
    random = Random(options.training.seed)
    features = Features(
        {"audio": {"array": List(Value("float32")), "sampling_rate": Value("int32")}, "text": Value("string")}
    )
    parts = different(lambda: phrase(random), lambda text: text, list(SIZES.values()))
    data = {
        split: Dataset.from_list(
            [{"audio": {"array": NEW.says(text, random), "sampling_rate": RATE}, "text": text} for text in part],
            features,
        )
        for split, part in zip(SIZES, parts, strict=True)
    }
    return placed(options, {"": data}, partial(write_listener, steps(options, STEPS)))


def write_listener(count: int, folder: Path) -> None:
    """A wav2vec 2.0 that writes down what the known voice says."""
    torch.manual_seed(0)
    processor = _processor()
    config = Wav2Vec2Config(
        vocab_size=len(processor.tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, conv_dim=(48, 48), conv_kernel=(16, 8), conv_stride=(8, 5), num_feat_extract_layers=2,
        num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4, ctc_loss_reduction="mean", mask_time_prob=0.0,
        pad_token_id=processor.tokenizer.pad_token_id, hidden_dropout=0.0, attention_dropout=0.0,
        activation_dropout=0.0, feat_proj_dropout=0.0, final_dropout=0.0, layerdrop=0.0, ctc_zero_infinity=True,
    )  # fmt: skip
    model = Wav2Vec2ForCTC(config)
    pretrain(model, _batches(processor), count)
    save(model, processor, folder)


def _processor() -> Wav2Vec2Processor:
    vocabulary = {token: number for number, token in enumerate(("[PAD]", "[UNK]", "|", *LETTERS))}
    with TemporaryDirectory() as folder:
        file = Path(folder, "vocab.json")
        file.write_text(json.dumps(vocabulary), encoding="utf-8")
        tokenizer = Wav2Vec2CTCTokenizer(
            str(file), pad_token="[PAD]", unk_token="[UNK]", bos_token=None, eos_token=None
        )
    return Wav2Vec2Processor(Wav2Vec2FeatureExtractor(sampling_rate=RATE), tokenizer)


def _batches(processor: Wav2Vec2Processor) -> Callable[[], Batch]:
    random, chooser = Random(0), torch.Generator().manual_seed(0)
    texts = [phrase(random) for _ in range(POOL)]
    heard = processor.feature_extractor([KNOWN.says(text, random) for text in texts], sampling_rate=RATE)[
        "input_values"
    ]
    letters = processor.tokenizer(texts)["input_ids"]

    def batch() -> Batch:
        rows = torch.randint(POOL, (BATCH,), generator=chooser).tolist()
        sounds = processor.feature_extractor.pad({"input_values": [heard[row] for row in rows]}, return_tensors="pt")
        asked = torch.nn.utils.rnn.pad_sequence(
            [torch.tensor(letters[row]) for row in rows], batch_first=True, padding_value=NOT_ASKED
        )
        return {"input_values": sounds["input_values"], "labels": asked}

    return batch
