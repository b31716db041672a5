"""Where the upstream source of a model comes from: the installed transformers, or a file that somebody gives."""

from __future__ import annotations

import os
from pathlib import Path

from adaptergen import naming
from adaptergen.plan import IntegrationPlan
from adaptergen.plan_forms import is_dotted_name
from adaptergen.problems import Location, Problem, ProblemsFound
from adaptergen.source import SourceModule
from adaptergen.upstream import Upstream, UpstreamModel, read_module


def given_model(
    path: Path, name: str, upstream: Upstream, shown: str = "", module: str = "", package: str | None = None
) -> UpstreamModel:
    """The model of a modeling file; its configuration is read from the file beside it, if there is one.

    Args:
        module: under which the file can be imported, where its place does not tell.
        package: see `SourceModule`.

    Raises:
        ProblemsFound: the file cannot be read, is not Python, or has a name that cannot be imported.
    """
    module = module or _checked_module(_module_name(path, upstream), shown or str(path))
    modeling = read_module(path, module, shown or str(path), package)
    beside = configuration_beside(path, modeling)
    configuration = read_module(beside, _module_name(beside, upstream), str(beside)) if beside else None
    return upstream.describe(naming.checked_name(name), modeling, configuration)


def configuration_beside(path: Path, modeling: SourceModule) -> Path | None:
    """The file of the configuration: called like the modeling file, or another one that the modeling file imports."""
    named = path.name.replace("modeling_", "configuration_")
    imported = (f"{found.dotted.split('.')[-2]}.py" for found in modeling.imports.values() if "." in found.dotted)
    names = [named, *(name for name in imported if name.startswith("configuration_"))]
    found = (path.with_name(name) for name in names if name != path.name)
    return next((file for file in found if file.is_file()), None)


def _module_name(path: Path, upstream: Upstream) -> str:
    """The dotted name under which Python would import the file: as far up as there are packages."""
    path = path.resolve()
    if path.is_relative_to(upstream.root.resolve()):
        return ".".join(["transformers", *path.relative_to(upstream.root.resolve()).with_suffix("").parts])
    parts = [path.stem]
    for folder in path.parents:
        if not (folder / "__init__.py").is_file():
            break
        parts.insert(0, folder.name)
    return ".".join(parts)


def _checked_module(module: str, shown: str) -> str:
    """
    Raises:
        ProblemsFound: no import statement can name the module.
    """
    if is_dotted_name(module):
        return module
    message = f"cannot be imported: {module!r} is no name of a Python module"
    fix = "rename it, and its folder if that is a package: letters, digits and underscores, no digit first"
    raise ProblemsFound(Problem("bad-module", message, Location(shown), fix))


def relative_path(path: Path, root: Path, upstream: Upstream) -> str:
    """How the plan records a given file: relative to the project, "" when it is the installed one."""
    path = path.resolve()
    if path.is_relative_to(upstream.root.resolve()):
        return ""
    return Path(os.path.relpath(path, root.resolve())).as_posix()


def source_of(plan: IntegrationPlan, root: Path, upstream: Upstream) -> SourceModule:
    """The file that a plan was made for, as it is now.

    Raises:
        ProblemsFound: it is gone, or cannot be read.
    """
    if plan.source.path:
        return read_module(root / plan.source.path, plan.source.module, plan.source.path)
    source = upstream.load(plan.source.module)
    if source is None:
        at = Location(f"{plan.source.module.replace('.', '/')}.py")
        message = f"is not in transformers {upstream.version}"
        raise ProblemsFound(Problem("upstream-gone", message, at, f"adaptergen remove-model {plan.name}"))
    return source


def model_of(plan: IntegrationPlan, root: Path, upstream: Upstream) -> UpstreamModel:
    """The upstream model of an existing plan, ready to be analysed again.

    Raises:
        ProblemsFound: its file is gone, or cannot be read.
    """
    if plan.source.path:
        return given_model(root / plan.source.path, plan.name, upstream, plan.source.path)
    return upstream.model_in(plan.name, source_of(plan, root, upstream))
