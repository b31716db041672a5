"""How does an adapter of ours become a folder that PEFT reads?

The parts of a fused projection have one A each; PEFT has one for all. Where the As are equal, that is it. Else they
are stacked, and B is made of blocks, so that the rank is that of all parts together:

    B_q A_q            [B_q  0 ] [A_q]
    B_v A_v     =      [ 0  B_v] [A_v]
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generated.core.configuration import LoRAConfig
from generated.core.errors import UnsupportedMethodError
from generated.core.interop.peft_files import KEY_PREFIX, PEFT_FILES
from generated.core.interop.peft_options import usual_and_others
from generated.core.layers.lora import InputRescaling, LoRALinearMixin, LowRank, Rescaling, bias_of
from generated.core.layers.offloading import at_hand
from generated.core.layers.sharding import own_class
from generated.core.loading import key_prefix, parts_of
from generated.core.loading.folder import write
from generated.core.loading.quantised_heads import as_matrices
from generated.core.placed import PlacedProjection, placed_projections


@dataclass(frozen=True)
class WrittenModule:
    """One adapted projection in PEFT's terms; `alpha` belongs to `rank`."""

    placed: PlacedProjection
    tensors: Mapping[str, Tensor]
    rank: int
    alpha: float

    @property
    def scales_input(self) -> bool:
        return "ia3_l" in self.tensors and self.tensors["ia3_l"].shape[0] == 1


def write_peft_adapter(model: nn.Module, directory: str | PathLike, name: str, *, with_head: bool) -> None:
    """
    Write a LoRA or (IA)³ adapter, and with it the fixed head of `model`, if it has one with weights of its own.

    Raises:
        UnsupportedMethodError: PEFT has no such adapters; nothing is written.
        AdapterFileError: weights are offloaded; nothing is written.
    """
    config = model.adapters_config[name]
    _refuse_foreign(config, name)
    with at_hand(parts_of(model.adapted_base, name)):
        written = list(_written(model.adapted_base, name))
        _write(model, directory, config, written, _trained_head(model) if with_head else {})


def _write(
    model: nn.Module,
    directory: str | PathLike,
    config: LoRAConfig,
    written: Collection[WrittenModule],
    head: Mapping[str, Tensor],
) -> None:
    prefix = KEY_PREFIX + key_prefix(model)
    tensors = {f"{prefix}{part.placed.path}.{key}": value for part in written for key, value in part.tensors.items()}
    tensors |= {KEY_PREFIX + key: value for key, value in head.items()}
    options = (
        _options_of_scale(model, written) if config.composition_mode == "scale" else _options_of_lora(config, written)
    )
    saved = {"modules_to_save": sorted({key.partition(".")[0] for key in head}) or None}
    write(model, directory, PEFT_FILES, {**_options(model, written), **options, **saved}, tensors)


def _refuse_foreign(config: Any, name: str) -> None:
    has_peer = type(config).architecture == "lora" and isinstance(config, LoRAConfig)
    options = {
        "use_gating": has_peer and config.use_gating,
        "vera_d": has_peer and config.vera_d is not None,
        "vera_b": has_peer and config.vera_b is not None,
    }
    wrong = [option for option, is_set in options.items() if is_set]
    if not has_peer or wrong:
        what = f"{type(config).__name__} with {', '.join(wrong)}" if wrong else type(config).__name__
        raise UnsupportedMethodError(
            f"adapter {name!r} is a {what}, for which PEFT has no counterpart; leave out format='peft' to save it"
        )


def _written(base: nn.Module, name: str) -> Iterator[WrittenModule]:
    for placed in placed_projections(base):
        if isinstance(placed.module, LoRALinearMixin) and name in placed.module.loras:
            lora = placed.module.loras[name]
            yield WRITERS[type(lora)](placed, lora)


def _scale(placed: PlacedProjection, lora: Rescaling) -> WrittenModule:
    factors = lora.parts.spread(lora.parts.apart(lora.lora_B).squeeze(-1), fill=1.0)
    return WrittenModule(placed, {"ia3_l": factors.unsqueeze(-1) * lora.scaling}, 1, 1)


def _input_scale(placed: PlacedProjection, lora: InputRescaling) -> WrittenModule:
    return WrittenModule(placed, {"ia3_l": lora.lora_A}, 1, 1)


def _low_rank(placed: PlacedProjection, lora: LowRank) -> WrittenModule:
    count = lora.parts.count
    down = lora.lora_A.unflatten(0, (count, lora.r))
    magnitude = {} if lora.m is None else {"lora_magnitude_vector": _lengths(placed, lora)}
    if all(lora.parts.adapted) and bool((down == down[0]).all()):
        spread = lora.parts.spread(lora.parts.apart(lora.lora_B).permute(2, 0, 1), fill=0.0).T
        tensors = {"lora_A.weight": down[0], "lora_B.weight": spread.contiguous()}
        return WrittenModule(placed, tensors | magnitude, lora.r, lora.scaling * lora.r)
    tensors = {"lora_A.weight": lora.lora_A, "lora_B.weight": _blocks(lora)}
    return WrittenModule(placed, tensors | magnitude, lora.r * count, lora.scaling * lora.r * count)


def _lengths(placed: PlacedProjection, lora: LowRank) -> Tensor:
    """The magnitudes of DoRA, (out,), which are measured on the weights of the model."""
    if placed.module.merged is not None:
        raise UnsupportedMethodError(
            f"the adapter {placed.module.merged.name!r} is merged into {placed.path}, so that DoRA cannot be measured "
            "there; call `reset_adapter()` first"
        )
    if bias_of(placed.module) is not None and not lora.is_published_dora:
        raise UnsupportedMethodError(
            f"DoRA at {placed.path} scales the bias, too, as in AdapterHub, which PEFT cannot; train with "
            "dora_as_published=True, or leave out format='peft' to save it"
        )
    return lora.published_lengths(placed.module.matrix(lora.m.weight)).detach()


def _blocks(lora: LowRank) -> Tensor:
    """B of all parts, (out, adapted parts · rank)."""
    up = lora.parts.apart(lora.lora_B)
    blocks = torch.stack([F.pad(part, (i * lora.r, (len(up) - 1 - i) * lora.r)) for i, part in enumerate(up)])
    return lora.parts.spread(blocks.permute(2, 0, 1), fill=0.0).T.contiguous()


WRITERS = {Rescaling: _scale, InputRescaling: _input_scale, LowRank: _low_rank}


def _options(model: nn.Module, written: Collection[WrittenModule]) -> dict[str, Any]:
    cls = own_class(model)
    return {
        "auto_mapping": {"base_model_class": cls.__name__, "parent_library": cls.__module__},
        "base_model_name_or_path": model.config.name_or_path or None,
        "fan_in_fan_out": all(hasattr(part.placed.module, "nx") for part in written),
        "inference_mode": True,
        "target_modules": sorted(set(_selection(model, written).values())),
        "task_type": None,
    }


def _options_of_scale(model: nn.Module, written: Collection[WrittenModule]) -> dict[str, Any]:
    names = _selection(model, written)
    inner = {names[part.placed.path] for part in written if part.scales_input}
    return {"peft_type": "IA3", "feedforward_modules": sorted(inner)}


def _options_of_lora(config: LoRAConfig, written: Collection[WrittenModule]) -> dict[str, Any]:
    rank, rank_pattern = usual_and_others({part.placed.path: part.rank for part in written})
    alpha, alpha_pattern = usual_and_others({part.placed.path: _whole(part.alpha) for part in written})
    return {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": alpha,
        "rank_pattern": rank_pattern,
        "alpha_pattern": alpha_pattern,
        "lora_dropout": config.dropout,
        "use_dora": config.use_dora,
        "bias": "none",
    }


def _whole(number: float) -> int | float:
    return int(number) if float(number).is_integer() else number


def _selection(model: nn.Module, written: Collection[WrittenModule]) -> dict[str, str]:
    """
    For each of these modules an end of its path, so that the ends choose them and no others; where that cannot be, the
    path from the base model. Of the ends, those of modules whose input is scaled must fit no other module, either.
    """
    prefix = key_prefix(model)
    layers = {module: path for path, module in model.named_modules()}
    ends = {
        part.placed.path: (prefix + part.placed.path).removeprefix(f"{layers[part.placed.layer.module]}.")
        for part in written
    }
    inner = {part.placed.path for part in written if part.scales_input}
    fits = [f".{path}" for path in layers.values()]
    chosen = {path for path in fits if path.endswith(tuple(f".{end}" for end in ends.values()))}
    chosen_inner = {path for path in chosen if path.endswith(tuple(ends[path] for path in inner))}
    exact = chosen == {f".{prefix}{path}" for path in ends} and chosen_inner == {f".{prefix}{path}" for path in inner}
    return ends if exact else {path: path for path in ends}


def _trained_head(model: nn.Module) -> dict[str, Tensor]:
    """The tensors of a fixed head, without a projection onto the vocabulary: that is not trained with adapters."""
    projection = model.get_output_embeddings()
    frozen = {id(tensor) for tensor in ([] if projection is None else projection.state_dict(keep_vars=True).values())}
    maps = {path: linear for path, linear in model.quantised_head_maps().items() if linear is not projection}
    tensors = model.head_tensors() | as_matrices(model, maps)
    return {name: tensor for name, tensor in tensors.items() if id(tensor) not in frozen and "." in name}
