"""The files that are mangled: those of the cases, and the small ones of the installed transformers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from adaptergen.pipeline import Integration, integrate
from adaptergen.problems import ProblemsFound
from adaptergen.sources import given_model
from adaptergen.upstream import Upstream
from tests_adapters.generator import case, real


SMALL = 24_000  # characters of a file of transformers: a mutant should take a tenth of a second, or two


@dataclass(frozen=True)
class Original:
    """
    Attributes:
        name: of its case, or of its folder in transformers.
        folder: of its modeling file, and of its configuration.
        model: what the model, its module and its files are called after.
    """

    name: str
    folder: Path
    model: str
    upstream: Upstream

    @property
    def modeling(self) -> str:
        return (self.folder / f"modeling_{self.model}.py").read_text(encoding="utf-8")

    @property
    def configuration(self) -> str | None:
        path = self.folder / f"configuration_{self.model}.py"
        return path.read_text(encoding="utf-8") if path.is_file() else None

    def integrated(self, modeling: bytes | None = None, configuration: bytes | None = None) -> Integration:
        """The integration of these texts, or else its own, in a folder of their own, as if they were this model's.

        Raises:
            ProblemsFound: they are refused.
        """
        with TemporaryDirectory(prefix="adaptergen-mutant-") as name:
            path = Path(name) / f"modeling_{self.model}.py"
            path.write_bytes(self.modeling.encode() if modeling is None else modeling)
            if configuration is None and self.configuration is not None:
                configuration = self.configuration.encode()
            if configuration is not None:
                path.with_name(f"configuration_{self.model}.py").write_bytes(configuration)
            module = f"transformers.models.{self.model}.modeling_{self.model}"
            given = given_model(path, self.model, self.upstream, f"{module.replace('.', '/')}.py", module)
            return integrate(given, self.upstream)


@cache
def cases() -> Sequence[Original]:
    return [Original(name, case.CASES / name, "case", _made_up()) for name in case.NAMES]


@cache
def _made_up() -> Upstream:
    """A transformers with the one model that no mutant is."""
    return case.upstream_of("pre_norm")


@cache
def small_files() -> Sequence[Original]:
    installed = real.upstream()
    folders = [(name, installed.root / "models" / name) for name in installed.folders]
    small = [(name, at) for name, at in folders if (at / f"modeling_{name}.py").stat().st_size < SMALL]
    return [Original(name, at, name, installed) for name, at in small]


@cache
def unharmed(original: Original) -> Integration | ProblemsFound:
    """What becomes of it as it is."""
    try:
        return original.integrated()
    except ProblemsFound as found:
        return found
