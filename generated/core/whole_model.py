"""What is the adapter model of a class that is a whole model by itself, such as an encoder and a decoder beside it?"""

from __future__ import annotations

from typing import Any, ClassVar

from generated.core.hub import folders_of_model
from generated.core.integrations import load_integration
from generated.core.loading import FOLDERS
from generated.core.mixins import ModelAdaptersMixin
from generated.core.mixins.checkpoints import model_in


class WholeModelAdaptersMixin(ModelAdaptersMixin):
    """
    Adapters from the start, for a class that has its heads inside: it takes no others.

    A subclass derives from this and from upstream's class with adapters. Its weights have upstream's names.
    """

    head_types: ClassVar[tuple[str, ...]] = ()

    def post_init(self) -> None:
        load_integration(self.model_package)  # or it was generated from another modeling file
        self._init_adapter_modules()  # first: upstream's may turn gradient checkpointing on
        super().post_init()

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *model_args: Any, **kwargs: Any) -> Any:
        """Load a checkpoint, with the adapters and mixtures beside its weights or among them.

        All arguments are those of transformers' `from_pretrained`.
        """
        location = dict(kwargs)
        loaded = super().from_pretrained(pretrained_model_name_or_path, *model_args, **kwargs)
        if pretrained_model_name_or_path is not None:
            model_in(loaded)._load_folders(folders_of_model(pretrained_model_name_or_path, FOLDERS, **location))
        return loaded
