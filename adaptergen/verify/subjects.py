"""Which models does an architecture have? Every class that adapters were generated for, in each of its roles."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, partial
from types import ModuleType
from typing import Any

import torch
from msgspec import Struct
from msgspec.structs import replace
from transformers import PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_MULTIPLE_CHOICE_MAPPING_NAMES

from adaptergen.verify import inputs, places
from adaptergen.verify.exact import exact_inputs, exact_model
from adaptergen.verify.inputs import Layout
from adaptergen.verify.outputs import run, same_numbers, upstream_does
from adaptergen.verify.switches import switches
from adaptergen.verify.tiny import tiny_config
from adaptergen.verify.weights import spread
from adaptergen.verify.widths import Size, size_that_runs


DECODER = {"is_decoder": True}
CROSS_ATTENTION = {"is_decoder": True, "add_cross_attention": True}


class ModelCase(Struct, frozen=True, dict=True):
    """
    An architecture, small enough to be run.

    Args:
        name: of the generated package.
        adapter_model_class: its class with flexible heads.
        config_class: upstream's configuration class.
        config: what a person has decided on for it; all else is small by rules.
        unsupported: adapter methods that the architecture cannot take, with the reason.
    """

    name: str
    adapter_model_class: type[PreTrainedModel]
    config_class: type[Any]
    config: Mapping[str, Any] = {}
    unsupported: Mapping[str, str] = {}

    @property
    def runtime(self) -> ModuleType:
        """The package that adapters are used with."""
        return importlib.import_module(self.adapter_model_class.__module__.partition(".models.")[0])

    @property
    def package(self) -> str:
        """The generated package of the architecture."""
        return self.adapter_model_class.__module__.removesuffix(".adapter_model")

    def tiny_config(self, cls: type[PreTrainedModel] | None = None) -> Any:
        """A small configuration for a class: its own, which need not be that of the base class."""
        return self._config(cls, self._size)

    def _config(self, cls: type[PreTrainedModel] | None, size: Size) -> Any:
        config_class = getattr(cls, "config_class", None) or self.config_class
        given = self.config if config_class is self.config_class else {}
        return tiny_config(config_class, given, **size._asdict())

    @cached_property
    def _size(self) -> Size:
        """How large its models are."""
        base = self.base.cls
        return size_that_runs(base, partial(self._config, base))

    @property
    def base(self) -> Subject:
        """The base class in its usual role."""
        return Subject(self, next(self._public_classes()), {})

    @cached_property
    def subjects(self) -> tuple[Subject, ...]:
        """Every public class, the base class first, in each of its roles."""
        base, *heads = self._public_classes()
        return (
            *self._in_roles(base, (*self._decoder_roles(base), *self._switches(base))),
            *(s for cls in heads for s in self._in_roles(cls, self._decoder_roles(cls) if cls.can_generate() else ())),
        )

    def _in_roles(self, cls: type[PreTrainedModel], roles: Iterable[Mapping[str, Any]]) -> Iterator[Subject]:
        yield from (Subject(self, cls, overrides) for overrides in ({}, *roles))

    def _public_classes(self) -> Iterator[type[PreTrainedModel]]:
        modeling = importlib.import_module(f"{self.package}.modeling_{self.name}")
        for cls in modeling.ADAPTED_CLASSES:
            public = getattr(sys.modules[cls.__module__], "__all__", None)
            if issubclass(cls, PreTrainedModel) and (public is None or cls.__name__ in public):
                yield cls

    def _decoder_roles(self, cls: type[PreTrainedModel]) -> Iterator[Mapping[str, Any]]:
        config = self.tiny_config(cls)
        if config.is_encoder_decoder:
            return
        if getattr(config, "is_decoder", None) is False:
            yield DECODER
        if getattr(config, "add_cross_attention", None) is False and inputs.CROSS_STATES in inputs.parameters(cls):
            role = {key: value for key, value in CROSS_ATTENTION.items() if hasattr(config, key)}
            if Subject(self, cls, role).is_implemented:
                yield role

    def _switches(self, base: type[PreTrainedModel]) -> Iterator[Mapping[str, Any]]:
        """Settings without which some planned place is never built, e.g. gated feed-forwards."""
        roles = ({}, *self._decoder_roles(base))
        models = [Subject(self, base, role).initialized().base_model for role in roles]
        missing = places.planned_places(models[0])
        for model in models:
            missing -= places.present_places(self.runtime, model)
        settings = dict(switches(Subject(self, base, {}).config, sys.modules[base.__module__])) if missing else {}
        useful: list[Mapping[str, Any]] = [{}]
        for known in useful:  # it grows: some places need two settings
            for name in sorted(settings.keys() - known.keys()) if missing else ():
                switched = {**known, name: settings[name]}
                found = self._places_with(base, switched)
                if missing & found:
                    missing -= found
                    useful.append(switched)
                    yield switched

    def _places_with(self, base: type[PreTrainedModel], overrides: Mapping[str, Any]) -> frozenset[places.Place]:
        try:
            model = Subject(self, base, overrides).initialized().base_model
        except Exception:  # upstream refuses this combination in whatever way it likes
            return frozenset()
        return places.present_places(self.runtime, model)


class Subject(Struct, frozen=True, dict=True):
    """
    One model class in one role.

    Args:
        exact: in float64.
    """

    case: ModelCase
    cls: type[PreTrainedModel]
    overrides: Mapping[str, Any]
    exact: bool = False

    @property
    def label(self) -> str:
        roles = ", ".join(self.overrides)
        return f"{self.cls.__name__} ({roles})" if roles else self.cls.__name__

    @property
    def runs(self) -> bool:
        """Does upstream's own model run?"""
        return upstream_does(self._run)

    def _run(self) -> None:
        model = self.upstream()
        run(model, self.inputs(model, padded=True))

    @property
    def is_implemented(self) -> bool:
        """Has upstream such a model in this role?"""
        try:
            self.upstream()
        except NotImplementedError:
            return False
        return True

    @cached_property
    def is_part(self) -> bool:
        """Has it nothing of the base class, but a model that stands beside others in it, or one like that?"""
        return not isinstance(self.upstream().base_model, self.case.base.cls)

    @cached_property
    def attentions(self) -> tuple[str, ...]:
        """The attention implementations that run anywhere; a model of another architecture inside may lack one."""
        if not self.cls._supports_sdpa:
            return ("eager",)
        try:
            self.upstream("sdpa")
        except ValueError:
            return ("eager",)
        return ("eager", "sdpa")

    @property
    def config(self) -> Any:
        """A configuration of its own: models write into theirs."""
        config = self.case.tiny_config(self.cls)
        for name, value in self.overrides.items():
            setattr(config, name, value)
        return config

    def upstream(self, attention: str = "eager") -> PreTrainedModel:
        """Upstream's model, in eval mode, with weights so large that everything in it shows in the output."""
        config = self.config  # before the seed: a model may be run to find out how large it is
        with same_numbers():
            model = self.cls._from_config(config, attn_implementation=attention).eval()
            spread(model)
        return exact_model(model) if self.exact else model

    def initialized(self, attention: str = "eager") -> PreTrainedModel:
        """The same model, prepared for adapters."""
        return self.case.runtime.init(self.upstream(attention))

    def inputs(self, model: PreTrainedModel, *, padded: bool) -> dict[str, torch.Tensor]:
        """
        A batch of two examples, with padding on the right of the second if asked for. It is the second alone, if
        upstream's model takes no more.
        """
        choices = self.cls.__name__ in MODEL_FOR_MULTIPLE_CHOICE_MAPPING_NAMES.values()
        batch = inputs.batch(model, padded=padded, choices=choices, layout=self.layout)
        return exact_inputs(batch) if self.exact else batch

    @cached_property
    def layout(self) -> Layout:
        """How upstream's model is called."""
        return inputs.layout_of(replace(self, exact=False).upstream())

    @property
    def generates(self) -> bool:
        """Can it write text in this role?"""
        config = self.upstream().config  # a model may decide about its role itself
        return self.cls.can_generate() and bool(config.is_encoder_decoder or getattr(config, "is_decoder", True))
