"""Where transformers is installed and what its auto mappings say, read as text: nothing of it is imported."""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path

import libcst as cst
from msgspec import Struct

from adaptergen.auto_tables import Names, Tables, tables_of
from adaptergen.plan_forms import is_word
from adaptergen.problems import Location, Problem, ProblemsFound
from adaptergen.source import SourceModule, parse_source
from adaptergen.text_files import read_python, read_text


OLDEST, NEWEST = (5, 4), (5, 23)  # releases that are read and run
REQUIREMENT = f"transformers>={OLDEST[0]}.{OLDEST[1]},<{NEWEST[0]}.{NEWEST[1] + 1}"  # as pip is told
AUTO = "auto"  # the package of the auto classes is beside the architectures, and is none
LATER_TABLES = "auto_mappings.py"  # earlier releases have all of their tables in the files of the auto classes


class UpstreamModel(Struct, frozen=True):
    """One architecture: its files, and the classes that the auto mappings name for it."""

    name: str  # the folder, which names everything that is generated
    model_type: str
    modeling: SourceModule
    configuration: SourceModule | None
    config_class: str
    base_class: str
    tasks: Mapping[str, tuple[str, ...]]  # e.g. "causal_lm" → ("GPTNeoForCausalLM",)
    towers: tuple[str, ...] = ()  # other classes of the file that are base models of a type of their own


class Upstream(Struct, frozen=True, dict=True):
    """A transformers package on disk."""

    root: Path

    @cached_property
    def version(self) -> str:
        found = re.search(r'^__version__ = "([^"]+)"', self._text("__init__.py"), re.MULTILINE)
        return found.group(1) if found else "unknown"

    def _text(self, path: str) -> str:
        return read_text(self.root / path, f"transformers/{path}")

    @cached_property
    def _auto(self) -> Tables:
        """The `…_MAPPING_NAMES` of the auto package, by name."""
        later = [LATER_TABLES] if (self.root / "models" / AUTO / LATER_TABLES).is_file() else []
        paths = [f"models/{AUTO}/{file}" for file in (*later, "configuration_auto.py", "modeling_auto.py")]
        return tables_of({f"transformers/{path}": self._text(path) for path in paths})

    def table(self, name: str) -> Mapping[str, Names]:
        return self._auto.get(name, {})

    @cached_property
    def auto_tasks(self) -> Mapping[str, frozenset[str]]:
        """Class → the parts of the names of the auto mappings that list it, e.g. "FOR_CAUSAL_LM"; "" is for bases."""
        found: dict[str, set[str]] = {}
        for table, entries in self._auto.items():
            if match := re.fullmatch(r"MODEL_(?:(FOR_\w+?)_)?(?:MAPPING_)?NAMES", table):
                for listed in entries.values():
                    for cls in listed if isinstance(listed, tuple | list) else (listed,):
                        found.setdefault(str(cls), set()).add(match.group(1) or "")
        return {cls: frozenset(tasks) for cls, tasks in found.items()}

    @cached_property
    def folders(self) -> tuple[str, ...]:
        """Every model folder that has a modeling file of its own."""
        models = self.root / "models"
        found = (f.name for f in models.iterdir() if (f / f"modeling_{f.name}.py").is_file())
        return tuple(sorted(name for name in found if name != AUTO))

    @cached_property
    def _loaded(self) -> dict[str, SourceModule | None]:
        return {}

    def load(self, module: str) -> SourceModule | None:
        """A module of this package as source, or None if there is no such file. Each file is read once."""
        if not module.startswith("transformers."):
            return None
        if module not in self._loaded:
            path = self.root.joinpath(*module.split(".")[1:]).with_suffix(".py")
            self._loaded[module] = read_module(path, module) if path.is_file() else None
        return self._loaded[module]

    def read_digests(self) -> dict[str, str]:
        """Module → sha256 of every file that was loaded so far; "" for what is no file."""
        return {module: source.sha256 if source else "" for module, source in sorted(self._loaded.items())}

    def folder_of(self, name: str) -> str:
        """The folder of a model type or folder name.

        Raises:
            ProblemsFound: there is none; the nearest names are suggested.
        """
        special = self.table("SPECIAL_MODEL_TYPE_TO_MODULE_NAME").get(name)
        folder = str(special) if special else name.replace("-", "_")
        if folder in self.folders:
            return folder
        near = difflib.get_close_matches(folder.lower(), self.folders, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "`adaptergen list --available` shows every name"
        raise ProblemsFound(
            Problem("unknown-model", f"transformers {self.version} has no modeling file for '{name}'", fix=hint)
        )

    def find(self, name: str) -> UpstreamModel:
        folder = self.folder_of(name)
        module = f"transformers.models.{folder}.modeling_{folder}"
        return self.model_in(folder, read_module(self.root / "models" / folder / f"modeling_{folder}.py", module))

    def describe(self, name: str, modeling: SourceModule, configuration: SourceModule | None) -> UpstreamModel:
        """Join a parsed modeling file with what the auto mappings know of its classes."""
        model_type = self._model_type(name, modeling, configuration)
        base = _first(self.table("MODEL_MAPPING_NAMES").get(model_type), modeling)
        is_known = model_type in self.table("CONFIG_MAPPING_NAMES")
        tasks = {
            match.group(1).lower(): names
            for table, entries in self._auto.items()
            if (match := re.fullmatch(r"MODEL_FOR_(\w+)_MAPPING_NAMES", table))
            and (names := _present(entries.get(model_type), modeling) if is_known else _called(match[1], modeling))
        }
        config_class = str(self.table("CONFIG_MAPPING_NAMES").get(model_type, "")) or _declared_config(modeling)
        mapped = (_first(classes, modeling) for classes in self.table("MODEL_MAPPING_NAMES").values())
        towers = tuple(dict.fromkeys(cls for cls in mapped if cls and cls != base))
        return UpstreamModel(name, model_type, modeling, configuration, config_class, base, tasks, towers)

    def model_in(self, name: str, modeling: SourceModule) -> UpstreamModel:
        """The model of a modeling file of this package."""
        return self.describe(name, modeling, self.load(modeling.name.replace("modeling_", "configuration_")))

    def _model_type(self, name: str, modeling: SourceModule, configuration: SourceModule | None) -> str:
        """The model type whose base class is in the file: the folder's own name when there are several.

        A file that is not transformers' own may use names of its classes for something else.
        """
        mapping = self.table("MODEL_MAPPING_NAMES")
        if not modeling.name.startswith("transformers."):
            declared = _declared_model_type(configuration, _declared_config(modeling))
            if declared:
                return declared
        candidates = (name, name.replace("_", "-"))
        for candidate in candidates:
            if _present(mapping.get(candidate), modeling):
                return candidate
        configured = (each for each in candidates if each in self.table("CONFIG_MAPPING_NAMES"))
        of_a_class = (str(known) for known, classes in mapping.items() if _present(classes, modeling))
        return next(of_a_class, next(configured, name))


@cache
def upstream_at(root: Path) -> Upstream:
    """One for all architectures that a process looks at: files that several import are read once."""
    return Upstream(root)


def installed_transformers() -> Upstream:
    """The transformers that Python would import.

    Raises:
        ProblemsFound: none is installed.
    """
    spec = importlib.util.find_spec("transformers")
    if spec is None or not spec.submodule_search_locations:
        raise ProblemsFound(
            Problem("no-transformers", "transformers is not installed", fix=f"pip install '{REQUIREMENT}'")
        )
    return Upstream(Path(next(iter(spec.submodule_search_locations))))


def transformers_in(folder: Path) -> Upstream:
    """The transformers of a checkout, or of the folder of its package.

    Raises:
        ProblemsFound: there is none.
    """
    for root in (folder, folder / "transformers", folder / "src" / "transformers"):
        if (root / "models" / AUTO / "modeling_auto.py").is_file():
            return Upstream(root)
    fix = "give a checkout of transformers, or the folder `transformers` in it"
    raise ProblemsFound(Problem("no-transformers", "no package of transformers is there", Location(str(folder)), fix))


def read_module(path: Path, module: str, shown: str = "", package: str | None = None) -> SourceModule:
    """Parse a file, which is called `shown` when people are told of it: by default its path from the package on.

    Raises:
        ProblemsFound: unreadable, not UTF-8, or not Python.
    """
    shown = shown or f"{module.replace('.', '/')}.py"
    text, tree = read_python(path, shown)
    return parse_source(text, name=module, path=shown, package=package, parsed=tree)


def _declared_config(modeling: SourceModule) -> str:
    """The configuration that the first class with one declares: `config: FooConfig`, or `config_class = FooConfig`."""
    for cls in modeling.classes.values():
        for statement in cls.node.body.body:
            match statement:
                case cst.SimpleStatementLine(
                    body=[
                        cst.AnnAssign(
                            target=cst.Name(value="config"),
                            annotation=cst.Annotation(annotation=cst.Name(value=name)),
                            value=None,
                        )
                    ]
                ):
                    return name
                case cst.SimpleStatementLine(
                    body=[
                        cst.Assign(
                            targets=[cst.AssignTarget(target=cst.Name(value="config_class"))],
                            value=cst.Name(value=name),
                        )
                    ]
                ):
                    return name
    return ""


def _declared_model_type(configuration: SourceModule | None, config_class: str) -> str:
    """`foo` where the configuration class says `model_type = "foo"`."""
    cls = configuration.classes.get(config_class) if configuration else None
    match cls.constants.get("model_type") if cls else None:
        case cst.SimpleString() as text:
            return _checked_model_type(text.evaluated_value, configuration)
    return ""


def _checked_model_type(found: str | bytes, configuration: SourceModule | None) -> str:
    """
    Raises:
        ProblemsFound: it would be more than a word in the files that it is written to.
    """
    if isinstance(found, str) and is_word(found):
        return found
    at = Location(configuration.path if configuration else "")
    message = f"{found!r} cannot be the type of a model: it has letters, digits, dots, hyphens and underscores"
    raise ProblemsFound(Problem("bad-model-type", message, at, 'for example `model_type = "gpt_neo"`'))


def _present(names: object, modeling: SourceModule) -> tuple[str, ...]:
    """Those of the mapped class names that the file defines."""
    listed = names if isinstance(names, tuple | list) else (names,)
    return tuple(name for name in listed if isinstance(name, str) and name in modeling.classes)


def _called(task: str, modeling: SourceModule) -> tuple[str, ...]:
    """The classes of a file that no mapping lists, which are called as all that mappings list: `FooForCausalLM`."""
    ends = (f"for{task.replace('_', '').lower()}", *(["lmheadmodel"] if task == "CAUSAL_LM" else []))
    return tuple(name for name in modeling.classes if name.lower().endswith(ends))


def _first(names: object, modeling: SourceModule) -> str:
    present = _present(names, modeling)
    return present[0] if present else ""
