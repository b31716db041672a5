"""How does an adapter of PEFT become one of ours?

LoRA on a fused projection has one A for all its parts; here each part has one, so it is repeated. A vector of (IA)³
that PEFT multiplies into the output of a module is our `lora_B`, into its input our `lora_A`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any

from torch import Tensor, nn

from generated.core.configuration import AdapterConfig, IA3Config, LoRAConfig
from generated.core.configuration.lora import ATTENTION_ROLES, FEED_FORWARD_ROLES
from generated.core.errors import AdapterFileError
from generated.core.fused import fused_parts
from generated.core.interop.peft_files import PeftFolder, read_peft_folder
from generated.core.interop.peft_options import refuse_options, scaling_numerator, usual_and_others
from generated.core.loading.adapters import StoredAdapter
from generated.core.loading.keys import Renaming
from generated.core.loading.placement import renaming
from generated.core.placed import PlacedProjection, placed_projections
from generated.core.sites import resolve


NAME = "default"


@dataclass(frozen=True)
class FoundModule:
    """A module that a PEFT file adapts, and the projection of the model that it is."""

    path: str
    tensors: Mapping[str, Tensor]
    placed: PlacedProjection


def read_peft_adapter(
    model: nn.Module, directory: str | PathLike, leave_out: Collection[int] | None, *, allow_pickle: bool
) -> StoredAdapter:
    """
    Read a LoRA or (IA)³ adapter from a folder of PEFT. Such a folder has no name: it is called "default", as in PEFT.

    Raises:
        AdapterFileError: the folder cannot be read, uses an option that is not supported, or adapts a module that no
            adapter of this model can.
    """
    folder = read_peft_folder(directory, allow_pickle=allow_pickle)
    refuse_options(folder.options, folder.path.parent)
    _refuse_parts_of_the_base(model, folder)
    left_out = frozenset(leave_out or ())
    found = [module for module in _find(model.adapted_base, folder) if module.placed.layer.index not in left_out]
    _refuse_uneven(model.adapted_base, folder, found, left_out)
    config = _configuration(model.adapted_base, folder.options, found)
    tensors = {key: tensor for module in found for key, tensor in _translated(module)}
    return StoredAdapter(folder.path, f"peft.{folder.options.get('peft_version', '')}", NAME, config, tensors)


def _find(base: nn.Module, folder: PeftFolder) -> list[FoundModule]:
    known = {placed.path: placed for placed in placed_projections(base)}
    rename = renaming(base)
    paths = {path: next(filter(known.get, _spellings(path, rename)), None) for path in folder.adapted}
    homeless = [path for path, place in paths.items() if place is None]
    if homeless:
        raise AdapterFileError(
            f"{folder.path} adapts modules that are no projection of attention or feed-forward in "
            f"{type(base).__name__}: {', '.join(sorted(homeless))}; train it with target_modules without these"
        )
    return [FoundModule(path, folder.adapted[path], known[place]) for path, place in paths.items()]


def _spellings(path: str, rename: Renaming) -> Iterator[str]:
    """As the file has it, without the name of the base model, and both as transformers calls them today."""
    spellings = (path, path.partition(".")[2])
    yield from spellings
    # Rules of transformers may speak of what follows a module's name.
    yield from (rename(f"{spelling}.weight").removesuffix(".weight") for spelling in spellings)


def _refuse_parts_of_the_base(model: nn.Module, folder: PeftFolder) -> None:
    prefix, head = f"{model.base_model_prefix}.", model.head_tensors()
    trained = [
        name
        for name in folder.whole
        if name.startswith(prefix) or (name not in head and resolve(model.adapted_base, _module_of(name)) is not None)
    ]
    if trained:
        raise AdapterFileError(
            f"{folder.path} holds parts of the base model itself (modules_to_save, embeddings or biases): "
            f"{', '.join(sorted(trained))}; adapters here leave the base model as it is, so it cannot be loaded"
        )


def _module_of(name: str) -> str:
    return name.rpartition(".")[0]


def _refuse_uneven(
    base: nn.Module, folder: PeftFolder, found: Iterable[FoundModule], left_out: Collection[int]
) -> None:
    """A configuration here names roles of projections and layers, so each layer is adapted as the others, or not."""
    adapted = {module.placed.path for module in found}
    layers = {module.placed.layer.index for module in found}
    kinds = {module.placed.projection for module in found}
    absent = [
        placed.path
        for placed in placed_projections(base)
        if placed.layer.index in layers and placed.projection in kinds and placed.path not in adapted
    ]
    if not found:
        raise AdapterFileError(f"{folder.path} adapts no module" + (" that is not left out" if left_out else ""))
    if absent:
        raise AdapterFileError(
            f"{folder.path} adapts different modules in different layers (target_modules), which is not supported; "
            f"it lacks {', '.join(absent)}"
        )


def _configuration(base: nn.Module, options: Mapping[str, Any], found: list[FoundModule]) -> AdapterConfig:
    roles = {role for module in found for role in module.placed.projection.parts}
    layers = {module.placed.layer.index for module in found}
    everywhere = {placed.layer.index for placed in placed_projections(base)}
    places = {
        "selfattn_lora": bool(roles.intersection(ATTENTION_ROLES)),
        "attn_matrices": [role for role in ATTENTION_ROLES if role in roles],
        "mlp_matrices": [role for role in FEED_FORWARD_ROLES if role in roles],
        "leave_out": sorted(everywhere - layers),
    }
    if options["peft_type"] == "IA3":
        return IA3Config(intermediate_lora=False, scaled_inputs=_scaled_inputs(found), **places)
    ranks = {module.placed.path: module.tensors["lora_A"].shape[0] for module in found}
    alphas = {
        module.placed.path: scaling_numerator(options, module.path, ranks[module.placed.path]) for module in found
    }
    rank, rank_pattern = usual_and_others(ranks)
    alpha, alpha_pattern = usual_and_others(alphas)
    return LoRAConfig(
        r=rank,
        alpha=alpha,
        rank_pattern=rank_pattern or None,
        alpha_pattern=alpha_pattern or None,
        dropout=options.get("lora_dropout", 0.0),
        use_dora=bool(options.get("use_dora")),
        dora_as_published=True if options.get("use_dora") else None,
        **places,
    )


def _scaled_inputs(found: Iterable[FoundModule]) -> list[str] | None:
    """The roles of the modules that PEFT calls those of the feed-forward block: it multiplies their input."""
    kinds: dict[str, set[bool]] = {}
    for module in found:
        for role in module.placed.projection.parts:
            kinds.setdefault(role, set()).add(_scales_input(module.tensors))
    both = [role for role, kind in kinds.items() if len(kind) > 1]
    if both:
        raise AdapterFileError(f"feedforward_modules holds some of the projections {', '.join(both)}, and not others")
    return sorted(role for role, kind in kinds.items() if kind == {True}) or None


def _scales_input(tensors: Mapping[str, Tensor]) -> bool:
    return tensors["ia3_l"].shape[0] == 1


def _translated(module: FoundModule) -> Iterator[tuple[str, Tensor]]:
    tensors, host = module.tensors, f"{module.placed.path}.loras.{NAME}"
    if "ia3_l" in tensors and _scales_input(tensors):
        yield f"{host}.lora_A", tensors["ia3_l"]
        return
    if "ia3_l" in tensors:
        yield f"{host}.lora_B", _part_by_part(module, tensors["ia3_l"])
        return
    yield f"{host}.lora_A", tensors["lora_A"].repeat(len(module.placed.projection.parts), 1)
    yield f"{host}.lora_B", _part_by_part(module, tensors["lora_B"])
    if "magnitude" in tensors:
        yield f"{host}.m.weight", _part_by_part(module, tensors["magnitude"].reshape(-1, 1))


def _part_by_part(module: FoundModule, rows: Tensor) -> Tensor:
    """Rows in the order of the output's channels, in the order of its parts."""
    parts = fused_parts(module.placed, (True,) * len(module.placed.projection.parts))
    return parts.together(parts.select(rows), len(rows))
