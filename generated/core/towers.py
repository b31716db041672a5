"""What does it mean for adapters that a model consists of several: towers, or models of other architectures?"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn
from transformers.utils import logging

from generated.core.composition import AdapterCompositionBlock, BatchSplit, Parallel, Route, Split
from generated.core.errors import UnsupportedCompositionError
from generated.core.integrations import integration_of, load_integration
from generated.core.layers.positions import SequenceOfStack
from generated.core.placed import PlacedStack, first_stack, placed_stacks
from generated.core.sites import AdapterStack


logger = logging.get_logger(__name__)

OF_EXAMPLES = (BatchSplit, Parallel, Route, Split)  # what they do is done to examples, or to positions in them


def towers(model: nn.Module) -> tuple[tuple[str, str], ...]:
    """The towers of a model, in order: for each the path of the model, and that of its part of the configuration."""
    return tuple(dict.fromkeys(placed.tower for placed in placed_stacks(model)))


def tower_names(model: nn.Module) -> Mapping[tuple[str, str], str]:
    """What the towers of a model are called; "" where there is one."""
    found = towers(model)
    return {each: "_".join(filter(None, each)).replace(".", "_") if len(found) > 1 else "" for each in found}


def unsupported_methods(model: nn.Module) -> Mapping[str, str]:
    """The methods that are ruled out, with the reasons: by the plan of the architecture, or by all models inside."""
    own, inside = integration_of(model), _reasons_inside(model)
    by_all = {
        method: "; ".join(dict.fromkeys(reasons.values()))
        for method, reasons in inside.items()
        if len(reasons) == len(_packages(model))
    }
    return {**by_all, **own.unsupported}


def warn_of_left_out(model: nn.Module, method: str) -> None:
    """Say which models inside stay as they are, because their architecture cannot take a method."""
    for package, reason in _reasons_inside(model).get(method, {}).items():
        logger.warning("%s gets no %s in its %s: %s", type(model).__name__, method, package.rpartition(".")[2], reason)


def _packages(model: nn.Module) -> tuple[str, ...]:
    return tuple(dict.fromkeys(placed.part.package for placed in placed_stacks(model)))


def _reasons_inside(model: nn.Module) -> dict[str, dict[str, str]]:
    """Method → package of a model inside that cannot take it → why not."""
    reasons: dict[str, dict[str, str]] = {}
    for package in _packages(model):
        for method, reason in load_integration(package).unsupported.items():
            reasons.setdefault(method, {})[package] = reason
    return reasons


def refuse_blocks_of_examples(model: nn.Module, block: AdapterCompositionBlock | None) -> None:
    """
    Raises:
        UnsupportedCompositionError: a block gives examples adapters of their own, but what goes through one of the
            towers of the model is not one row for each example.
    """
    found = next((each for each in (block.blocks if block is not None else ()) if isinstance(each, OF_EXAMPLES)), None)
    if found is None or keeps_rows(model):
        return
    names = ", ".join(path or config or "one list of layers" for path, config in towers(model))
    raise UnsupportedCompositionError(
        f"{found!r} tells the examples of a batch apart, but not all of {type(model).__name__} ({names}) has one row "
        "for each: an example may have several rows, any number of images or sounds, or share its row with others"
    )


def keeps_rows(model: nn.Module) -> bool:
    """Is there one row for each example everywhere? An encoder and the decoder that reads it have the same."""
    if any(placed.stack.packed or placed.stack.joins_rows for placed in placed_stacks(model)):
        return False
    if len(towers(model)) == 1:
        return True
    if not model.config.is_encoder_decoder:
        return False
    ends = {end for end in (model.get_encoder(), model.get_decoder()) if end is not model}
    inside = {module for end in ends for module in end.modules()}
    return all(placed.part.module in inside for placed in placed_stacks(model))


def sequences(model: nn.Module) -> Mapping[AdapterStack, SequenceOfStack]:
    """
    What layers of each stack see of a call: the mask of the model is about words, and says nothing of what other
    towers read.

    A single stack may decode whatever its kind: BERT with `is_decoder` does.
    """
    placed, found, keeps, first = tuple(placed_stacks(model)), towers(model), keeps_rows(model), first_stack(model)
    of_words = {each.tower for each in placed if each.stack == first}

    def sequence(one: PlacedStack) -> SequenceOfStack:
        if not keeps and one.tower not in of_words:
            return SequenceOfStack(None, decodes=False)
        if sum(keeps or each.tower == one.tower for each in placed) == 1:
            return SequenceOfStack("attention_mask", decodes=True)
        decodes = one.stack.kind == "decoder" or (len(found) > 1 and one.tower == found[-1])
        return SequenceOfStack("decoder_attention_mask" if decodes else "attention_mask", decodes)

    return {one.stack: sequence(one) for one in placed}
