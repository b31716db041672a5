"""Where do the heads of a model project onto its vocabulary, and which of the projections are its input embeddings?

transformers asks for this under the names below: to tie weights, to resize the vocabulary, to save without duplicates.
"""

from torch import nn

from generated.core.heads.base import PredictionHead
from generated.core.heads.language_modeling import LanguageModelingHead


class OutputEmbeddingsMixin:
    """The projections of all heads. A head in `heads` says by `is_tied` whether its projection is tied."""

    heads: nn.ModuleDict

    def used_heads(self, name: str | None = None) -> tuple[PredictionHead, ...]:
        raise NotImplementedError

    def get_output_embeddings(self) -> nn.Module | None:
        """The active head's projection onto the vocabulary; a list of them if several active heads have one."""
        projections = [head.get_output_embeddings() for head in self.used_heads()]
        found = [projection for projection in projections if projection is not None]
        return nn.ModuleList(found) if len(found) > 1 else next(iter(found), None)

    def set_output_embeddings(self, new_embeddings: nn.Module) -> None:
        """Replace the projection of the active head, which stays tied or untied as it was."""
        for head in self.used_heads():
            if isinstance(head, LanguageModelingHead):
                head.set_output_embeddings(new_embeddings)

    @property
    def _tied_weights_keys(self) -> dict[str, str]:
        """Parameter of a tied projection -> parameter of the input embeddings."""
        tied = {name: head for name, head in getattr(self, "heads", {}).items() if head.is_tied}
        if not tied:
            return {}
        embeddings = self.get_input_embeddings()
        source = next(name for name, module in self.named_modules() if module is embeddings)
        return {f"heads.{name}.{len(head) - 1}.weight": f"{source}.weight" for name, head in tied.items()}

    def _tie_heads(self) -> None:
        """Tie the projections of all tied heads, and leave alone what the base model ties within itself."""
        for head in self.heads.values():
            if head.is_tied:
                head.get_output_embeddings().weight = self.get_input_embeddings().weight
        in_base = {key: source for key, source in self.all_tied_weights_keys.items() if not key.startswith("heads.")}
        self.all_tied_weights_keys = in_base | self._tied_weights_keys

    def _resize_token_embeddings(
        self, new_num_tokens: int | None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> nn.Module:
        """Resize the input embeddings and the projections of all heads, where transformers would only know one."""
        active, self._active_heads = self._active_heads, ()
        embeddings = super()._resize_token_embeddings(new_num_tokens, pad_to_multiple_of, mean_resizing)
        self._active_heads = active
        for head in self.heads.values():
            if isinstance(head, LanguageModelingHead):
                old = head.get_output_embeddings()
                new = self._get_resized_lm_head(old, embeddings.weight.shape[0], mean_resizing=mean_resizing)
                head.set_output_embeddings(new.requires_grad_(old.weight.requires_grad))
        return embeddings
