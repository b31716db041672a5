"""Public methods that make one thing out of several: merged weights, means of adapters, shared parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from generated.core import averaging, lifecycle, merging, sharing
from generated.core.composition import AdapterCompositionBlock


class AdapterCombiningMixin:
    """Merging, averaging and sharing."""

    def merge_adapter(self, name: str) -> None:
        """
        Let the weights of the model take up an adapter of the LoRA family, so that it costs nothing at inference.

        It then acts in all layers, and is not active beside that; other adapters that are active act on top of it.
        `reset_adapter`, `set_active_adapters` and deleting it give the weights back, whatever happened to them
        meanwhile. `save_pretrained` writes the merged weights.

        Raises:
            UnsupportedMethodError: it has gates, is of another method, or a weight is quantised or used twice.
            AdapterError: another adapter is merged, or acts together with this one. The model is as before.
        """
        base = self.adapted_base
        merging.merge(base, name)
        active = self.adapters_config.active_setup
        if active is not None and name in active.names:
            lifecycle.activate(base, None)

    def reset_adapter(self) -> None:
        """Take the merged adapter out of the weights, which get back every bit that they had."""
        merging.reset(self.adapted_base)

    def average_adapter(
        self,
        adapter_name: str,
        adapter_list: Sequence[str] | Mapping[str, float],
        weights: Sequence[float] | None = None,
        combine_strategy: str = "linear",
        normalize_weights: bool = True,
        overwrite_ok: bool = False,
        set_active: bool = False,
        svd_rank: int | None = None,
    ) -> None:
        """
        Add an adapter that is the mean of others, of the same configuration.

        Args:
            adapter_name: name of the new adapter.
            adapter_list: the others; as a dictionary, with their weights.
            weights: one for each; by default all alike.
            combine_strategy: "linear" for the mean of all parameters; "lora_linear_only_negate_b" for LoRA with
                negative weights, which then apply to B alone; "lora_delta_w_svd" for the low-rank approximation of the
                mean of what LoRA adds to the weights, also of different ranks.
            normalize_weights: divide the weights by their sum.
            overwrite_ok: replace an adapter of this name.
            set_active: activate it.
            svd_rank: rank of the new adapter, for "lora_delta_w_svd".

        Raises:
            AdapterConfigError, UnknownAdapterError, AdapterExistsError: the model is as before.
        """
        shares = averaging.normalized_weights(adapter_list, weights, normalize=normalize_weights)
        averaging.average(self.adapted_base, adapter_name, shares, combine_strategy, svd_rank, overwrite_ok)
        if set_active:
            self.set_active_adapters(adapter_name)

    def share_parameters(
        self,
        adapter_names: Sequence[str] | AdapterCompositionBlock,
        name: str | None = None,
        reference_adapter_name: str | None = None,
    ) -> None:
        """
        Let adapters of several tasks have A and B of LoRA in common, as `MTLLoRAConfig` is meant to be used.

        Each adapter is saved with a copy of its own; loaded adapters share again when this is called again.

        Args:
            adapter_names: the adapters, or a `MultiTask` of them.
            name: of the group, for `unshare_parameters`; by default their names with commas.
            reference_adapter_name: whose A and B all will use; by default the first.

        Raises:
            AdapterConfigError, UnknownAdapterError, AdapterExistsError: they cannot share; the model is as before.
        """
        names = _names(adapter_names)
        sharing.share(self.adapted_base, names, name or ",".join(names), reference_adapter_name or names[0])

    def unshare_parameters(
        self, adapter_names: Sequence[str] | AdapterCompositionBlock | None = None, name: str | None = None
    ) -> None:
        """
        Give each adapter of a group, named as for `share_parameters`, a copy of its own.

        Raises:
            UnknownAdapterError: there is no such group.
        """
        sharing.unshare(self.adapted_base, name or ",".join(_names(adapter_names or ())))


def _names(adapters: Sequence[str] | AdapterCompositionBlock) -> list[str]:
    return list(adapters.names if isinstance(adapters, AdapterCompositionBlock) else adapters)
