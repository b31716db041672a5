"""What can be done with the embeddings of a model that has adapters: other vocabularies, with their tokenizers."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from generated.core import training, vocabularies
from generated.core.errors import EmbeddingsError
from generated.core.loading import embeddings as files
from generated.core.loading import guarded
from generated.core.vocabularies import DEFAULT, Vocabularies, Vocabulary


logger = logging.get_logger(__name__)


class EmbeddingAdaptersMixin:
    """
    Embeddings of a base model, or of a model with a head.

    A model starts with the embeddings "default". Others come with a tokenizer of their own, and one of them is in use.
    Output embeddings of language modeling heads follow: tied ones are the same weights, others have weights of their
    own for each of the embeddings. `save_pretrained` writes the embeddings in use, as those of the model.
    """

    def get_input_embeddings(self) -> nn.Module:
        """As in transformers; but a model that only wraps another one has the embeddings of that one."""
        try:
            return super().get_input_embeddings()
        except NotImplementedError:
            wrapped = wrapped_model(self)
            if wrapped is None:
                raise
            return wrapped.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """As in transformers; but a model that only wraps another one hands them on."""
        wrapped = wrapped_model(self)
        (super() if wrapped is None else wrapped).set_input_embeddings(value)

    @property
    def active_embeddings(self) -> str:
        """The name of the embeddings in use."""
        return self._vocabularies.active

    @property
    def loaded_embeddings(self) -> dict[str, nn.Embedding]:
        """All embeddings by name. Those that are not in use share memory with what is kept for them."""
        model, own = self._model_with_head, self._vocabularies
        unused = {
            name: nn.Embedding(*vocabulary.weight.shape, vocabulary.padding_idx, _weight=vocabulary.weight)
            for name, vocabulary in own.unused.items()
        }
        return {own.active: vocabularies.input_embeddings(model)} | unused

    def add_embeddings(
        self,
        name: str,
        tokenizer: PreTrainedTokenizerBase,
        reference_embedding: str | None = None,
        reference_tokenizer: PreTrainedTokenizerBase | None = None,
        embedding_dim: int | None = None,
    ) -> None:
        """
        Add embeddings for the tokens of `tokenizer`, and use them.

        Args:
            reference_embedding: embeddings of the model from which tokens that both tokenizers know are copied; all
                others are random.
            reference_tokenizer: the tokenizer of these.
            embedding_dim: width of the embeddings, which the model determines.

        Raises:
            EmbeddingsError: the name is taken, the reference is unknown or half given, or the width is another one.
        """
        model, own = self._model_with_head, self._vocabularies
        self._refuse_taken(name)
        if (reference_embedding is None) != (reference_tokenizer is None):
            raise EmbeddingsError("reference_embedding and reference_tokenizer are given together, or not at all")
        width = vocabularies.input_embeddings(model).embedding_dim
        if embedding_dim not in (None, width):
            raise EmbeddingsError(f"embedding_dim is {embedding_dim}, but the model needs embeddings of {width}")
        reference = reference_embedding if reference_embedding is not None else own.active
        source, tokens = self._vocabulary(reference), tokenizer.get_vocab()
        known = reference_tokenizer.get_vocab() if reference_tokenizer is not None else {}
        copied = {tokens[token]: known[token] for token in tokens.keys() & known.keys() if known[token] < source.size}
        size = max(len(tokenizer), *(index + 1 for index in tokens.values()))
        own.unused[name] = vocabularies.new_vocabulary(model, size, tokenizer.pad_token_id, copied, source)
        self.set_active_embeddings(name)

    def load_embeddings(
        self, path: str | PathLike, name: str, *, allow_pickle: bool = False
    ) -> PreTrainedTokenizerBase | None:
        """
        Read embeddings from a folder, and use them.

        Args:
            path: the folder that they were saved to, here or by AdapterHub.
            allow_pickle: read `embedding.pt` where there is no safetensors file. Only a tensor is read from it.

        Returns:
            The tokenizer in the folder, if there is one.

        Raises:
            EmbeddingsError, AdapterFileError: the name is taken, or the folder cannot be read or does not fit; the
                model is as before.
        """
        self._refuse_taken(name)
        model = self._model_with_head
        with guarded(Path(path)):
            tokenizer = files.read_tokenizer(path)
            stored = files.read_vocabulary(path, allow_pickle=allow_pickle)
            if tokenizer is not None and stored.padding_idx is None:
                stored = Vocabulary(stored.weight, tokenizer.pad_token_id, stored.outputs)
            self._vocabularies.unused[name] = vocabularies.fitted(stored, model, str(path))
        self.set_active_embeddings(name)
        return tokenizer

    def save_embeddings(
        self,
        path: str | PathLike,
        name: str,
        tokenizer: PreTrainedTokenizerBase | None = None,
        *,
        use_safetensors: bool = True,
    ) -> None:
        """
        Write embeddings to a folder: `embedding.safetensors`, and the tokenizer to `tokenizer/`.

        Args:
            use_safetensors: `False` writes a pickle, `embedding.pt`, which is what AdapterHub's `adapters` reads.

        Raises:
            EmbeddingsError: there are no such embeddings.
        """
        write = files.write_vocabulary if use_safetensors else files.write_for_adapterhub
        write(path, self._vocabulary(name))
        if tokenizer is not None:
            tokenizer.save_pretrained(Path(path) / files.TOKENIZER_FOLDER)

    def delete_embeddings(self, name: str) -> None:
        """
        Remove embeddings. If they are in use, "default" is used again.

        Raises:
            EmbeddingsError: there are no such embeddings, or they are those that the model came with.
        """
        self._vocabularies.require(name)
        if name == DEFAULT:
            raise EmbeddingsError("the embeddings that a model came with cannot be deleted")
        if name == self.active_embeddings:
            logger.warning("The embeddings %r were in use; %r are used again", name, DEFAULT)
            self.set_active_embeddings(DEFAULT)
        del self._vocabularies.unused[name]

    def set_active_embeddings(self, name: str) -> None:
        """
        Use other embeddings of the model; `config.vocab_size` says how many tokens they have.

        Raises:
            EmbeddingsError: there are no such embeddings.
        """
        own = self._vocabularies
        own.require(name)
        if name != own.active:
            own.unused[own.active] = vocabularies.exchange(self._model_with_head, own.unused[name])
            del own.unused[name]
            own.active = name

    def freeze_embeddings(self, freeze: bool = True) -> None:
        """Freeze (or release) the input embeddings, and the output embeddings where there are some."""
        training.freeze_embeddings(self, freeze)

    @property
    def _vocabularies(self) -> Vocabularies:
        return self.adapted_base._loaded_vocabularies

    @property
    def _model_with_head(self) -> nn.Module:
        base = self.adapted_base
        return base._head_model.module or base

    def _vocabulary(self, name: str) -> Vocabulary:
        own = self._vocabularies
        own.require(name)
        return own.unused[name] if name != own.active else vocabularies.vocabulary_of(self._model_with_head)

    def _refuse_taken(self, name: str) -> None:
        if name in tuple(self._vocabularies):
            raise EmbeddingsError(f"the model has embeddings {name!r} already; delete them first, or use another name")


def wrapped_model(model: nn.Module) -> PreTrainedModel | None:
    """The model that is the only part of another one."""
    parts = list(model.children())
    return parts[0] if len(parts) == 1 and isinstance(parts[0], PreTrainedModel) else None
