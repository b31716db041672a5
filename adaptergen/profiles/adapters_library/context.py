"""What the profile's templates see: the plan and names made from it, ready to be written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import libcst as cst

from adaptergen import naming
from adaptergen.plan import IntegrationPlan
from adaptergen.profiles.adapters_library.heads import head_types
from adaptergen.profiles.adapters_library.mixins import ClassMixin, mixin_imports, statements_of
from adaptergen.profiles.adapters_library.modeling import marked_classes
from adaptergen.profiles.adapters_library.tiny import small_arguments
from adaptergen.rendering import context as shared
from adaptergen.rendering import layout
from adaptergen.rendering.environment import literal
from adaptergen.source import SourceModule
from adaptergen.transforms import Borrowed
from adaptergen.transforms.imports import Import, written


DOCUMENTED = ("auto_docstring", "add_start_docstrings")
RETURNS = ("return_dict", "can_return_tuple", "check_model_inputs")  # what takes `return_dict`
NOT_SUPPORTED = ("PromptTuning", "Composition")
OF_SEPARATE = ("MTLLoRA", "Vera", "Dora")  # test classes of methods that one projection for all three does not take


def values_of(
    plan: IntegrationPlan,
    source: SourceModule,
    borrowed: Borrowed,
    configuration: SourceModule | None,
    mixins: Sequence[ClassMixin],
) -> dict[str, Any]:
    own = plan.adapter_model
    is_invertible = plan.methods["invertible"].supported
    documented, fused = is_documented(source, plan), is_fused(mixins)
    return {
        "plan": plan,
        "family": naming.family(plan.classes.base),
        "notice": shared.notice(source.text),
        "borrowed": marked_classes(source, borrowed) if borrowed.code else "",
        "mixins": mixins,
        "base_mixin": naming.mixin(plan.classes.base),
        "base_mixin_line": shared.class_line(naming.mixin(plan.classes.base), _base_mixins(is_invertible)),
        "is_invertible": is_invertible,
        "stack": plan.stacks[0],
        "first_input": _first_parameter(source, plan.stacks[0].layer),
        "fused": fused,
        "mixin_imports": library_imports(mixin_imports(plan, mixins, is_invertible=is_invertible)),
        "modeling_imports": library_imports({*borrowed.imports, *_parents(plan, mixins)}),
        "adapter_model_imports": library_imports(_adapter_model_imports(plan, documented)),
        "adapter_model_line": shared.class_line(own.name, _adapter_model_bases(plan)),
        "head_types_line": layout.lines(4, "head_types = ", [literal(found) for found in head_types(plan)], "[]"),
        "documented": documented,
        "parameters": [_without_annotation(parameter) for parameter in own.parameters],
        "parameter_names": shared.parameter_names(plan),
        "returns": _takes_return_dict(source, plan),
        "small": small_arguments(configuration, plan.classes.config),
        "config_module": borrowed.config_module,
        "not_supported_line": layout.entries(
            4, "not_supported=", list(map(literal, not_supported(fused=fused))), "[]", ","
        ),
    }


def library_imports(imports: set[Import]) -> str:
    """As the library's own import sorter has them: transformers is a section of its own."""
    upstream = {found for found in imports if found.module.startswith("transformers")}
    own = {found for found in imports if found.module.startswith(".")}
    sections = (written(part) for part in (imports - upstream - own, upstream, own))
    return "\n\n".join(section for section in sections if section)


def is_fused(mixins: Sequence[ClassMixin]) -> bool:
    text = statements_of(mixins)
    return "LoRAMergedLinear" in text or "LoRAGroupedLinear" in text


def not_supported(*, fused: bool) -> tuple[str, ...]:
    return (*NOT_SUPPORTED, *(OF_SEPARATE if fused else ()))


def is_documented(source: SourceModule, plan: IntegrationPlan) -> bool:
    """Upstream has documentation for both the base class and its forward, which the adapter model then takes over."""
    base = source.classes[plan.classes.base]
    forward = base.methods.get("forward")
    return forward is not None and _has_documentation(base.node) and _has_documentation(forward)


def _has_documentation(node: cst.ClassDef | cst.FunctionDef) -> bool:
    return node.get_docstring() is not None or bool({*_decorators(node)} & {*DOCUMENTED})


def _takes_return_dict(source: SourceModule, plan: IntegrationPlan) -> bool:
    found = source.find_method(plan.classes.base, "forward")
    decorators = _decorators(found[1]) if found else []
    return bool({*shared.parameter_names(plan), *decorators} & {*RETURNS})


def _decorators(node: cst.ClassDef | cst.FunctionDef) -> list[str]:
    inner = (decorator.decorator for decorator in node.decorators)
    called = (each.func if isinstance(each, cst.Call) else each for each in inner)
    return [each.value for each in called if isinstance(each, cst.Name)]


def _first_parameter(source: SourceModule, layer: str) -> str:
    """What the forward of a layer calls the states that enter it."""
    found = source.find_method(layer, "forward")
    parameters = found[1].params.params if found else ()
    return parameters[1].name.value if len(parameters) > 1 else "hidden_states"


def _without_annotation(parameter: str) -> str:
    """`input_ids=None` for `input_ids: torch.Tensor | None = None`."""
    name, colon, rest = parameter.partition(":")
    default = rest.rpartition(" = ")[2] if colon and " = " in rest else ""
    return f"{name}={default}" if default else name.replace(" = ", "=")


def _base_mixins(is_invertible: bool) -> tuple[str, ...]:
    invertible = ("InvertibleAdaptersMixin",) if is_invertible else ()
    return ("EmbeddingAdaptersMixin", *invertible, "ModelBaseAdaptersMixin")


def _adapter_model_bases(plan: IntegrationPlan) -> tuple[str, ...]:
    generation = ("GenerationMixin",) if plan.adapter_model.generates else ()
    mixins = ("EmbeddingAdaptersWrapperMixin", "ModelWithFlexibleHeadsAdaptersMixin")
    return (*mixins, plan.classes.pretrained, *generation)


def _parents(plan: IntegrationPlan, mixins: Sequence[ClassMixin]) -> set[Import]:
    """The classes that the borrowed ones derive from, and the mixins in front of them."""
    copied = [mixin for mixin in mixins if mixin.copied]
    return {
        *(Import(plan.source.module, mixin.cls) for mixin in copied),
        *(Import(f".mixin_{plan.name}", mixin.name) for mixin in copied),
    }


def _adapter_model_imports(plan: IntegrationPlan, documented: bool) -> set[Import]:
    is_last = plan.adapter_model.sentence == "last_token"
    documenting = ("inherit_doc_for_adapter_model", "inherit_doc_for_function") if documented else ()
    return {
        Import(plan.source.module, plan.classes.base),
        Import(plan.source.module, plan.classes.pretrained),
        Import("...context", "ForwardContext"),
        Import("...heads", "ModelWithFlexibleHeadsAdaptersMixin"),
        Import("...model_mixin", "EmbeddingAdaptersWrapperMixin"),
        Import("...wrappers", "init"),
        *(Import("...utils", name) for name in documenting),
        *([Import("logging"), Import("torch")] if is_last else []),
        *([Import("transformers.generation", "GenerationMixin")] if plan.adapter_model.generates else []),
    }
