"""How do weights that came from a file get into a new head?

All or nothing: what does not fit is named before anything is copied.
"""

from collections.abc import Mapping

import torch
from torch import nn
from transformers.utils import logging

from generated.core.errors import AdapterFileError
from generated.core.heads.base import PredictionHead


logger = logging.get_logger(__name__)


def fill_head(head: PredictionHead, tensors: Mapping[str, torch.Tensor], embeddings: nn.Module, source: str) -> None:
    """Copy `tensors` (`<position>.<parameter>`) into `head`.

    A projection that is tied to the input embeddings may be absent. If it is there and differs from them, the head
    keeps its own copy and is no longer tied: it computes what it was saved to compute, and the base model stays as
    it is.

    Args:
        embeddings: the model's input embeddings.
        source: where the tensors come from, for the error message.

    Raises:
        AdapterFileError: a tensor is missing, unknown, or of another shape.
    """
    expected = head.state_dict()
    if head.is_tied:
        projection = f"{len(head) - 1}.weight"
        if _holds_own_projection(tensors.get(projection), embeddings):
            logger.warning(
                "the head in %s has other output embeddings than the model's input embeddings: not tied", source
            )
            head.is_tied = False
        else:
            expected = {name: tensor for name, tensor in expected.items() if name != projection}
            tensors = {name: tensor for name, tensor in tensors.items() if name != projection}
    _check_names_and_shapes(expected, tensors, source)
    head.load_state_dict(tensors, strict=False)


def _holds_own_projection(weight: torch.Tensor | None, embeddings: nn.Module) -> bool:
    if weight is None or embeddings.weight.is_meta:
        return False
    shared = embeddings.weight.detach()
    return weight.shape != shared.shape or not torch.equal(weight.to(shared.device, shared.dtype), shared)


def _check_names_and_shapes(
    expected: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor], source: str
) -> None:
    problems = [f"'{name}' is missing" for name in expected.keys() - found.keys()]
    problems += [f"'{name}' belongs to no layer of the head" for name in found.keys() - expected.keys()]
    problems += [
        f"'{name}' is {tuple(found[name].shape)}, the head needs {tuple(expected[name].shape)}"
        for name in expected.keys() & found.keys()
        if expected[name].shape != found[name].shape
    ]
    if problems:
        raise AdapterFileError(f"the head in {source} does not fit its config: {'; '.join(sorted(problems))}")
