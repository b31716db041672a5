"""What is the mean of several adapters?

linear                       Σ wᵢ θᵢ for every parameter θ
lora_linear_only_negate_b    the same for LoRA, with |wᵢ| for A: a negative weight subtracts what the adapter
                             learned (Zhang et al., 2023, https://arxiv.org/abs/2306.14870)
lora_delta_w_svd             the best approximation of Σ wᵢ sᵢ Bᵢ Aᵢ of a given rank, for LoRA
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from generated.core import lifecycle
from generated.core.configuration import AdapterConfig, LoRAConfig
from generated.core.errors import AdapterConfigError
from generated.core.layers.lora import LowRank
from generated.core.layers.offloading import at_hand
from generated.core.layers.reft import OrthogonalRows
from generated.core.layers.sharding import whole
from generated.core.methods.lora import projections_with


Tensors = dict[tuple[str, str], Tensor]


@dataclass(frozen=True)
class Source:
    """An adapter that is averaged, and its weight."""

    name: str
    weight: float
    config: AdapterConfig
    modules: Mapping[str, nn.Module]

    @property
    def tensors(self) -> Tensors:
        """All tensors by container and name within it; orthonormal rows in the place of what they are made of."""
        return {(path, key): value for path, module in self.modules.items() for key, value in _values(module).items()}

    @property
    def trained(self) -> set[tuple[str, str]]:
        """Which of them are learned."""
        return {(path, key) for path, module in self.modules.items() for key in _learned(module)}


def _values(module: nn.Module) -> dict[str, Tensor]:
    rows = _orthonormal_rows(module)
    inner = tuple(f"{name}." for name in rows)
    plain = {key: whole(value) for key, value in module.state_dict().items() if not key.startswith(inner)}
    return plain | {name: part().detach() for name, part in rows.items()}


def _learned(module: nn.Module) -> set[str]:
    parameters = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    return parameters | _orthonormal_rows(module).keys()


def _orthonormal_rows(module: nn.Module) -> dict[str, OrthogonalRows]:
    return {name: part for name, part in module.named_modules() if isinstance(part, OrthogonalRows)}


def normalized_weights(
    adapters: Sequence[str] | Mapping[str, float], weights: Sequence[float] | None, *, normalize: bool
) -> dict[str, float]:
    """
    The weight of each adapter: 1 / n unless they are given.

    Raises:
        AdapterConfigError: there are no adapters, or not one weight for each, or they cannot be normalised.
    """
    names = list(adapters)
    if isinstance(adapters, Mapping):
        _refuse_if(weights is not None, "weights are given twice: in the dictionary, and as an argument")
        weights = list(adapters.values())
    _refuse_if(not names, "there is nothing to average; name at least one adapter")
    _refuse_if(len(set(names)) != len(names), f"an adapter is named twice: {', '.join(names)}")
    if weights is None:
        return dict.fromkeys(names, 1 / len(names))
    _refuse_if(len(weights) != len(names), f"{len(names)} adapters need as many weights, not {len(weights)}")
    total = sum(weights) if normalize else 1.0
    _refuse_if(total == 0, "the weights sum to 0, so they cannot be normalised; pass normalize_weights=False")
    return {name: float(weight) / total for name, weight in zip(names, weights, strict=True)}


def average(
    model: nn.Module,
    new_name: str,
    weights: Mapping[str, float],
    strategy: str = "linear",
    svd_rank: int | None = None,
    overwrite_ok: bool = False,
) -> None:
    """
    Add to the base model `model` an adapter that is the mean of others. It may take the place of one of them.

    Raises:
        UnknownAdapterError, AdapterExistsError: one of them is missing, or the new one is there already.
        AdapterConfigError: the strategy is unknown, or does not fit the adapters. The model is as before.
    """
    if strategy not in STRATEGIES:
        raise AdapterConfigError(f"unknown combine_strategy {strategy!r}; known: {', '.join(STRATEGIES)}")
    model.adapters_config.require(*weights)
    sources = [_source(model, name, weight) for name, weight in weights.items()]
    with at_hand(part for source in sources for module in source.modules.values() for part in module.modules()):
        config, mean = STRATEGIES[strategy](sources, svd_rank)
    has_lora = sum(isinstance(part, LoRAConfig) for part in config.parts) == 1
    projections = projections_with(model, sources[0].name) if has_lora else None

    def fill() -> None:
        added = _source(model, new_name, 1.0).modules
        for (path, key), value in mean.items():
            _assign(added[path], key, value)

    lifecycle.add_adapter(model, new_name, config, overwrite_ok, projections, complete=fill)


def _assign(module: nn.Module, key: str, value: Tensor) -> None:
    rows = _orthonormal_rows(module)
    if key in rows:
        rows[key].become(value)
    else:
        module.state_dict()[key].copy_(value)


def _linear(sources: Sequence[Source], svd_rank: int | None) -> tuple[AdapterConfig, Tensors]:
    return _combined(sources, lambda source, key: source.weight)


def _linear_only_negate_b(sources: Sequence[Source], svd_rank: int | None) -> tuple[AdapterConfig, Tensors]:
    _require_plain_lora(sources, "lora_linear_only_negate_b")
    return _combined(sources, lambda source, key: abs(source.weight) if key == "lora_A" else source.weight)


def _delta_w_svd(sources: Sequence[Source], svd_rank: int | None) -> tuple[AdapterConfig, Tensors]:
    """
    As in AdapterHub, A holds the first right singular vectors, and B the left ones times the singular values. There,
    alpha stays, so that another rank makes the mean stronger or weaker; here it follows the rank.
    """
    _require_plain_lora(sources, "lora_delta_w_svd")
    if svd_rank is None:
        raise AdapterConfigError("lora_delta_w_svd needs a rank for the new adapter; pass svd_rank")
    first = sources[0].config.replace(rank_pattern=None, alpha_pattern=None)
    apart_from_rank = {"r": first.r, "alpha": first.alpha, "rank_pattern": None, "alpha_pattern": None}
    _require_alike(source.config.replace(**apart_from_rank) for source in sources)
    _require_same_places(sources)
    scaling = first.alpha / first.r
    tensors: Tensors = {}
    for path in sources[0].modules:
        modules = [(source.weight, source.modules[path]) for source in sources]
        device = sources[0].modules[path].lora_A.device
        delta = sum(weight * module.scaling / scaling * module.delta().to(device) for weight, module in modules)
        a, b = _factorized(delta.detach(), svd_rank, path)
        tensors[path, "lora_A"], tensors[path, "lora_B"] = a.flatten(0, 1), b.flatten(0, 1)
    return first.replace(r=svd_rank, alpha=first.alpha * svd_rank / first.r), tensors


def _factorized(delta: Tensor, rank: int, path: str) -> tuple[Tensor, Tensor]:
    """A, (parts, rank, in), and B, (parts, width, rank), of the best approximation of (parts, width, in)."""
    if not 1 <= rank <= min(delta.shape[1:]):
        raise AdapterConfigError(f"svd_rank is {rank}, must be from 1 to {min(delta.shape[1:])}, for {path}")
    left, values, right = torch.linalg.svd(delta.float(), full_matrices=False)
    return right[:, :rank], left[:, :, :rank] * values[:, None, :rank]


STRATEGIES: Mapping[str, Callable[[Sequence[Source], int | None], tuple[AdapterConfig, Tensors]]] = {
    "linear": _linear,
    "lora_linear_only_negate_b": _linear_only_negate_b,
    "lora_delta_w_svd": _delta_w_svd,
}


def _combined(sources: Sequence[Source], weight_of: Callable[[Source, str], float]) -> tuple[AdapterConfig, Tensors]:
    """Weighted sums of what is trained. What is not, such as the matrices of VeRA, has to be the same in all."""
    _require_alike(source.config for source in sources)
    _require_same_places(sources)
    first, trained = sources[0], sources[0].trained
    tensors = [source.tensors for source in sources]
    mean: Tensors = {}
    for key, value in first.tensors.items():
        if key in trained:
            shares = zip(sources, tensors, strict=True)
            mean[key] = sum(weight_of(source, key[1]) * own[key].to(value) for source, own in shares)
        elif all(torch.equal(own[key].to(value.device), value) for own in tensors):
            mean[key] = value
        else:
            raise AdapterConfigError(
                f"the adapters {_names(sources)} cannot be averaged: {'.'.join(key)} was drawn at random for each of "
                "them and never trained; train them from the same init_weights_seed"
            )
    return first.config, mean


def _source(model: nn.Module, name: str, weight: float) -> Source:
    modules = {path: container[name] for path, container in lifecycle.adapter_modules(model, name)}
    return Source(name, weight, model.adapters_config[name], modules)


def _require_alike(configs: Iterable[AdapterConfig]) -> None:
    first, *others = configs
    if any(config != first for config in others):
        raise AdapterConfigError("adapters of different configurations cannot be averaged; train them with the same")


def _require_same_places(sources: Sequence[Source]) -> None:
    if any(source.modules.keys() != sources[0].modules.keys() for source in sources):
        raise AdapterConfigError(f"the adapters {_names(sources)} sit in different places and cannot be averaged")


def _require_plain_lora(sources: Sequence[Source], strategy: str) -> None:
    for source in sources:
        if not isinstance(source.config, LoRAConfig) or not all(map(_is_plain_lora, source.modules.values())):
            raise AdapterConfigError(f"{strategy} is for plain LoRA, and {source.name!r} is more; use 'linear'")


def _is_plain_lora(module: nn.Module) -> bool:
    return isinstance(module, LowRank) and module.m is None and module.gate is None


def _names(sources: Sequence[Source]) -> str:
    return ", ".join(source.name for source in sources)


def _refuse_if(is_wrong: bool, what: str) -> None:
    if is_wrong:
        raise AdapterConfigError(what)
