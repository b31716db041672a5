"""Which place of an architecture do the paths in a file mean?

Modules move and are renamed between releases of transformers, and so does what hangs on them:

    encoder.layer.0.output                        encoder.0.output_adapter     layers.0.output_adapters
    encoder.layer.0.attention.attention.query     encoder.0.q                  layers.0.attention.q_proj

The place is the same: an adapter is written with it, and found by it where the path leads nowhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import nn

from generated.core.errors import AdapterFileError
from generated.core.layers.slot import paths_of
from generated.core.loading.keys import parse_name
from generated.core.placed import PlacedLayer, attention_modules, placed_layers, projection_modules
from generated.core.sites import joined, resolve


PLACES = "places"  # the key in `adapter_config.json`


def places_of(base: nn.Module, keys: Iterable[str], name: str, prefix: str) -> dict[str, str]:
    """
    Path → place, for every path that names of tensors begin with.

    Args:
        base: the base model.
        keys: the names of an adapter's or a fusion's tensors in it.
        name: of that adapter or fusion.
        prefix: what is in front of the paths in the file.
    """
    known = _places(base)
    hosts = (parsed.host for key in keys if (parsed := parse_name(key, name)) is not None)
    return {prefix + host: known[host] for host in hosts if host in known}


def read_places(description: Mapping[str, Any]) -> dict[str, str]:
    """
    What a file says of its paths; nothing if another library wrote it.

    Raises:
        AdapterFileError: it is something else.
    """
    places = description.get(PLACES, {})
    if not isinstance(places, dict) or not all(isinstance(place, str) for place in places.values()):
        raise AdapterFileError(f"`{PLACES}` of an adapter says of each path what place it is, not {places!r}")
    return places


def moved_paths(base: nn.Module, places: Mapping[str, str]) -> dict[str, str]:
    """
    For each path in a file that leads nowhere where its place is in this model. Left out are places that it lacks, and
    those to which another path in the file leads: the model may be a part of the one that was saved.
    """
    here = _places(base)
    paths = {place: path for path, place in here.items()}
    leads = {path: next((own for own in (path, path.partition(".")[2]) if own in here), "") for path in places}
    free = paths.keys() - {here[own] for own in leads.values() if own}
    return {path: paths[place] for path, place in places.items() if not leads[path] and place in free}


def _places(base: nn.Module) -> dict[str, str]:
    """Path → place, of everything that an adapter can hang on in a layer."""
    paths = paths_of(base)
    found: dict[str, str] = {}
    layers: Counter[str] = Counter()
    for layer in placed_layers(base):
        which = f"{layer.stack.kind}.{layers[layer.stack.kind]}"
        layers[layer.stack.kind] += 1
        counts: Counter[str] = Counter()
        for path, kind in _in_layer(layer, paths):
            counts[kind] += 1
            number = f".{counts[kind]}" if counts[kind] > 1 else ""  # e.g. q of self- and of cross-attention
            found[path] = f"{which}.{kind}{number}"
    return found


def _in_layer(layer: PlacedLayer, paths: Mapping[nn.Module, str]) -> Iterator[tuple[str, str]]:
    path = paths[layer.module]
    yield joined(path, "reft_layer"), "reft"
    for site in layer.sites.bottleneck:
        if resolve(layer.module, site.host, of=site.of) is not None:
            yield joined(joined(path, site.host), site.slot), site.location
    for attention, module in attention_modules(layer):
        yield joined(paths[module], "prefix_tuning"), f"{attention.kind}_attention"
    for projection, module in projection_modules(layer):
        yield paths[module], "+".join(projection.parts)
