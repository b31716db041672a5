"""Are models narrow and whole, and broad, without shared keys or without parts, where nothing else runs, or less?"""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.configuration_utils import SubConfigSpec
from transformers.models.bert.modeling_bert import BertModel
from transformers.models.bros.modeling_bros import BrosModel
from transformers.models.lilt.modeling_lilt import LiltModel

from adaptergen.verify.tiny import BROAD, tiny_config
from adaptergen.verify.widths import Size, size_that_runs


class NeverModel(PreTrainedModel):
    """It does not run, however wide it is."""

    config_class = PreTrainedConfig


class SplitConfig(PreTrainedConfig):
    hidden_size: int = 64
    num_attention_heads: int = 8
    num_key_value_heads: int = 8


class SplitModel(PreTrainedModel):
    """Its configuration says that heads may share keys, but it knows no such thing."""

    config_class = SplitConfig
    main_input_name = "pixel_values"

    def forward(self, pixel_values: Tensor) -> Tensor:
        if self.config.num_key_value_heads != self.config.num_attention_heads:
            raise RuntimeError("the size of tensor a (4) must match the size of tensor b (2)")
        return pixel_values


class HearingModel(PreTrainedModel):
    """What hears in it shares no keys; without a sound, the rest of it runs."""

    config_class = SplitConfig

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, input_features: Tensor | None = None
    ) -> Tensor:
        if input_features is not None and self.config.num_key_value_heads != self.config.num_attention_heads:
            raise RuntimeError("the size of tensor a (4) must match the size of tensor b (2)")
        return input_ids


class PartsConfig(PreTrainedConfig):
    sub_configs_defaults: ClassVar = {"vision_config": SubConfigSpec(config_class=SplitConfig, optional=True)}

    hidden_size: int = 64
    vision_config: dict[str, Any] | PreTrainedConfig | None = None


class PartsModel(PreTrainedModel):
    """It reads something of its part that the default configuration of that does not say."""

    config_class = PartsConfig

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        if self.config.vision_config is not None:
            return input_ids * self.config.vision_config.projection_hidden_size
        return input_ids


@pytest.mark.parametrize(
    ("base", "size"),
    [
        (BertModel, Size()),
        (BrosModel, Size(BROAD)),
        (LiltModel, Size(BROAD)),
        (SplitModel, Size(shares=False)),
        (HearingModel, Size(shares=False)),
        (PartsModel, Size(parts=False)),
        (NeverModel, Size()),
    ],
)
def test_sizes(base: type[PreTrainedModel], size: Size) -> None:
    def config(size: Size) -> PreTrainedConfig:
        return tiny_config(base.config_class, **size._asdict())

    assert size_that_runs(base, config) == size
