"""Which adapter model belongs to which class of configurations? A table like those of transformers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from transformers import CONFIG_MAPPING, PreTrainedConfig, PreTrainedModel

from generated.core.auto import adapter_model_class
from generated.models import ADAPTER_MODEL_MAPPING_NAMES


class AdapterModelMapping(Mapping[type[PreTrainedConfig], type[PreTrainedModel]]):
    """From class of configurations to adapter model; a model is imported when it is asked for."""

    def __getitem__(self, config_class: type[PreTrainedConfig]) -> type[PreTrainedModel]:
        model_type = getattr(config_class, "model_type", None)
        if model_type not in ADAPTER_MODEL_MAPPING_NAMES:
            raise KeyError(config_class)
        return adapter_model_class(model_type)

    def __iter__(self) -> Iterator[type[PreTrainedConfig]]:
        return (CONFIG_MAPPING[model_type] for model_type in ADAPTER_MODEL_MAPPING_NAMES)

    def __len__(self) -> int:
        return len(ADAPTER_MODEL_MAPPING_NAMES)


ADAPTER_MODEL_MAPPING = AdapterModelMapping()
MODEL_WITH_HEADS_MAPPING = ADAPTER_MODEL_MAPPING
