"""What else is given with a picture: points and boxes in it, parts that are masked, things that are looked for?"""

from __future__ import annotations

import torch
from torch import Tensor

from adaptergen.verify.inputs.call import BATCH, Call


Inputs = dict[str, Tensor]
POINTS = 2


def marks(call: Call) -> Inputs:
    """Points in a picture that belong to one thing, (batch, things, points, 2), and whether they are in it."""
    if not call.takes("input_points"):
        return {}
    points = 8 * torch.rand(BATCH, 1, POINTS, 2, generator=call.random)
    return {"input_points": points, "input_labels": torch.ones(BATCH, 1, POINTS, dtype=torch.long)}


def regions(call: Call) -> Inputs:
    """Features of parts of a picture that something else has found, and where they are."""
    if not call.needs("visual_feats") and not call.takes("visual_feats"):
        return {}
    count = 4
    return {
        "visual_feats": call.normal(BATCH, count, call.number("visual_feat_dim", default=32)),
        "visual_pos": torch.rand(BATCH, count, call.number("visual_pos_dim", default=4), generator=call.random),
    }


def entities(call: Call) -> Inputs:
    """Things that some of the words are about, and which words these are."""
    if not call.takes("entity_ids"):
        return {}
    count, mentions = 3, call.number("max_mention_length", default=30)
    positions = torch.full((BATCH, count, mentions), -1)
    positions[..., 0] = torch.arange(count)
    size = call.number("entity_vocab_size", default=8)
    return {
        "entity_ids": torch.randint(1, size, (BATCH, count), generator=call.random),
        "entity_attention_mask": torch.ones(BATCH, count, dtype=torch.long),
        "entity_position_ids": positions,
        "entity_token_type_ids": torch.zeros(BATCH, count, dtype=torch.long),
    }
