"""What does each generated file import?"""

from __future__ import annotations

from collections.abc import Iterator

from adaptergen import naming
from adaptergen.plan import IntegrationPlan
from adaptergen.rendering.context import ENCODER_DECODER, GENERATION, WHOLE, host_mixins, model_classes, tower_mixins
from adaptergen.settings import Settings
from adaptergen.transforms.imports import Import, written


CORE_LAYERS = "core.layers"
CORE_MIXINS = "core.mixins"
CORE_SITES = "core.sites"
_MODEL_MIXINS = ("EmbeddingAdaptersMixin", "InvertibleAdaptersMixin", "ModelAdaptersMixin")
TEST_SUITES = ("AdapterModelTests", "AdapterTests", "ClassConversionTests", "ModelCase")


def mixin_imports(plan: IntegrationPlan, package: str) -> str:
    imports = {
        *(Import(plan.source.module, layer.cls) for layer in plan.layers),
        *(Import(plan.source.module, place.of) for layer in plan.layers for place in layer.bottleneck if place.of),
        *(Import(f"{package}.{CORE_MIXINS}", name) for name in _MODEL_MIXINS),
        *(Import(f"{package}.{CORE_LAYERS}", name) for name in _layer_names(plan)),
        *(Import(f"{package}.{CORE_SITES}", name) for name in _site_names(plan)),
    }
    return written(imports)


def _layer_names(plan: IntegrationPlan) -> Iterator[str]:
    for mixin in host_mixins(plan):
        yield mixin.base
        if mixin.shim:
            yield "PrefixTuningShim"
        if mixin.slots:
            yield "AdapterLayer"


def _site_names(plan: IntegrationPlan) -> Iterator[str]:
    yield from (("AdapterStack",) if plan.stacks or plan.towers else ())
    yield from (("LayerSites",) if plan.layers else ())
    for layer in plan.layers:
        yield from (("BottleneckSite",) if layer.bottleneck else ())
        yield from (("AttentionSite",) if layer.attention else ())
        yield from (("Projection",) if layer.projections else ())


def modeling_imports(plan: IntegrationPlan, package: str, borrowed: frozenset[Import]) -> str:
    own = f"{package}.models.{plan.name}.mixin_{plan.name}"
    base_mixin = naming.mixin(plan.classes.base)
    imports = {
        *borrowed,
        *(Import(plan.source.module, model.cls) for model in model_classes(plan)),
        *(Import(own, mixin.name) for mixin in host_mixins(plan)),
        Import(own, base_mixin),
        *(Import(own, tower.name) for tower in tower_mixins(plan)),
        *([Import(f"{package}.{CORE_MIXINS}", "ModelWithHeadsAdaptersMixin")] if plan.classes.heads else []),
        *([Import(f"{package}.{CORE_MIXINS}", "WritingAdaptersMixin")] if plan.classes.writers else []),
    }
    return written(imports)


def adapter_model_imports(plan: IntegrationPlan, package: str, config_module: str) -> str:
    own = plan.adapter_model
    if plan.classes.is_whole:
        modeling = f"{package}.models.{plan.name}.modeling_{plan.name}"
        base = Import(modeling, naming.with_adapters(plan.classes.base))
        return written({base, Import(f"{package}.core.whole_model", WHOLE)})
    imports = {
        Import("typing", "Any"),
        Import("torch"),
        Import("transformers.utils", "ModelOutput"),
        Import(config_module, plan.classes.config),
        Import(plan.source.module, plan.classes.base),
        Import(plan.source.module, plan.classes.pretrained),
        Import(f"{package}.core.flexible_heads", "ModelWithFlexibleHeadsAdaptersMixin"),
        *(_dotted(dotted) for dotted in own.imports),
        *([Import(plan.source.module, own.shifts_as)] if own.shifts_as else []),
        *([_dotted(own.generation or GENERATION)] if own.generates else []),
        *([Import(f"{package}.core.heads.encoder_decoder", ENCODER_DECODER)] if own.encoder_decoder else []),
    }
    return written(imports)


def tables_imports(plan: IntegrationPlan, package: str, config_module: str) -> str:
    conversion = f"{package}.core.heads.conversion"
    convertible = any(head.head_type for head in plan.heads)
    imports = {
        Import(config_module, plan.classes.config),
        *(Import(conversion, name) for name in ("FromConfig", "StaticHead") if convertible),
    }
    return written(imports)


def test_imports(plan: IntegrationPlan, settings: Settings, config_module: str) -> str:
    suite = f"{settings.tests.replace('/', '.')}.core.model_suite"
    imports = {
        Import(config_module, plan.classes.config),
        Import(f"{settings.package}.models.{plan.name}", plan.adapter_model.name),
        *(Import(suite, name) for name in TEST_SUITES),
    }
    return written(imports)


def _dotted(dotted: str) -> Import:
    module, _, name = dotted.rpartition(".")
    return Import(module, name) if module else Import(name)
