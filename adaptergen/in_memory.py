"""What would be written for a modeling file, as a package of its own that belongs to no project?

    made = generated_package(installed("gptj", upstream), upstream)
    made.plan              the plan; its name is unlike that of any package of a project
    made.files             file name → text

`provider.py` keeps such packages in a cache, from which the runtime imports them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from adaptergen.code_digest import OWN, digest_of
from adaptergen.naming import checked_name
from adaptergen.pipeline import integrate
from adaptergen.plan import IntegrationPlan
from adaptergen.plan_file import dump
from adaptergen.rendering import Templates
from adaptergen.settings import Settings
from adaptergen.sources import given_model
from adaptergen.text_files import read_text
from adaptergen.upstream import Upstream
from adaptergen.workspace import own_templates


KEY_LENGTH = 12


class Request(Struct, frozen=True):
    """A modeling file, as Python imported it.

    Attributes:
        module: its dotted name, of which a part may be no identifier, as with modules of the Hub.
        sha256: of the file, and of every configuration beside it.
    """

    module: str
    file: Path
    sha256: tuple[str, ...]

    @property
    def architecture(self) -> str:
        """`gptj` for `modeling_gptj.py`: what `add-model` would be told."""
        plain = re.sub(r"\W|^(?![a-zA-Z])", "_", self.file.stem.removeprefix("modeling_"), flags=re.ASCII)
        return checked_name(plain.lower().lstrip("_")[: 79 - KEY_LENGTH] or "model")

    @property
    def is_installed(self) -> bool:
        return self.module.startswith("transformers.")

    def name(self, version: str) -> str:
        """Of the package: the architecture, and a digest of everything that decides what is generated."""
        deciding = [digest_of((OWN, own_templates())), version, self.module, *self.sha256]
        digest = hashlib.sha256(json.dumps(deciding).encode()).hexdigest()
        return f"{self.architecture}_{digest[:KEY_LENGTH]}"


class GeneratedPackage(Struct, frozen=True):
    """A package below `generated.models`.

    Attributes:
        read: module → sha256 of every file of transformers that the analysis followed values into.
    """

    plan: IntegrationPlan
    files: Mapping[str, str]
    read: Mapping[str, str]


def request(module: str, file: Path) -> Request:
    """
    Raises:
        ProblemsFound: the file cannot be read.
    """
    files = [file, *sorted(path for path in file.parent.glob("configuration_*.py") if path.is_file())]
    digests = (hashlib.sha256(read_text(path, str(path)).encode()).hexdigest() for path in files)
    return Request(module, file, tuple(digests))


def installed(name: str, upstream: Upstream) -> Request:
    """An architecture of transformers.

    Raises:
        ProblemsFound: there is none of this name.
    """
    folder = upstream.folder_of(name)
    file = upstream.root / "models" / folder / f"modeling_{folder}.py"
    return request(f"transformers.models.{folder}.modeling_{folder}", file)


def generated_package(wanted: Request, upstream: Upstream) -> GeneratedPackage:
    """Analyse, plan and render; nothing is written.

    Raises:
        ProblemsFound: it is not a model that is understood.
    """
    settings = Settings()
    name = wanted.name(upstream.version)
    alias = wanted.module if wanted.is_installed else f"{settings.package}.models.{name}.upstream"
    shown = f"{wanted.module.replace('.', '/')}.py" if wanted.is_installed else str(wanted.file)
    package = None if wanted.is_installed else ""
    model = given_model(wanted.file, wanted.architecture, upstream, shown, alias, package)
    made = integrate(replace(model, name=name), upstream)
    templates = Templates(own_templates(), settings)
    files = templates.render_package(made.plan, made.borrowed, made.source.text, origin=wanted.module)
    plan = replace(made.plan, source=replace(made.plan.source, module=wanted.module))
    return GeneratedPackage(plan, {**files, "plan.toml": dump(plan)}, upstream.read_digests())
