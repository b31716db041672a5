"""Which prediction heads does a model hold, and which of them are active?

Nothing here is shared between models, and the model's config is never changed: a head's labels are in its own config.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from torch import nn
from transformers.utils import logging

from generated.core.averaging import normalized_weights
from generated.core.composition import AdapterCompositionBlock, BatchSplit, Parallel
from generated.core.heads import MODEL_HEAD_MAP, make_head
from generated.core.heads.averaging import common_config, fill_with_sum
from generated.core.heads.base import PredictionHead
from generated.core.heads.division import HeadSetup, head_setup
from generated.core.heads.errors import HeadExistsError, HeadNameError, UnknownHeadError, UnsupportedHeadError
from generated.core.heads.sentence import SentenceSource
from generated.core.heads.vocabulary import OutputEmbeddingsMixin
from generated.core.lifecycle import is_weight_name


logger = logging.get_logger(__name__)


class PredictionHeadsMixin(OutputEmbeddingsMixin):
    """Named prediction heads for a transformers model.

    Attributes:
        head_types: the kinds of heads that make sense on this architecture.
        sentence_source: where the vector that stands for a whole sequence is found.
        heads: name to head.
    """

    head_types: ClassVar[tuple[str, ...]] = ()
    sentence_source: ClassVar[SentenceSource] = "first_token"

    def post_init(self) -> None:
        """Heads come after the base model: transformers reads device and type off a model's first parameter."""
        if not hasattr(self, "heads"):
            self.heads = nn.ModuleDict()
            self.custom_heads: dict[str, Callable[..., PredictionHead]] = {}
            self._active_heads: HeadSetup = ()
        super().post_init()

    @property
    def active_head(self) -> str | list[str] | BatchSplit | Parallel | None:
        """The head that `forward` runs: its name, or several, or `None`.

        A list lets all of its heads read the same outputs; while parallel adapters are active, it names the head of
        each, as `Parallel` does. A `BatchSplit` names the heads of parts of the batch.
        """
        setup = self._active_heads
        if isinstance(setup, AdapterCompositionBlock):
            return setup
        return setup[0] if len(setup) == 1 else list(setup) or None

    @active_head.setter
    def active_head(self, heads: str | Sequence[str] | BatchSplit | Parallel | None) -> None:
        setup = head_setup(heads)
        for name in setup:
            self.get_head(name)
        self._active_heads = setup

    def get_head(self, name: str) -> PredictionHead:
        """The head called `name`.

        Raises:
            UnknownHeadError: there is none.
        """
        if name not in self.heads:
            raise UnknownHeadError(f"no prediction head '{name}'; this model has: {', '.join(self.heads) or 'none'}")
        return self.heads[name]

    def used_heads(self, name: str | None = None) -> tuple[PredictionHead, ...]:
        """The head called `name`, by default the active ones."""
        return tuple(self.get_head(head) for head in ((name,) if name else self._active_heads))

    def add_prediction_head(self, head: PredictionHead, overwrite_ok: bool = False, set_active: bool = True) -> None:
        """Add `head` under its own name.

        Raises:
            HeadExistsError: the name is taken, and may not be overwritten.
            HeadNameError: it cannot be a name.
            UnsupportedHeadError: the head wants a pooler that this model lacks.
        """
        if head.name in self.heads and not overwrite_ok:
            raise HeadExistsError(f"there is a head '{head.name}' already; use another name, or overwrite_ok=True")
        if not is_weight_name(head.name) or hasattr(nn.ModuleDict(), head.name):
            raise HeadNameError(
                f"{head.name!r} cannot name a head: it becomes part of weight names and of paths, so it must be a "
                "text that is not empty, holds no dot, begins and ends with no slash, and is no attribute of torch "
                "modules"
            )
        if head.config.get("use_pooler") and self.sentence_source != "pooler":
            raise UnsupportedHeadError(
                f"{type(self).__name__} has no pooler: head '{head.name}' needs use_pooler=False"
            )
        self.heads[head.name] = head
        self._tie_heads()
        if set_active:
            self.active_head = head.name

    def add_prediction_head_from_config(
        self, head_name: str, config: dict[str, Any], overwrite_ok: bool = False, set_active: bool = True
    ) -> None:
        """Add a new head as the entry `config` of a `head_config.json` describes it."""
        head = self._head_from_config(head_name, config)
        self.add_prediction_head(head, overwrite_ok=overwrite_ok, set_active=set_active)

    def register_custom_head(self, identifier: str, head: Callable[..., PredictionHead]) -> None:
        """Make `head(model, head_name, **config)` available to this model as the head type `identifier`."""
        self.custom_heads[identifier] = head

    def add_custom_head(
        self, head_type: str, head_name: str, overwrite_ok: bool = False, set_active: bool = True, **kwargs: Any
    ) -> None:
        """Add a head of a type made known by `register_custom_head`."""
        head = self._head_class(head_type)(self, head_name, **kwargs)
        head.config.setdefault("head_type", head_type)
        self.add_prediction_head(head, overwrite_ok=overwrite_ok, set_active=set_active)

    def _head_from_config(self, head_name: str, config: dict[str, Any]) -> PredictionHead:
        head = make_head(self._head_class(config.get("head_type")), self, head_name, config)
        head.config.setdefault("head_type", config.get("head_type"))
        return head

    def _add_head(self, head_type: str, head_name: str, overwrite_ok: bool, **config: Any) -> None:
        self.add_prediction_head(self._head_class(head_type)(self, head_name, **config), overwrite_ok)

    def average_head(
        self,
        head_name: str,
        head_list: Sequence[str] | Mapping[str, float],
        weights: Sequence[float] | None = None,
        normalize_weights: bool = True,
        overwrite_ok: bool = False,
        set_active: bool = False,
    ) -> None:
        """Add a head that is the mean of others, of the same configuration.

        Args:
            head_list: names of the others; as a dictionary, with their weights.
            weights: one for each; by default all alike.
            normalize_weights: divide the weights by their sum.
            overwrite_ok: replace a head of this name, which may be one of the others.

        Raises:
            UnknownHeadError, HeadExistsError, HeadNameError: a head is missing, or the name is taken or cannot be one.
            AdapterConfigError: the heads differ, or the weights make no sense.
        """
        shares = normalized_weights(head_list, weights, normalize=normalize_weights)
        heads = {name: self.get_head(name) for name in shares}
        config = common_config(self, heads)
        head = self._head_from_config(head_name, config)
        fill_with_sum(head, {name: (heads[name], weight) for name, weight in shares.items()})
        self.add_prediction_head(head, overwrite_ok, set_active)

    def delete_head(self, head_name: str) -> None:
        """Remove a head; it is no longer active either."""
        if head_name not in self.heads:
            logger.info("there is no head '%s' to delete", head_name)
            return
        del self.heads[head_name]
        if head_name in self._active_heads:
            is_list = isinstance(self._active_heads, tuple)
            self._active_heads = tuple(name for name in self._active_heads if is_list and name != head_name)
        self._tie_heads()

    def get_prediction_heads_config(self) -> dict[str, dict[str, Any]]:
        """Head name to head config."""
        return {name: head.config for name, head in self.heads.items()}

    def get_labels_dict(self, head_name: str | None = None) -> dict[int, str] | None:
        """Label id to label name of a head (by default the active one); `None` if it has no labels.

        Raises:
            ValueError: no name given and not exactly one head active.
        """
        label2id = self.get_head(head_name or self._only_active_head()).config.get("label2id")
        return {index: label for label, index in label2id.items()} if label2id else None

    def get_labels(self, head_name: str | None = None) -> list[str] | None:
        """Label names of a head (by default the active one); `None` if it has no labels."""
        labels = self.get_labels_dict(head_name)
        return list(labels.values()) if labels else None

    def _only_active_head(self) -> str:
        if not isinstance(self.active_head, str):
            raise ValueError("give a head_name: not exactly one head is active")
        return self.active_head

    def _head_class(self, head_type: str | None) -> Callable[..., PredictionHead]:
        if head_type in self.custom_heads:
            return self.custom_heads[head_type]
        if head_type in MODEL_HEAD_MAP and head_type in self.head_types:
            return MODEL_HEAD_MAP[head_type]
        known = ", ".join((*self.head_types, *self.custom_heads))
        raise UnsupportedHeadError(
            f"{type(self).__name__} has no head type '{head_type}'. It has: {known}. "
            "Types of your own become known by register_custom_head."
        )
