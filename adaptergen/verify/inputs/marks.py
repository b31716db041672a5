"""What else is given with a picture: points in it, things that are looked for, another picture as an example?"""

from __future__ import annotations

import torch
from torch import Tensor

from adaptergen.verify.inputs.call import BATCH, LENGTH, Call
from adaptergen.verify.inputs.text import words_of


Inputs = dict[str, Tensor]
POINTS = 2


def marks(call: Call) -> Inputs:
    """
    Points in a picture that belong to one thing, (batch, things, points, 2), and whether they are in it; or, where
    such a thing can be told by a box with a label alone, (batch, boxes, 4), parts of the picture.
    """
    if not call.takes("input_points"):
        return _boxes_in_pictures(call)
    points = 8 * torch.rand(BATCH, 1, POINTS, 2, generator=call.random)
    return {"input_points": points, "input_labels": torch.ones(BATCH, 1, POINTS, dtype=torch.long)}


def boxes(call: Call) -> Inputs:
    """Where things are on a page, of what kinds they are, and how many there are: left, top, right, bottom."""
    if not call.needs("boxes"):
        return {}
    size = call.number("max_2d_position_embeddings", default=64)
    corners = torch.randint(size, (BATCH, LENGTH, 2, 2), generator=call.random).sort(dim=-2).values
    kinds = torch.randint(call.number("num_classes", default=1), (BATCH, LENGTH), generator=call.random)
    return {"boxes": corners.flatten(-2), "labels": kinds, "mask": call.mask(BATCH, LENGTH, padding=2).bool()}


def _boxes_in_pictures(call: Call) -> Inputs:
    if not call.takes("input_boxes_labels"):
        return {}
    corners = 0.25 + 0.5 * torch.rand(BATCH, POINTS, 4, generator=call.random)
    return {"input_boxes": corners, "input_boxes_labels": torch.ones(BATCH, POINTS, dtype=torch.long)}


def regions(call: Call) -> Inputs:
    """Features of parts of a picture that something else has found, and where they are."""
    if not call.takes("visual_feats"):
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


def tasks(call: Call) -> Inputs:
    """What is to be done with a picture, and which classes of things are looked for in it, in words."""
    if call.takes("task_inputs"):
        return {"task_inputs": words_of(call, (BATCH, call.number("task_seq_len", default=LENGTH)))}
    if not call.takes("classes_input_ids"):
        return {}
    classes, task = words_of(call, (2 * BATCH, LENGTH)), words_of(call, (BATCH, LENGTH))
    return {
        "classes_input_ids": classes,
        "classes_attention_mask": torch.ones_like(classes),
        "classes_structure": torch.full((BATCH,), 2),
        "tasks_input_ids": task,
        "tasks_attention_mask": torch.ones_like(task),
    }


def example(call: Call, inputs: Inputs) -> Inputs:
    """A picture like the one to be read, and what is to be seen in it."""
    names = [name for name in ("prompt_pixel_values", "prompt_masks") if call.takes(name)]
    return {name: call.normal(*inputs["pixel_values"].shape) for name in names}
