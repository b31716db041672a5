"""What is in a project that uses adaptergen: a copy of the runtime and its licence, the suite that its tests are made
of, pages, the script of the check, and CI. No models: those are added.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import requires
from importlib.util import find_spec
from pathlib import Path

from msgspec import Struct

from adaptergen.problems import Location, Problem, ProblemsFound
from adaptergen.rendering import Templates
from adaptergen.rendering.environment import environment
from adaptergen.rendering.regions import replace_region
from adaptergen.settings import Settings
from adaptergen.text_files import read_text
from adaptergen.workspace import own_templates


OWN = Settings()  # how this repository calls its folders
OWN_SUITES = (Path(__file__).parent / "_suite", Path(__file__).parent.parent / OWN.tests / "core")
OWN_LICENCES = (Path(__file__).parent / "_licence", Path(__file__).parent.parent)
LICENCES = ("LICENSE", "NOTICE")
TYPED = "py.typed"  # says that a package has types
SUITE = ("__init__.py", "made_tokenizer.py", "model_suite.py")
HEADS = ("__init__.py", "conversion_suite.py", "examples.py", "random_models.py")
SUBJECTS = ("suite", "upstream")  # folders of which every module is taken
RUNTIME_NEEDS = ("huggingface-hub", "packaging", "safetensors", "torch", "transformers")
OWN_PACKAGE = "|".join(
    (
        rf"(?<=from ){OWN.package}\b",
        rf"(?<=import ){OWN.package}\b",
        rf"\b{OWN.package}(?=\.[A-Za-z_])",  # no end of a sentence
        rf'(?<="){OWN.package}(?=\.")',
    )
)
OWN_TESTS = rf"\b{OWN.tests}(?=\.[a-z_])"


class NewProject(Struct, frozen=True):
    """
    Args:
        name: of the distribution.
        settings: what it calls its folders.
    """

    name: str
    settings: Settings

    def files(self) -> dict[str, str]:
        """Path → text of everything."""
        files = dict(self._all())
        for region, body in Templates(own_templates(), self.settings).regions(()):
            path = self.settings.placed(region.path)
            files[path] = replace_region(files[path], region, body, path)
        return files

    def _all(self) -> Iterator[tuple[str, str]]:
        yield from ((path, self._renamed(text)) for path, text in _runtime(self.settings.package_folder))
        yield from ((path, self._renamed(text)) for path, text in _suite(self.settings.tests))
        yield f"{self.settings.package_folder}/{TYPED}", ""
        yield from _licences(self.settings.package_folder)
        for folder in (*_parents(self.settings.package_folder), *_parents(f"{self.settings.tests}/models/test")):
            yield f"{folder}/__init__.py", ""
        templates = environment(own_templates())
        values = {
            "name": self.name,
            "settings": self.settings,
            "top": self.settings.package.partition(".")[0],
            "tests": self.settings.tests.replace("/", "."),
            "requirements": _requirements(),
        }
        for template, path in self._templates().items():
            yield path, templates.get_template(f"_project/{template}.jinja").render(values)

    def _templates(self) -> Mapping[str, str]:
        docs, tests = self.settings.docs, self.settings.tests
        return {
            "pyproject.toml": "pyproject.toml",
            "README.md": "README.md",
            ".gitignore": ".gitignore",
            ".github/workflows/tests.yml": ".github/workflows/tests.yml",
            "conftest.py": f"{tests}/conftest.py",
            "check_adapters.py": "utils/check_adapters.py",
            **{f"docs/{name}": f"{docs}/{name}" for name in ("conf.py", "index.rst", "model_overview.md")},
        }

    def _renamed(self, text: str) -> str:
        """Code that calls the package and the tests as this project does."""
        text = re.sub(OWN_TESTS, self.settings.tests.replace("/", "."), text)
        return re.sub(OWN_PACKAGE, self.settings.package, text)


def _parents(folder: str) -> Iterator[str]:
    """The folders above one, which have to be packages."""
    parts = folder.split("/")[:-1]
    return ("/".join(parts[:end]) for end in range(1, len(parts) + 1))


def _runtime(package_folder: str) -> Iterator[tuple[str, str]]:
    """The files of the runtime, without the models that this repository has."""
    spec = find_spec(OWN.package)
    if spec is None or not spec.submodule_search_locations:
        fix = "install adaptergen, which brings it: pip install adaptergen"
        raise ProblemsFound(Problem("no-runtime", f"the package {OWN.package} is not installed", fix=fix))
    root = Path(spec.submodule_search_locations[0])
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        is_of_model = relative.parts[0] == "models" and len(relative.parts) > 2
        if not is_of_model and "__pycache__" not in relative.parts:
            yield f"{package_folder}/{relative.as_posix()}", read_text(path, str(path))


def _licences(package_folder: str) -> Iterator[tuple[str, str]]:
    """Under which terms the runtime is copied, and the methods of transformers in what is generated."""
    root = next(folder for folder in OWN_LICENCES if folder.is_dir())
    for name in LICENCES:
        text = read_text(root / name, name)
        yield f"{package_folder}/{name}", text.replace(f"{OWN.package}/", f"{package_folder}/")


def _suite(tests: str) -> Iterator[tuple[str, str]]:
    """What generated test modules are made of."""
    root = next(folder for folder in OWN_SUITES if folder.is_dir())
    subjects = sorted(f"{folder}/{path.name}" for folder in SUBJECTS for path in (root / folder).glob("*.py"))
    for name in (*SUITE, *(f"heads/{name}" for name in HEADS), *subjects):
        yield f"{tests}/core/{name}", read_text(root / name, name)


def _requirements() -> list[str]:
    """What the runtime needs, with the versions that adaptergen was made for."""
    listed = [each for each in requires("adaptergen") or () if "extra ==" not in each]
    return sorted(each for each in listed if re.split(r"[<>=!~ ;\[]", each)[0].lower() in RUNTIME_NEEDS)


def in_the_way(folder: Path, files: Mapping[str, str]) -> tuple[Problem, ...]:
    """What a new project would write over."""
    fix = "take another folder; a project that exists needs a table [tool.adaptergen] in its pyproject.toml instead"
    there = [path for path in sorted(files) if (folder / path).exists()]
    return tuple(Problem("in-the-way", "is there already", Location(str(folder / path)), fix) for path in there)
