"""Every file of a model in a copy of `adapters`, and its lines in the files of its maintainers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from adaptergen import naming
from adaptergen.changes import Change, ChangeSet, Owner
from adaptergen.pipeline import Integration
from adaptergen.plan import IntegrationPlan
from adaptergen.problems import Location, Problem, ProblemsFound
from adaptergen.profiles.adapters_library.checkout import Checkout
from adaptergen.profiles.adapters_library.context import values_of
from adaptergen.profiles.adapters_library.heads import convertible_heads, head_entry
from adaptergen.profiles.adapters_library.limits import check_limits
from adaptergen.profiles.adapters_library.mixins import class_mixins, statements_of
from adaptergen.profiles.adapters_library.modeling import LIBRARY_CALLS
from adaptergen.profiles.adapters_library.pages import with_index_entry, with_row
from adaptergen.profiles.adapters_library.registries import Entry, table_keys, with_entry, with_import
from adaptergen.profiles.adapters_library.rows import keep_examples
from adaptergen.profiles.adapters_library.tiny import default_arguments
from adaptergen.rendering.environment import environment, quoted
from adaptergen.rendering.failures import failure
from adaptergen.transforms import borrow_classes
from adaptergen.upstream import Upstream
from adaptergen.workspace import own_templates


TEMPLATES = "_profiles/adapters"
PACKAGE = "package/"  # the part of the tree of templates that goes into the package
SHARED = {  # files for all models that this profile writes, and the class that makes a mixin need them
    "methods/prefix_attention.py": "PrefixAttentionLayer",
    "methods/lora_grouped.py": "LoRAGroupedLinear",
}
INTERFACES = "wrappers/interfaces.py"
INDEX, OVERVIEW = "docs/index.rst", "docs/model_overview.md"


class LibraryIntegration(Struct, frozen=True):
    """One architecture, rendered for the library, not yet written."""

    plan: IntegrationPlan
    texts: dict[str, str]  # path in the package, or beside it → text of what is new
    mapped: dict[str, str]  # class of upstream → mixin, where no class of the library stands for it
    heads: dict[str, tuple[str, ...]]  # class of upstream with a fixed head → its entry of the conversion table


def library_integration(made: Integration, upstream: Upstream, checkout: Checkout) -> LibraryIntegration:
    """
    Raises:
        ProblemsFound: the plan has parts that the library has no counterpart for, or the library has the model.
    """
    plan, source = made.plan, made.source
    try:
        check_limits(plan, source)
    except ProblemsFound:
        there = checkout.workspace.files_below(checkout.inside(f"models/{plan.name}"))
        if there:
            raise ProblemsFound(_is_there(plan, there[0])) from None
        raise
    borrowed = borrow_classes(source, plan, LIBRARY_CALLS, keep_examples(source, plan.residuals))
    mixins = class_mixins(plan, source)
    configuration = upstream.load(borrowed.config_module)
    values = values_of(plan, source, borrowed, configuration, mixins)
    needed = statements_of(mixins)
    unneeded = {f"{PACKAGE}{path}" for path, name in SHARED.items() if name not in needed}
    texts = {path: text for path, text in _rendered(plan.name, values) if path not in unneeded}
    mapped = {mixin.cls: mixin.name for mixin in mixins if not mixin.copied and mixin.statements}
    defaults = default_arguments(configuration, plan.classes.config)
    heads = {head.cls: head_entry(head, defaults) for head in convertible_heads(plan, source)}
    return LibraryIntegration(plan, texts, {plan.classes.base: naming.mixin(plan.classes.base), **mapped}, heads)


def _rendered(name: str, values: dict[str, object]) -> Iterator[tuple[str, str]]:
    folder = own_templates()
    made = environment(folder)
    for template in sorted((folder / TEMPLATES).rglob("*.jinja")):
        path = template.relative_to(folder).as_posix()
        try:
            text = made.get_template(path).render(values)
        except Exception as error:  # a template is a program, and fails like one
            raise ProblemsFound(failure(error, folder, path, str(folder))) from error
        yield path.removeprefix(f"{TEMPLATES}/").removesuffix(".jinja").replace("{name}", name), text


def library_changes(checkout: Checkout, models: Iterable[LibraryIntegration]) -> ChangeSet:
    """All files of these models, and the files of the library with their lines in it.

    Raises:
        ProblemsFound: the library has one of them, or has no place for its lines.
    """
    models = list(models)
    problems = [problem for model in models for problem in _present(checkout, model)]
    texts: dict[str, str] = {}
    for model in models:
        try:
            for path, text in _edited(checkout, model, texts):
                texts[path] = text
        except ProblemsFound as found:
            problems.extend(found.problems)
    if problems:
        raise ProblemsFound(*problems)
    new = {_placed(checkout, path): text for model in models for path, text in model.texts.items()}
    return ChangeSet.of(
        *(checkout.workspace.change(path, text) for path, text in new.items()),
        *(Change(path, checkout.read(path), text, Owner.PEOPLE) for path, text in texts.items()),
    )


def _placed(checkout: Checkout, path: str) -> str:
    return checkout.inside(path.removeprefix(PACKAGE)) if path.startswith(PACKAGE) else path


def _present(checkout: Checkout, model: LibraryIntegration) -> Iterator[Problem]:
    """What of the model is there already and is not exactly what would be written."""
    plan = model.plan
    if plan.model_type in table_keys(checkout.read(checkout.inside(INTERFACES)) or "", "CUSTOM_INTERFACES"):
        message = f"adapters has an interface for {plan.model_type}, which would be taken instead of the model"
        at = Location(checkout.inside(INTERFACES))
        yield Problem("present", message, at, "remove the interface there, if that is what you want")
    differing = [
        place
        for path, text in model.texts.items()
        if (there := checkout.read(place := _placed(checkout, path))) is not None and there != text
    ]
    folder = checkout.inside(f"models/{plan.name}")
    known = {_placed(checkout, path) for path in model.texts}
    others = [path for path in checkout.workspace.files_below(folder) if path not in known]
    if differing or others:
        yield _is_there(plan, [*differing, *others][0])


def _is_there(plan: IntegrationPlan, path: str) -> Problem:
    message = f"adapters has {plan.name} already, and it is not what would be written"
    fix = "give a copy of adapters without it: what people wrote there is never overwritten"
    return Problem("present", message, Location(path), fix)


def _edited(checkout: Checkout, model: LibraryIntegration, texts: dict[str, str]) -> Iterator[tuple[str, str]]:
    """(path, text) of every file of the library that gets lines; `texts` are what other models made of them."""
    plan = model.plan
    adapter_model = plan.adapter_model.name

    def given(path: str) -> str:
        return texts.get(path, checkout.read(path) or "")

    top = checkout.inside("__init__.py")
    package = f"models.{plan.name}"
    text = with_entry(
        given(top), top, Entry("_import_structure", package, _pair(package, f"[{quoted(adapter_model)}]"))
    )
    yield top, with_import(text, top, package, [adapter_model], guarded=True)

    auto = checkout.inside("models/auto/adapter_model.py")
    pair = (f"({quoted(plan.model_type)}, {quoted(adapter_model)}),",)
    yield auto, with_entry(given(auto), auto, Entry("ADAPTER_MODEL_MAPPING_NAMES", plan.model_type, pair))

    mixins = checkout.inside("models/__init__.py")
    module, names = f"{plan.name}.mixin_{plan.name}", sorted({*model.mapped.values()}, key=str.lower)
    text = with_import(given(mixins), mixins, module, names)
    for cls, mixin in model.mapped.items():
        entry = Entry("MODEL_MIXIN_MAPPING", cls, (f"{quoted(cls)}: {mixin},",), sorts=False)
        text = with_entry(text, mixins, entry)
    yield mixins, text

    if plan.config_names:
        configs = checkout.inside("wrappers/configuration.py")
        aliases = [f"    {quoted(each.canonical)}: {quoted(each.attribute)}," for each in plan.config_names]
        lines = (f"{quoted(plan.model_type)}: {{", *aliases, "},")
        yield configs, with_entry(given(configs), configs, Entry("CONFIG_CLASS_KEYS_MAPPING", plan.model_type, lines))

    heads = checkout.inside("head_utils.py")
    text = given(heads)
    for number, (cls, lines) in enumerate(model.heads.items()):
        title = plan.title if number == 0 else ""
        entry = Entry("STATIC_TO_FLEX_HEAD_MAP", cls, lines, sorts=False, title=title)
        text = with_entry(text, heads, entry)
    yield heads, text

    yield from _documented(checkout, plan, given(INDEX), given(OVERVIEW))


def _documented(checkout: Checkout, plan: IntegrationPlan, index: str, overview: str) -> Iterator[tuple[str, str]]:
    """The pages that list all models, which only the repository has."""
    if checkout.read(INDEX) is not None:
        yield INDEX, with_index_entry(index, INDEX, plan.name)
    if checkout.read(OVERVIEW) is not None:
        lacks = ("Parallel", "Prompt", *(() if plan.methods["invertible"].supported else ("Invertible",)))
        yield OVERVIEW, with_row(overview, OVERVIEW, plan.name, plan.title, lacks)


def _pair(key: str, value: str) -> tuple[str, ...]:
    return (f"{quoted(key)}: {value},",)
