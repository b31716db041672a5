"""What the runtime asks for when a model has no package: the entry point "adaptergen" of "generated.providers".

    provide(module, file)   the folder of a package for a modeling file that Python has imported
    locate(name)            the folder of a package that was provided before, by its name; for pickled models

To run an architecture that no project has, as `verify` would:

    plan, folder = provided("gptj")
    generated.core.providers.add_package(folder)
    case = adaptergen.verify.case_of(plan, "generated")

Packages are kept in a cache: see `package_cache.py`.
"""

from __future__ import annotations

from pathlib import Path

from adaptergen import package_cache
from adaptergen.in_memory import Request, generated_package, installed, request
from adaptergen.plan import IntegrationPlan
from adaptergen.plan_file import load
from adaptergen.problems import ProblemsFound
from adaptergen.supported import refuse_too_old
from adaptergen.text_files import read_text
from adaptergen.upstream import Upstream, installed_transformers


def provide(module: str, file: str) -> Path:
    """
    The folder of a package with adapters for a modeling file, made now or earlier.

    Args:
        module: the name under which Python imported the file.

    Raises:
        ValueError: adapters cannot be put into this file, and why.
    """
    try:
        return _folder(request(module, Path(file)), installed_transformers())
    except ProblemsFound as found:
        raise ValueError("; ".join(_said(found))) from found


def locate(name: str) -> Path | None:
    """The folder of a package that `provide` once gave under this name, if it can be had again."""
    found = package_cache.find(name)
    if found is not None:
        return found.folder
    upstream = installed_transformers()
    try:
        wanted = installed(name.rpartition("_")[0], upstream)
        return _folder(wanted, upstream) if wanted.name(upstream.version) == name else None
    except ProblemsFound:
        return None


def provided(architecture: str, upstream: Upstream | None = None) -> tuple[IntegrationPlan, Path]:
    """The plan for an architecture of transformers, under the name of its package, and the package's folder.

    Raises:
        ProblemsFound: there is no such architecture, or it is not understood.
    """
    upstream = upstream or installed_transformers()
    folder = _folder(installed(architecture, upstream), upstream)
    return load(read_text(folder / "plan.toml", "plan.toml"), "plan.toml"), folder


def _folder(wanted: Request, upstream: Upstream) -> Path:
    refuse_too_old(upstream)
    found = package_cache.find(wanted.name(upstream.version))
    if found is not None and all(_digest(upstream, module) == sha256 for module, sha256 in found.read.items()):
        return found.folder
    fresh = Upstream(upstream.root)  # it counts what is read for this package alone
    return package_cache.store(generated_package(wanted, fresh))


def _digest(upstream: Upstream, module: str) -> str:
    source = upstream.load(module)
    return source.sha256 if source else ""


def _said(found: ProblemsFound) -> list[str]:
    return [f"{problem.message} ({problem.at})" if problem.at else problem.message for problem in found.problems]
