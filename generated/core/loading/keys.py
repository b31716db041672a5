"""Which tensor of a file belongs to which tensor of a model?

A name is read as host, container, adapter and rest:

    bert.encoder.layer.0.output . adapters . sst-2 . adapter_down.0.weight

The container and the rest are stable; the host is not. A file may name it from another model class, so that a first
segment is there or missing; by the module names of another transformers version, which the file may say what place
they are or which transformers can translate; or in a layer whose inner modules have been rearranged. These are tried
in this order, and the first that leads to a tensor of the model counts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from generated.core.errors import AdapterFileError


CONTAINERS = (
    "adapters",
    "adapter_fusion_layer",
    "loras",
    "prefix_gates",
    "prefix_tunings",
    "prompt_tunings",
    "refts",
    "shared_parameters",
    "invertible_adapters",
)

LEGACY_CONTAINERS = {
    "attention_text_task_adapters": "adapters",
    "attention_text_lang_adapters": "adapters",
    "layer_text_task_adapters": "adapters",
    "layer_text_lang_adapters": "adapters",
    "invertible_lang_adapters": "invertible_adapters",
}

POOL_OF_PREFIXES = "prefix_tuning"
PEFT_WRAPPED = "base_layer"


@dataclass(frozen=True)
class WeightName:
    """The name of an adapter's tensor, without the adapter's name."""

    host: str
    container: str
    rest: str

    def full(self, adapter: str) -> str:
        return ".".join(filter(None, (self.host, self.container, adapter, self.rest)))


Renaming = Callable[[str], str]


def parse_name(key: str, adapter: str) -> WeightName | None:
    """Read the name of a tensor; `None` if it is none of this adapter."""
    segments = key.split(".")
    for position, (segment, following) in enumerate(pairwise(segments)):
        container = LEGACY_CONTAINERS.get(segment, segment)
        if container in CONTAINERS and following == adapter:
            host, rest = ".".join(segments[:position]), ".".join(segments[position + 2 :])
            return _canonical(WeightName(host, container, rest))
    return None


def usual_name(key: str, adapter: str) -> str:
    """The name of an adapter's tensor as files have it, whatever else wraps its host."""
    name = parse_name(key, adapter)
    return key if name is None else name.full(adapter)


def readings(key: str, adapter: str, rename: Renaming, moved: Mapping[str, str]) -> Iterator[WeightName]:
    """All ways to read a name from a file, the most literal first."""
    spellings = (key, key.partition(".")[2])
    names = [parse_name(spelling, adapter) for spelling in (*spellings, *map(rename, spellings))]
    literal, renamed = names[: len(spellings)], names[len(spellings) :]
    own = [replace(name, host=moved[name.host]) for name in literal if name is not None and name.host in moved]
    yield from (name for name in (*literal, *own, *renamed) if name is not None)


def match_names(
    keys: Iterable[str],
    adapter: str,
    expected: Collection[WeightName],
    layers: Collection[str],
    rename: Renaming,
    moved: Mapping[str, str],
) -> dict[str, WeightName]:
    """
    For each name in a file the name in the model; names that lead nowhere are left out.

    Args:
        keys: names in the file.
        adapter: name of the adapter in the file.
        expected: names in the model.
        layers: paths of the layers of the model.
        rename: from module names of other transformers versions to those of the installed one.
        moved: host in the file → host in the model, as far as the file says what its hosts are.

    Raises:
        AdapterFileError: two names that are not duplicates of each other lead to the same tensor.
    """
    options = {key: list(readings(key, adapter, rename, moved)) for key in keys}
    exact = {key: next((name for name in names if name in expected), None) for key, names in options.items()}
    free = set(expected) - set(exact.values())  # what has its own name in the file is not meant by another
    near = {
        key: next(filter(None, (_in_same_layer(name, free, layers) for name in options[key])), None)
        for key, found in exact.items()
        if found is None
    }
    matched = {key: name for key, name in {**exact, **near}.items() if name is not None}
    _refuse_collisions(matched, adapter)
    return matched


def is_pool_duplicate(key: str) -> bool:
    """Each layer of an AdapterHub checkpoint repeats the prefixes of the whole model under this name."""
    return ".prefix_tuning.pool." in key


def _canonical(name: WeightName) -> WeightName:
    """
    Prefixes hang on the model; DistilBERT of AdapterHub called the location of theirs `self`. PEFT wraps a module,
    which is its `base_layer` then.
    """
    if name.container != "prefix_tunings":
        host = ".".join(segment for segment in name.host.split(".") if segment != PEFT_WRAPPED)
        return WeightName(host, name.container, name.rest)
    location, _, rest = name.rest.partition(".")
    return WeightName(POOL_OF_PREFIXES, name.container, f"{'self_prefix' if location == 'self' else location}.{rest}")


def _in_same_layer(name: WeightName, expected: Collection[WeightName], layers: Collection[str]) -> WeightName | None:
    """The one tensor of the layer whose host ends most like that of `name`."""
    layer = next((path for path in layers if name.host.startswith(f"{path}.")), None)
    if layer is None:
        return None
    rivals = [
        (_common_end(other.host, name.host), other)
        for other in expected
        if other.host.startswith(f"{layer}.") and (other.container, other.rest) == (name.container, name.rest)
    ]
    best = max((length for length, _ in rivals), default=0)
    winners = [other for length, other in rivals if length == best > 0]
    return winners[0] if len(winners) == 1 else None


def _common_end(a: str, b: str) -> int:
    """How many segments at the end of two paths are the same."""
    count = 0
    for left, right in zip(reversed(a.split(".")), reversed(b.split(".")), strict=False):
        if left != right:
            break
        count += 1
    return count


def _refuse_collisions(matched: dict[str, WeightName], adapter: str) -> None:
    owner: dict[WeightName, str] = {}
    for key, name in matched.items():
        if name in owner and not (is_pool_duplicate(key) or is_pool_duplicate(owner[name])):
            raise AdapterFileError(f"{key} and {owner[name]} both mean {name.full(adapter)}")
        owner[name] = key
