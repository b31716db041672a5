"""The public methods of a model with adapters."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from inspect import signature
from os import PathLike
from typing import Any, ClassVar
from weakref import WeakSet

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from generated.core import lifecycle, training
from generated.core.checkpointing import CarryingCheckpoint, carry_through_checkpoints
from generated.core.composition import AdapterCompositionBlock, Setup, parallel_channels, parse_composition
from generated.core.configuration import DEFAULT_ADAPTER_CONFIG, AdapterConfig, ModelAdaptersConfig
from generated.core.errors import AdapterConfigError, NotInitializedError, UnsupportedMethodError
from generated.core.forward_inputs import ForwardInputs
from generated.core.layers.slot import Borrowed, iter_slots
from generated.core.methods import METHODS, prefix_tuning, prompt_tuning
from generated.core.mixins.checkpoints import AdapterCheckpointsMixin
from generated.core.mixins.combining import AdapterCombiningMixin
from generated.core.mixins.files import AdapterFilesMixin
from generated.core.mixins.fusion import AdapterFusionMixin
from generated.core.mixins.hub import PushAdapterToHubMixin
from generated.core.mixins.peft import PeftMethodsMixin, or_peft
from generated.core.mixins.setups import AdapterSetupFilesMixin
from generated.core.placed import placed_layers
from generated.core.sites import AdapterStack, LayerSites
from generated.core.summary import format_summary, summarize
from generated.core.towers import unsupported_methods
from generated.core.vocabularies import Vocabularies


# All base models that take adapters, for as long as someone else holds them. No forward reads it: see `AdapterSetup`.
ADAPTED_MODELS: WeakSet[nn.Module] = WeakSet()

ConfigLike = AdapterConfig | Mapping[str, Any] | str | PathLike


class ModelAdaptersMixin(
    AdapterFusionMixin,
    AdapterCombiningMixin,
    PushAdapterToHubMixin,
    AdapterSetupFilesMixin,
    AdapterCheckpointsMixin,
    AdapterFilesMixin,
    PeftMethodsMixin,
):
    """
    Adapters in a model.

    Weights and configurations live on the base model. All methods can be called on it or on a model with a head
    around it, and do the same. A generated subclass says where adapters sit:

        model_package     import name of the generated package
        adapter_stacks    the lists of layers
        adapter_sites     for each class of layers, the places in it
    """

    model_package: ClassVar[str]
    adapter_stacks: ClassVar[tuple[AdapterStack, ...]]
    adapter_sites: ClassVar[Mapping[type[nn.Module], LayerSites]]
    repeats_batch: ClassVar[bool] = True
    argument_names: ClassVar[tuple[str, ...]] = ()
    upstream_caller: ClassVar[type] = nn.Module

    def __init_subclass__(cls, **options: Any) -> None:
        """Each forward asks for what is found here: `super` would search a long row of classes for it."""
        super().__init_subclass__(**options)
        if hasattr(cls, "forward"):
            cls.argument_names = tuple(signature(cls.forward).parameters)[1:]
            below = cls.__mro__[cls.__mro__.index(ModelAdaptersMixin) + 1 :]
            cls.upstream_caller = next(base for base in below if "__call__" in vars(base))

    def _init_adapter_modules(self) -> None:
        self._adapters_config = ModelAdaptersConfig()
        self._head_model = Borrowed(None)
        self._loaded_vocabularies = Vocabularies()
        self.forward_inputs = ForwardInputs()
        carry_through_checkpoints(self, self.forward_inputs)
        ADAPTED_MODELS.add(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "_adapters_config" in self.__dict__:
            ADAPTED_MODELS.add(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """
        Run the model. Beside its own arguments it takes those for adapters:

        Args:
            adapter_ids, adapter_names: which adapter of an active `Route` each example goes to, see there.
            task_ids: the same for an active `MultiTask`.
            output_adapter_gating_scores, output_adapter_fusion_attentions: append to the output what gates and
                fusions decided, as {name: {layer: {location: (batch, …)}}}.
            adapter_input_parallelized: the batch is repeated already for each adapter of an active `Parallel`.
        """
        own = vars(self)
        inputs = own.get("forward_inputs")
        if inputs is None:
            base = own["_modules"].get(self.base_model_prefix)  # sooner found so than as an attribute
            inputs = getattr(self.base_model if base is None else base, "forward_inputs", None)
        if inputs is None or not inputs.concerns(kwargs):
            return self.upstream_caller.__call__(self, *args, **kwargs)
        return inputs.run(
            partial(self.upstream_caller.__call__, self),
            args,
            kwargs,
            repeats=self.repeats_batch,
            is_head=self.base_model is not self,
            names=self.argument_names,
        )

    def _set_gradient_checkpointing(
        self, enable: bool = True, gradient_checkpointing_func: Callable = checkpoint, **options: Any
    ) -> None:
        carrying = CarryingCheckpoint(self.adapted_base.forward_inputs, gradient_checkpointing_func)
        super()._set_gradient_checkpointing(enable, carrying, **options)

    @property
    def base_model(self) -> nn.Module:
        """As in transformers; but a base model, whose own layers may hang at the prefix of base models, is its own."""
        found = getattr(self, self.base_model_prefix, self)
        return found if isinstance(found, ModelAdaptersMixin) or not hasattr(self, "_adapters_config") else self

    @property
    def adapted_base(self) -> nn.Module:
        """
        The model that holds the adapters: this one, or the base model below its head.

        Raises:
            NotInitializedError: the base model was not prepared for adapters.
        """
        base = self.base_model
        if not hasattr(base, "_adapters_config"):
            raise NotInitializedError(
                f"{type(base).__name__} takes no adapters yet; call `generated.init(model)` first"
            )
        return base

    @property
    def adapters_config(self) -> ModelAdaptersConfig:
        """Configurations of the adapters by name, and what is active."""
        return self.adapted_base._adapters_config

    def iter_layers(self) -> Iterator[tuple[int, nn.Module]]:
        """All layers with their numbers; those of a decoder follow those of the encoder."""
        base = self.base_model
        if base is not self:
            yield from base.iter_layers()
        else:
            yield from ((layer.index, layer.module) for layer in placed_layers(self))

    def get_layer(self, idx: int) -> nn.Module:
        """
        The layer of this number.

        Raises:
            IndexError: there is none.
        """
        return [layer for _, layer in self.iter_layers()][idx]

    def apply_to_adapter_layers(self, fn: Callable[[int, nn.Module], Any]) -> None:
        """Call `fn(number of the layer, place)` with every place in layers where adapters can be now."""
        for index, layer in self.iter_layers():
            for slot in iter_slots(layer):
                fn(index, slot)

    @or_peft
    def add_adapter(
        self,
        adapter_name: str,
        config: ConfigLike | None = None,
        overwrite_ok: bool = False,
        set_active: bool = False,
        *,
        tokenizer: prompt_tuning.Tokenizer | None = None,
    ) -> None:
        """
        Add an adapter with new weights.

        Args:
            adapter_name: its name; may hold no dot.
            config: an `AdapterConfig`, a dictionary, an identifier ("seq_bn", "lora[r=16]") or a JSON file; by
                default "seq_bn".
            overwrite_ok: replace an adapter of the same name.
            set_active: activate it.
            tokenizer: for a prompt that starts from a text; by default the one that belongs to the model.

        Raises:
            AdapterExistsError, AdapterConfigError, UnsupportedMethodError: the model is as before.
        """
        parsed = _parsed(config)
        start = prompt_tuning.embedded_text(self.adapted_base, parsed, tokenizer)
        lifecycle.add_adapter(self.adapted_base, adapter_name, parsed, overwrite_ok)
        if start is not None:
            prompt_tuning.start_from(self.adapted_base, adapter_name, start)
        if set_active:
            self.set_active_adapters(adapter_name)

    def set_active_adapters(self, adapter_setup: Setup | None, skip_layers: Collection[int] | None = None) -> None:
        """
        Choose what acts in the next forward. A merged adapter is taken out of the weights.

        Args:
            adapter_setup: a name, a composition such as `Stack("a", "b")`, a list (a Stack), or `None` for nothing.
            skip_layers: numbers of layers in which nothing acts.
        """
        lifecycle.activate(self.adapted_base, adapter_setup, skip_layers)
        self.reset_adapter()

    @property
    def active_adapters(self) -> AdapterCompositionBlock | None:
        """
        The active composition.

        transformers has a method of this name for PEFT adapters. If only such are loaded, this is that method.
        """
        active = self.adapters_config.active_setup
        if active is None and self._has_peft:
            return super().active_adapters
        return active

    @active_adapters.setter
    def active_adapters(self, adapter_setup: Setup | None) -> None:
        self.set_active_adapters(adapter_setup)

    def has_adapters(self) -> bool:
        return bool(self.adapters_config)

    @property
    def has_parallel_adapters(self) -> bool:
        """Does the active setup repeat the batch?"""
        return parallel_channels(self.adapters_config.active_setup) > 1

    def supports_adapter(self, type_or_config: ConfigLike | None = None) -> bool:
        """
        Can the architecture take adapters of this configuration, or of a method such as "bottleneck"? What is not
        known is taken nowhere.
        """
        if isinstance(type_or_config, str) and type_or_config in {method.name for method in METHODS}:
            return type_or_config not in unsupported_methods(self.adapted_base)
        try:
            lifecycle.refuse_unsupported(self.adapted_base, _parsed(type_or_config))
        except (UnsupportedMethodError, AdapterConfigError):
            return False
        return True

    def get_adapter(self, name: str) -> dict[int, dict[str, nn.Module]]:
        """The modules of an adapter as {layer number: {location: module}}; -1 holds what layers share."""
        return lifecycle.locate_adapter(self.adapted_base, name)

    def adapter_summary(self, as_dict: bool = False) -> str | list[dict[str, Any]]:
        """Names, methods and sizes of all adapters, as a table or as a list of rows."""
        rows = summarize(self.adapted_base)
        return rows if as_dict else format_summary(rows)

    def adapter_to(
        self, name: str, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        """Move the weights of an adapter to a device or a type of their own."""
        self.adapters_config.require(name)
        for _, container in lifecycle.adapter_modules(self.adapted_base, name):
            container[name].to(device=device, dtype=dtype)

    def eject_prefix_tuning(self, name: str) -> None:
        """
        Let the prefixes of an adapter be parameters themselves, without the network that makes them. Outputs stay.

        Raises:
            AdapterError: the adapter has no such network.
        """
        prefix_tuning.eject(self.adapted_base, name)

    def train_adapter(self, adapter_setup: Setup, train_embeddings: bool = False, *, train_head: bool = True) -> None:
        """
        Activate a setup and make its adapters, and a head, the only things that are trained.

        Args:
            adapter_setup: as for `set_active_adapters`.
            train_embeddings: train the input embeddings in use, too.
            train_head: if not, the head is frozen, too, e.g. the transform of a masked language model.

        Raises:
            TrainingSetupError: the weights of the model are quantised in a way that ends gradients.
        """
        setup = parse_composition(adapter_setup)
        training.refuse_where_gradients_end(self.adapted_base)
        self.set_active_adapters(setup)
        self.train()
        training.train_only(self, setup.names if setup else (), train_embeddings, train_head)

    def freeze_model(self, freeze: bool = True) -> None:
        """Freeze (or release) the base model with all its adapters."""
        training.freeze_model(self, freeze)

    def inverse_site(self) -> nn.Module | None:
        """The module in front of which invertible adapters are undone: the output embeddings of the head above."""
        head = self.base_model._head_model.module
        return None if head is None else head.inverse_site()


def _parsed(config: ConfigLike | None) -> AdapterConfig:
    return AdapterConfig.load(DEFAULT_ADAPTER_CONFIG if config is None else config)
