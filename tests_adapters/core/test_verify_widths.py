"""Are models as narrow as they can be, and broad where nothing else runs?"""

from __future__ import annotations

import pytest
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.models.bert.modeling_bert import BertModel
from transformers.models.bros.modeling_bros import BrosModel
from transformers.models.lilt.modeling_lilt import LiltModel

from adaptergen.verify.tiny import BROAD, NARROW, tiny_config
from adaptergen.verify.widths import times_wider


class NeverModel(PreTrainedModel):
    """It does not run, however wide it is."""

    config_class = PreTrainedConfig


@pytest.mark.parametrize(
    ("base", "times"), [(BertModel, NARROW), (BrosModel, BROAD), (LiltModel, BROAD), (NeverModel, NARROW)]
)
def test_times(base: type[PreTrainedModel], times: int) -> None:
    def config(times: int) -> PreTrainedConfig:
        return tiny_config(base.config_class, times=times)

    assert times_wider(base, config) == times
