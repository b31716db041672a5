"""What is every adapter configuration? A dataclass that is also a read-only mapping, and that a short string can name.

AdapterConfig.load("lora[r=16,alpha=32]")  ==  LoRAConfig(r=16, alpha=32)
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import FrozenInstanceError, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self, get_type_hints

from generated.core.configuration.kinds import is_of_kind, told
from generated.core.errors import AdapterConfigError


@dataclass(eq=False)
class AdapterConfig(Mapping):
    """
    Base of all configurations. Fields are set once; keys that the class does not know are kept as attributes, so that
    a file written by a newer version survives a round trip.

    Called itself, it makes a bottleneck configuration, which is what adapter-transformers calls `AdapterConfig`.
    """

    architecture: ClassVar[str | None] = None

    def __new__(cls, *args: Any, **values: Any) -> Self:
        return super().__new__(_BY_ARCHITECTURE[None] if cls is AdapterConfig else cls)

    def __post_init__(self) -> None:
        """Values as JSON can hold them: `leave_out=range(4)` is a list, a number of NumPy is a number."""
        for name, value in self.__dict__.items():
            self.__dict__[name] = _plain(value)
        for name, kind in _kinds(type(self)).items():
            value = self.__dict__.get(name)
            if not is_of_kind(value, kind):
                raise AdapterConfigError(f"{name} is {value!r}, must be {told(kind)}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__:
            raise FrozenInstanceError(f"{type(self).__name__}.{name} is set once; use `config.replace({name}=…)`")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete {type(self).__name__}.{name}")

    def __getitem__(self, key: str) -> Any:
        return self.__dict__[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dict__)

    def __len__(self) -> int:
        return len(self.__dict__)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AdapterConfig) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(json.dumps(self.to_dict(), sort_keys=True, default=str))

    @property
    def parts(self) -> tuple[AdapterConfig, ...]:
        """The configurations of single methods that this one is made of."""
        return (self,)

    def to_dict(self) -> dict[str, Any]:
        return deepcopy(self.__dict__)

    def replace(self, **changes: Any) -> Self:
        """
        A copy with some values changed.

        Raises:
            AdapterConfigError: there is no such value to change.
        """
        unknown = changes.keys() - self.__dict__.keys()
        if unknown:
            raise AdapterConfigError(
                f"{type(self).__name__} has no {', '.join(sorted(unknown))}; it has: {', '.join(self)}"
            )
        return type(self).from_dict(self.to_dict() | changes)

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> Self:
        """
        Build a configuration of this class from plain data; `AdapterConfig` itself builds what the data describe.

        Raises:
            AdapterConfigError: a field without default is missing, or the data describe no known method.
        """
        if isinstance(config, AdapterConfig):
            return config
        if cls is AdapterConfig:
            return config_from_dict(config)
        known = {field.name for field in fields(cls)}
        try:
            instance = cls(**{key: value for key, value in config.items() if key in known})
        except TypeError as error:
            raise AdapterConfigError(f"incomplete configuration for {cls.__name__}: {error}") from error
        for key in config.keys() - known:
            is_own = key != "architecture" and hasattr(cls, key)
            refuse_if(is_own, f"{key!r} is no value that a {cls.__name__} can be given")
            setattr(instance, key, config[key])
        return instance

    @classmethod
    def load(
        cls,
        config: Mapping[str, Any] | str | Path | None,
        download_kwargs: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> AdapterConfig | None:
        """
        Turn what a user may pass as a configuration into an object.

        Args:
            config: an object, a dictionary, an identifier ("seq_bn"), an identifier with values
                ("lora[r=16,attn_matrices=['q']]"), several of these joined by "|", or the path of a JSON file;
                `None`, as an option that was not given, stays `None`.
            download_kwargs: of no meaning here: configurations are not downloaded.
            changes: values that replace those of `config`; `None` changes nothing.

        Raises:
            AdapterConfigError: the string is neither a known identifier nor a file, or the dictionary names no method.
        """
        if config is None:
            return None
        loaded = _resolve(config)
        changes = {key: value for key, value in changes.items() if value is not None}
        return loaded.replace(**changes) if changes else loaded


@cache
def _kinds(cls: type[AdapterConfig]) -> dict[str, Any]:
    """The annotations of the fields."""
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in fields(cls)}


def _plain(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, range | tuple):
        return list(value)
    return value.item() if hasattr(value, "item") else value


_BY_ARCHITECTURE: dict[str | None, type[AdapterConfig]] = {}

# A configuration for each short name. What is loaded is a copy, so that nobody changes these.
ADAPTER_CONFIG_MAP: dict[str, AdapterConfig] = {}


def register_architecture(architecture: str | None, cls: type[AdapterConfig]) -> None:
    """Say which class reads the dictionaries whose `architecture` is this."""
    _BY_ARCHITECTURE[architecture] = cls


def register_identifiers(identifiers: Mapping[str, Callable[[], AdapterConfig]]) -> None:
    """Give short names to configurations."""
    ADAPTER_CONFIG_MAP.update({name: make() for name, make in identifiers.items()})


def config_from_dict(config: Mapping[str, Any]) -> AdapterConfig:
    """The configuration object that a stored dictionary describes, of the class that its `architecture` names."""
    if isinstance(config, AdapterConfig):
        return config
    architecture = config.get("architecture")
    if not isinstance(architecture, str | None) or architecture not in _BY_ARCHITECTURE:
        known = ", ".join(sorted(filter(None, _BY_ARCHITECTURE)))
        raise AdapterConfigError(f"adapters of architecture {architecture!r} are not supported; supported: {known}")
    return _BY_ARCHITECTURE[architecture].from_dict(config)


def _resolve(config: Mapping[str, Any] | str | Path) -> AdapterConfig:
    if isinstance(config, AdapterConfig):
        return config
    if isinstance(config, Mapping):
        return config_from_dict(config)
    refuse_if(
        not isinstance(config, str | Path),
        f"{config!r} is no adapter configuration; give an object, a dictionary, an identifier or the path of a file",
    )
    matches = [_CONFIG_STRING.fullmatch(part.strip()) for part in str(config).split("|")]
    if all(match and match["name"] in ADAPTER_CONFIG_MAP for match in matches):
        parts = [_from_match(match) for match in matches]
        return parts[0] if len(parts) == 1 else config_from_dict({"architecture": "union", "configs": parts})
    if Path(config).is_file():
        stored = json.loads(Path(config).read_text(encoding="utf-8"))
        return config_from_dict(stored.get("config", stored))
    known = ", ".join(sorted(ADAPTER_CONFIG_MAP))
    raise AdapterConfigError(f"{str(config)!r} is neither a file nor an adapter configuration; known: {known}")


def refuse_if(is_wrong: bool, what: str) -> None:
    """
    Raises:
        AdapterConfigError: the value that `what` speaks of is wrong.
    """
    if is_wrong:
        raise AdapterConfigError(what)


_CONFIG_STRING = re.compile(r"(?P<name>[^\[\]|]+?)\s*(?:\[(?P<values>.*)\])?")


def _from_match(match: re.Match[str]) -> AdapterConfig:
    named = deepcopy(ADAPTER_CONFIG_MAP[match["name"]])
    return named.replace(**_parse_values(match)) if match["values"] else named


def _parse_values(match: re.Match[str]) -> dict[str, Any]:
    """Read `r=16,attn_matrices=['q', 'v']`: keyword arguments whose values are Python literals."""
    try:
        call = ast.parse(f"_({match['values']})", mode="eval").body
        if call.args or any(keyword.arg is None for keyword in call.keywords):
            raise ValueError("only key=value pairs are allowed")
        return {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError) as error:
        raise AdapterConfigError(f"cannot read the values in adapter configuration {match[0]!r}: {error}") from error
