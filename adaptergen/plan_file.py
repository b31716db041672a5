"""IntegrationPlan ↔ plan.toml, lossless both ways and byte-stable."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import tomli  # compiled, where `tomllib` takes most of the time that the plans of a project take
import tomlkit
import tomlkit.items

from adaptergen.plan import METHODS, IntegrationPlan, MethodSupport
from adaptergen.plan_forms import is_encodable, misshapen, unencodable
from adaptergen.plan_lines import line_of
from adaptergen.problems import Location, Problem, ProblemsFound


HEADER = """\
# The integration plan of this architecture: written by adaptergen, reviewed and edited by people.
# An entry with by = "hand" is kept as it is. After an edit run `adaptergen update {name}`.

"""


LINE = 100
Misfit = tuple[str, str]  # which entry, and what is wrong with it
_REASONS = ("because", "at", "by")

# What a plan says of a method that came after it; `update` decides.
UNPLANNED = MethodSupport(supported=False, because="this plan is older than the method: run `adaptergen update`")


def dump(plan: IntegrationPlan) -> str:
    """The plan as TOML; what is at its default is left out."""
    text = HEADER.format(name=plan.name) + tomlkit.dumps(_document(plan))
    assert load(text, "plan.toml") == plan, "a plan must survive being written"
    return text


@cache
def load(text: str, path: str) -> IntegrationPlan:
    """Read a plan; a command that asks for the plans of all models again reads none twice.

    Raises:
        ProblemsFound: not TOML, or every key that is missing, unknown or of the wrong type.
    """
    try:
        data = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise ProblemsFound(_not_toml(error, path)) from error
    misfits: list[Misfit] = []
    plan = _from_data(IntegrationPlan, data, "", misfits)
    misfits.extend(_unknown_methods(data.get("methods")))
    if not misfits:
        misfits.extend(misshapen(plan))
    if not misfits and not is_encodable(text):  # TOML has no other way to write what cannot be encoded
        misfits.extend(unencodable(plan))
    if misfits:
        raise ProblemsFound(*(_problem(text, path, *misfit) for misfit in misfits))
    assert isinstance(plan, IntegrationPlan)
    return dataclasses.replace(plan, methods={name: plan.methods.get(name, UNPLANNED) for name in METHODS})


def _not_toml(error: tomli.TOMLDecodeError, path: str) -> Problem:
    line = re.search(r"at line (\d+)", str(error))
    at = Location(path, int(line.group(1)) if line else 0)
    fix = "mend the line, or delete the file and add the model again"
    return Problem("bad-plan", f"not valid TOML: {error}", at, fix)


def _unknown_methods(methods: object) -> list[Misfit]:
    """A plan says of methods whether they are supported, and of nothing else."""
    told = methods if isinstance(methods, dict) else {}
    return [(f"methods.{name}", "is not a key of a plan") for name in told if name not in METHODS]


def _document(plan: IntegrationPlan) -> tomlkit.TOMLDocument:
    document = tomlkit.document()
    for name, value in _data(plan).items():
        document.add(name, _item(value))
    return document


def _data(value: object) -> Any:
    """Dataclasses as tables, with the reasons of a decision after what was decided."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        told = {f.name: _data(getattr(value, f.name)) for f in dataclasses.fields(value) if _is_told(value, f)}
        return {name: told[name] for name in sorted(told, key=_REASONS.__contains__)}
    if isinstance(value, tuple | list):
        return [_data(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _data(item) for key, item in value.items()}
    return value


def _item(value: Any) -> Any:
    """Arrays and small tables on one line where they fit, long texts as they read."""
    if isinstance(value, dict):
        table = tomlkit.inline_table() if _fits(value) else tomlkit.table()
        for key, item in value.items():
            table.add(key, _item(item))
        return table
    if isinstance(value, list) and value and isinstance(value[0], dict):
        tables = tomlkit.aot()
        for entry in value:
            tables.append(_table(entry))
        return tables
    if isinstance(value, list):
        array = tomlkit.array()
        for item in value:
            array.append(_item(item))
        return array.multiline(len(array.as_string()) > LINE)
    if isinstance(value, str) and "\n" in value:
        return tomlkit.string(value, multiline=True)
    return value


def _table(entry: dict[str, Any]) -> tomlkit.items.Table:
    table = tomlkit.table()
    for key, item in entry.items():
        table.add(key, _item(item))
    return table


def _fits(value: dict[str, Any]) -> bool:
    """Free-form values without reasons of their own stay within the line of their key."""
    return (
        "because" not in value
        and not any(isinstance(v, dict) and not _fits(v) for v in value.values())
        and (len(str(value)) < LINE)
    )


def _is_told(value: object, field: dataclasses.Field[Any]) -> bool:
    given = getattr(value, field.name)
    if field.default_factory is not dataclasses.MISSING:
        return bool(given != field.default_factory())
    return bool(given != field.default)


_PLAIN = (str, bool, int, float)


def _from_data(kind: Any, data: object, where: str, misfits: list[Misfit]) -> Any:
    """Build a value of the annotated type, noting everything that does not fit."""
    if kind is type(data) and kind in _PLAIN:
        return data
    origin, arguments = _parts(kind)
    if origin is None and isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _dataclass(kind, data, where, misfits)
    if origin is tuple and isinstance(data, list):
        return tuple(_from_data(arguments[0], item, f"{where}[{i}]", misfits) for i, item in enumerate(data))
    if origin in (dict, Mapping, types.MappingProxyType) or _is_mapping(origin):
        if isinstance(data, dict):
            return {k: _from_data(arguments[1], v, f"{where}.{k}", misfits) for k, v in data.items()}
    elif origin is typing.Literal:
        if data in arguments:
            return data
        misfits.append((where, f"is {data!r}, expected one of {', '.join(map(repr, arguments))}"))
        return None
    elif kind is object:
        return _frozen(data)
    elif isinstance(kind, type) and type(data) is kind:
        return data
    misfits.append((where, f"is {type(data).__name__}, expected {_type_name(kind)}"))
    return None


@cache
def _parts(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """`tuple` and `(str, ...)` for `tuple[str, ...]`."""
    return typing.get_origin(kind), typing.get_args(kind)


def _frozen(data: object) -> object:
    """Free-form values with tuples for lists, as plans hold them."""
    if isinstance(data, list):
        return tuple(map(_frozen, data))
    if isinstance(data, dict):
        return {key: _frozen(value) for key, value in data.items()}
    return data


def _is_mapping(origin: object) -> bool:
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _dataclass(kind: type, data: object, where: str, misfits: list[Misfit]) -> Any:
    if not isinstance(data, dict):
        misfits.append((where, f"is {type(data).__name__}, expected a table"))
        return None
    entries = _entries(kind)
    misfits.extend((f"{where}.{key}", "is not a key of a plan") for key in data if key not in entries)
    values = {}
    for name, entry in entries.items():
        if name in data:
            values[name] = _from_data(entry.hint, data[name], f"{where}.{name}", misfits)
        elif entry.is_required:
            misfits.append((f"{where}.{name}", "is missing"))
        elif entry.empty is not None:
            values[name] = entry.empty()
    missing = [name for name, entry in entries.items() if entry.is_required and name not in values]
    return None if missing else kind(**values)


class _Entry(NamedTuple):
    """What a plan may say at a key of a table."""

    hint: Any
    is_required: bool
    empty: type | None  # what is meant where it is left out, if that is no default of the class


@cache  # the annotations of a class are texts, each of which is compiled
def _entries(kind: type) -> Mapping[str, _Entry]:
    hints = typing.get_type_hints(kind)
    return {field.name: _entry(field, hints[field.name]) for field in dataclasses.fields(kind)}


def _entry(field: dataclasses.Field[Any], hint: Any) -> _Entry:
    """Lists and tables may be left out when empty: TOML has no way to write an empty list of tables."""
    if field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING:
        return _Entry(hint, False, None)
    origin = typing.get_origin(hint)
    empty = tuple if origin is tuple else dict if _is_mapping(origin) else None
    return _Entry(hint, empty is None, empty)


def _problem(text: str, path: str, where: str, what: str) -> Problem:
    key = where.removeprefix(".")
    fix = "mend the entry, or delete it and run `adaptergen update`"
    return Problem("bad-plan", f"{key or 'the file'} {what}", Location(path, line_of(text, key)), fix)


def _type_name(kind: Any) -> str:
    names: Iterator[str] = (getattr(part, "__name__", str(part)) for part in (kind,))
    return {"str": "a string", "int": "a number", "bool": "true or false"}.get(next(names), "a table or list")
