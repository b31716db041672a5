"""IntegrationPlan ↔ plan.toml, lossless both ways and byte-stable."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from functools import cache, partial
from typing import Any, NamedTuple, Protocol

from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields, replace

from adaptergen.plan import METHODS, IntegrationPlan, MethodSupport
from adaptergen.plan_forms import is_encodable, misshapen, unencodable
from adaptergen.plan_lines import line_of
from adaptergen.problems import Location, Problem, ProblemsFound
from adaptergen.text_files import read_toml
from adaptergen.toml_layout import document


HEADER = """\
# The integration plan of this architecture: written by adaptergen, reviewed and edited by people.
# An entry with by = "hand" is kept as it is. After an edit run `adaptergen update {name}`.

"""


Misfit = tuple[str, str]  # which entry, and what is wrong with it
_REASONS = ("because", "at", "by")

# What a plan says of a method that came after it; `update` decides.
UNPLANNED = MethodSupport(supported=False, because="this plan is older than the method: run `adaptergen update`")


def dump(plan: IntegrationPlan) -> str:
    """The plan as TOML; what is at its default is left out.

    Raises:
        ProblemsFound: a text in it would become other code than it says, or cannot be encoded.
    """
    text, path = HEADER.format(name=plan.name) + document(_data(plan)), "plan.toml"
    if not is_encodable(text):
        raise ProblemsFound(*(_problem(text, path, *misfit) for misfit in unencodable(plan)))
    assert load(text, path) == plan, "a plan must survive being written"
    return text


@cache
def load(text: str, path: str) -> IntegrationPlan:
    """Read a plan; a command that asks for the plans of all models again reads none twice.

    Raises:
        ProblemsFound: not TOML, or every key that is missing, unknown or of the wrong type.
    """
    fix = "mend the line, or delete the file and add the model again"
    data = read_toml(text, path, code="bad-plan", fix=fix)
    misfits: list[Misfit] = []
    plan = _struct(IntegrationPlan, data, "", misfits)
    misfits.extend(_unknown_methods(data.get("methods")))
    if not misfits:
        misfits.extend(misshapen(plan))
    if misfits:
        raise ProblemsFound(*(_problem(text, path, *misfit) for misfit in misfits))
    assert isinstance(plan, IntegrationPlan)
    return replace(plan, methods={name: plan.methods.get(name, UNPLANNED) for name in METHODS})


def _unknown_methods(methods: object) -> list[Misfit]:
    """A plan says of methods whether they are supported, and of nothing else."""
    told = methods if isinstance(methods, dict) else {}
    return [(f"methods.{name}", "is not a key of a plan") for name in told if name not in METHODS]


def _data(value: object) -> Any:
    """Structs as tables, with the reasons of a decision after what was decided."""
    if isinstance(value, Struct):
        told = {f.name: _data(getattr(value, f.name)) for f in fields(value) if _is_told(value, f)}
        return {name: told[name] for name in sorted(told, key=_REASONS.__contains__)}
    if isinstance(value, tuple | list):
        return [_data(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _data(item) for key, item in value.items()}
    return value


def _is_told(value: Struct, field: FieldInfo) -> bool:
    given = getattr(value, field.name)
    if field.default_factory is not NODEFAULT:
        return bool(given != field.default_factory())
    return bool(given != field.default)


class _Reader(Protocol):
    """Makes a value of one type of what TOML says at `where`, noting everything that does not fit."""

    def __call__(self, data: object, where: str, misfits: list[Misfit]) -> Any: ...


def _reader(kind: Any) -> _Reader:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return partial(_tuple, _reader(arguments[0]))
    if origin is typing.Literal:
        return partial(_one_of, arguments)
    if origin is not None:
        return partial(_mapping, _reader(arguments[1]))
    if kind is object:
        return _free_form
    return partial(_struct if issubclass(kind, Struct) else _plain, kind)


def _plain(kind: type, data: object, where: str, misfits: list[Misfit]) -> object:
    return data if type(data) is kind else _unlike(data, _SAID.get(kind, kind.__name__), where, misfits)


_SAID = {str: "a string", int: "a number", bool: "true or false"}


def _tuple(item: _Reader, data: object, where: str, misfits: list[Misfit]) -> object:
    if not isinstance(data, list):
        return _unlike(data, "a list", where, misfits)
    return tuple(item(each, f"{where}[{i}]", misfits) for i, each in enumerate(data))


def _mapping(item: _Reader, data: object, where: str, misfits: list[Misfit]) -> object:
    if not isinstance(data, dict):
        return _unlike(data, "a table", where, misfits)
    return {key: item(each, f"{where}.{key}", misfits) for key, each in data.items()}


def _one_of(options: tuple[object, ...], data: object, where: str, misfits: list[Misfit]) -> object:
    if data in options:
        return data
    misfits.append((where, f"is {data!r}, expected one of {', '.join(map(repr, options))}"))
    return None


def _free_form(data: object, where: str, misfits: list[Misfit]) -> object:
    """Any value, with tuples for lists, as plans hold them."""
    if isinstance(data, list):
        return tuple(_free_form(each, where, misfits) for each in data)
    if isinstance(data, dict):
        return {key: _free_form(value, where, misfits) for key, value in data.items()}
    return data


def _struct(kind: type[Struct], data: object, where: str, misfits: list[Misfit]) -> Any:
    if not isinstance(data, dict):
        return _unlike(data, "a table", where, misfits)
    entries = _entries(kind)
    misfits.extend((f"{where}.{key}", "is not a key of a plan") for key in data if key not in entries)
    values = {}
    for name, entry in entries.items():
        if name in data:
            values[name] = entry.read(data[name], f"{where}.{name}", misfits)
        elif entry.is_required:
            misfits.append((f"{where}.{name}", "is missing"))
        elif entry.empty is not None:
            values[name] = entry.empty()
    missing = any(entry.is_required and name not in values for name, entry in entries.items())
    return None if missing else kind(**values)


def _unlike(data: object, expected: str, where: str, misfits: list[Misfit]) -> object:
    misfits.append((where, f"is {type(data).__name__}, expected {expected}"))
    return None


class _Entry(NamedTuple):
    """What a plan may say at a key of a table."""

    read: _Reader
    is_required: bool
    empty: type | None  # what is meant where it is left out, if that is no default of the class


@cache
def _entries(kind: type[Struct]) -> Mapping[str, _Entry]:
    return {field.name: _entry(field) for field in fields(kind)}


def _entry(field: FieldInfo) -> _Entry:
    """Lists and tables may be left out when empty: TOML has no way to write an empty list of tables."""
    read = _reader(field.type)
    if not field.required:
        return _Entry(read, False, None)
    origin = typing.get_origin(field.type)
    empty = tuple if origin is tuple else dict if origin is Mapping else None
    return _Entry(read, empty is None, empty)


def _problem(text: str, path: str, where: str, what: str) -> Problem:
    key = where.removeprefix(".")
    fix = "mend the entry, or delete it and run `adaptergen update`"
    return Problem("bad-plan", f"{key or 'the file'} {what}", Location(path, line_of(text, key)), fix)
