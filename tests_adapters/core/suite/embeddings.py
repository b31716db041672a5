"""Embeddings for another tokenizer come, act, are saved and read, learn, and go."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from adaptergen.verify.adapters import NAME, add_random
from adaptergen.verify.outputs import expect_effect, expect_identical, loss, run
from adaptergen.verify.subjects import ModelCase, Subject
from tests_adapters.core.made_tokenizer import SPECIAL, made_tokenizer
from tests_adapters.core.suite.forms import first_forms_of, thorough


class EmbeddingTests:
    """On every class whose input is words."""

    case: ClassVar[ModelCase]

    @thorough
    def test_embeddings_come_and_go(self, subject: Subject, tmp_path: Path) -> None:
        model, tokenizer = reader_of_words(subject)
        inputs = subject.inputs(model, padded=True)
        expected, weight = run(model, inputs), model.get_input_embeddings().weight.clone()
        said = model.config.get_text_config().vocab_size

        model.add_embeddings("copied", tokenizer, reference_embedding="default", reference_tokenizer=tokenizer)
        expect_identical(run(model, inputs), expected, "with a copy of all embeddings")

        with torch.no_grad():
            model.get_input_embeddings().weight.mul_(-1)
        changed = run(model, inputs)
        expect_effect(changed, expected, "with other embeddings")
        model.save_embeddings(tmp_path, "copied", tokenizer)

        model.set_active_embeddings("default")
        expect_identical(run(model, inputs), expected, "with the first embeddings again")
        model.load_embeddings(tmp_path, "read")
        expect_identical(run(model, inputs), changed, "with embeddings from a folder, under another name")

        model.delete_embeddings("read")
        model.delete_embeddings("copied")
        assert (model.active_embeddings, list(model.loaded_embeddings)) == ("default", ["default"])
        assert torch.equal(model.get_input_embeddings().weight, weight)
        assert model.config.get_text_config().vocab_size == said
        expect_identical(run(model, inputs), expected, "after all others are gone")

    @thorough
    def test_embeddings_learn_on_request(self) -> None:
        subject = self.case.base
        model, tokenizer = reader_of_words(subject)
        add_random(model, self.case, first_forms_of(self.case)[0])
        model.add_embeddings("other", tokenizer)
        for wanted in (False, True):
            model.train_adapter(NAME, train_embeddings=wanted)
            assert model.get_input_embeddings().weight.requires_grad == wanted
        loss(model.eval(), subject.inputs(model, padded=False)).backward()
        assert model.get_input_embeddings().weight.grad.any()


def reader_of_words(subject: Subject) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A model, and a tokenizer of all tokens that it reads and, where it writes, writes."""
    model = subject.initialized()
    try:
        embeddings = model.get_input_embeddings()
    except NotImplementedError:
        embeddings = None
    if not isinstance(embeddings, nn.Embedding) or "input_ids" not in subject.inputs(model, padded=True):
        pytest.skip("it reads no words")
    written = model.get_output_embeddings()
    size = min(each.weight.shape[0] for each in (embeddings, written) if each is not None)
    words = (f"word{index}" for index in range(size - len(SPECIAL)))
    return model, made_tokenizer(words)
