"""Pictures of digits, and a small ViT that knows letters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random

import torch
from datasets import ClassLabel, Dataset, Features, Image
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

from common.options import Options
from tiny.displays import DIGITS, LETTERS, SIZE, pictures
from tiny.folders import placed, save, steps
from tiny.pretraining import Batch, pretrain


STEPS = 800
BATCH = 32
POOL = 3000  # pictures that a model is pretrained on
SIZES = {"train": 1000, "validation": 500}


def made_displays(options: Options) -> Options:
    """Digits, and a model that has learned letters."""
    features = Features({"image": Image(), "label": ClassLabel(names=list(DIGITS))})
    random = Random(options.training.seed)
    data = {}
    for split, size in SIZES.items():
        images, classes = pictures(list(DIGITS.values()), size, random)
        data[split] = Dataset.from_dict({"image": images, "label": classes}, features)
    return placed(options, {"": data}, partial(write_looker, list(LETTERS.values()), steps(options, STEPS)))


def write_looker(kinds: Sequence[str], count: int, folder: Path) -> None:
    """A ViT that has learned to tell these characters from each other."""
    torch.manual_seed(0)
    config = ViTConfig(
        image_size=SIZE, patch_size=4, hidden_size=64, intermediate_size=128, num_hidden_layers=3,
        num_attention_heads=4, num_labels=len(kinds), hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    processor = ViTImageProcessorPil(size={"height": SIZE, "width": SIZE})
    model = ViTForImageClassification(config)
    pretrain(model, _batches(processor, kinds), count)
    save(model, processor, folder)


def _batches(processor: ViTImageProcessorPil, kinds: Sequence[str]) -> Callable[[], Batch]:
    images, classes = pictures(kinds, POOL, Random(0))
    pixels = processor(images, return_tensors="pt")["pixel_values"]
    labels, chooser = torch.tensor(classes), torch.Generator().manual_seed(0)

    def batch() -> Batch:
        rows = torch.randint(POOL, (BATCH,), generator=chooser)
        return {"pixel_values": pixels[rows], "labels": labels[rows]}

    return batch
