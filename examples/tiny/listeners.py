"""What a new voice says, and a small wav2vec 2.0 that knows another voice."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import torch
from datasets import Dataset, Features, List, Value
from torch import Tensor, nn
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


STEPS = 250
START = 0.1  # spread of new weights, as in `readers.py`
BATCH = 16
POOL = 800  # phrases that a model is pretrained on
SIZES = {"train": 300, "validation": 150}
KERNELS, STRIDES = (32, 8), (8, 8)
FRAME, WIDTH = 64, 88  # samples from frame to frame, and in a frame
NOTHING = 0  # number of the token that is no letter
HEARD = 0.6  # of the time of a letter it is to be told; then nothing is, so that the same letter can follow


def made_speech(options: Options) -> Options:
    """A new voice, as arrays of numbers."""
    random = Random(options.training.seed)
    features = Features(
        {"audio": {"array": List(Value("float32")), "sampling_rate": Value("int32")}, "text": Value("string")}
    )
    parts = different(lambda: phrase(random), lambda text: text, list(SIZES.values()))
    data = {
        split: Dataset.from_list(
            [{"audio": {"array": NEW.says(text, random)[0], "sampling_rate": RATE}, "text": text} for text in part],
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
        num_attention_heads=4, conv_dim=(48, 48), conv_kernel=KERNELS, conv_stride=STRIDES, num_feat_extract_layers=2,
        num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4, ctc_loss_reduction="mean", mask_time_prob=0.0,
        pad_token_id=processor.tokenizer.pad_token_id, hidden_dropout=0.0, attention_dropout=0.0,
        activation_dropout=0.0, feat_proj_dropout=0.0, final_dropout=0.0, layerdrop=0.0, ctc_zero_infinity=True,
        initializer_range=START,
    )  # fmt: skip
    model = Wav2Vec2ForCTC(config)
    pretrain(_Dictation(model), _batches(processor, model), count)
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


@dataclass(frozen=True)
class _Lost:
    loss: Tensor


class _Dictation(nn.Module):
    """What is heard is told for each frame: much sooner learned than from whole texts by CTC."""

    def __init__(self, model: Wav2Vec2ForCTC) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_values: Tensor, frames: Tensor) -> _Lost:
        logits = self.model(input_values=input_values).logits
        return _Lost(nn.functional.cross_entropy(logits.flatten(0, 1), frames.flatten()))


def _batches(processor: Wav2Vec2Processor, model: Wav2Vec2ForCTC) -> Callable[[], Batch]:
    random, chooser = Random(0), torch.Generator().manual_seed(0)
    texts = [phrase(random) for _ in range(POOL)]
    waves, lengths = zip(*(KNOWN.says(text, random) for text in texts), strict=True)
    heard = processor.feature_extractor(list(waves), sampling_rate=RATE)["input_values"]
    told = [_each_sample(*one) for one in zip(processor.tokenizer(texts)["input_ids"], lengths, strict=True)]

    def batch() -> Batch:
        rows = torch.randint(POOL, (BATCH,), generator=chooser).tolist()
        sounds = processor.feature_extractor.pad({"input_values": [heard[row] for row in rows]}, return_tensors="pt")
        values = sounds["input_values"]
        frames = torch.full((BATCH, int(model._get_feat_extract_output_lengths(values.shape[1]))), NOTHING)
        for row, place in enumerate(rows):
            asked = torch.from_numpy(told[place][WIDTH // 2 :: FRAME])[: frames.shape[1]]
            frames[row, : len(asked)] = asked
        return {"input_values": values, "frames": frames}

    return batch


def _each_sample(tokens: Sequence[int], lengths: Sequence[int]) -> np.ndarray:
    """
    (length,): which token is to be told at each sample.

    Args:
        lengths: of a pause, of each token, and of a pause.
    """
    parts = [
        np.repeat([token, NOTHING], [round(HEARD * length), length - round(HEARD * length)])
        for token, length in zip((NOTHING, *tokens, NOTHING), lengths, strict=True)
    ]
    return np.concatenate(parts)
