"""How does `from_pretrained` of an adapter model find the adapters and heads inside of a checkpoint?

The libraries before this one wrote them among the weights of the model. transformers leaves there what it does not
know, so that it can be read when the model is complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers.utils import logging

from generated.core.errors import AdapterError
from generated.core.heads.filling import fill_head
from generated.core.loading import inside
from generated.core.mixins.checkpoints import model_in


logger = logging.get_logger(__name__)


class InsideCheckpointMixin:
    """Reads checkpoints of adapter-transformers and adapters, with all that is in them."""

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *model_args: Any, **kwargs: Any) -> Any:
        """Load a model, and the adapters, mixtures and heads among its weights.

        All arguments are those of transformers' `from_pretrained`.
        """
        loaded = super().from_pretrained(pretrained_model_name_or_path, *model_args, **kwargs)
        model = model_in(loaded)
        if "_inside" in model.__dict__:
            model._add_inside(*model.__dict__.pop("_inside"), Path(str(pretrained_model_name_or_path)))
        return loaded

    @classmethod
    def _load_pretrained_model(cls, model: Any, state_dict: Any, files: Any, load_config: Any, *args: Any) -> Any:
        listed = inside.listed_in(vars(model.config))
        if listed:
            model._inside = (listed, inside.read_inside(files, state_dict))
            known = model._keys_to_ignore_on_load_unexpected or ()
            model._keys_to_ignore_on_load_unexpected = {*known, *inside.PATTERNS}
        return super()._load_pretrained_model(model, state_dict, files, load_config, *args)

    def _add_inside(self, listed: inside.Inside, tensors: Mapping[str, Tensor], source: Path) -> None:
        inside.add_inside(self, listed, tensors, source)
        for name, config in listed.heads.items():
            prefix = f"heads.{name}."
            own = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
            try:
                head = self._head_from_config(name, config)
                fill_head(head, own, self.get_input_embeddings(), str(source))
                self.add_prediction_head(head, overwrite_ok=True, set_active=False)
            except (AdapterError, TypeError, ValueError) as error:
                logger.warning("the head %r inside of %s is left behind: %s", name, source, error)
        inside.forget_list(self.config)
