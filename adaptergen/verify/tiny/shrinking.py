"""How does a configuration become small, with all that hangs together in it?"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from transformers import PreTrainedConfig

from adaptergen.verify.tiny import layers, rotary
from adaptergen.verify.tiny.backbones import stood_in, without_missing_library
from adaptergen.verify.tiny.filling import filled_in
from adaptergen.verify.tiny.sizes import HEADS, IMAGE, PATCH, WIDTH, Sizes, is_stages, is_width
from adaptergen.verify.tiny.tokens import TOKENS, is_token, small_tokens
from adaptergen.verify.tiny.unsaid import told


IGNORED = ("ignore_keys_at_rope_validation",)  # of the class, where it says which parameters positions have
# Sizes that keep their proportions, and what their unit becomes: of pictures that are made of several small ones, and
# of the maps that a backbone makes of a picture.
PROPORTIONS = {"image_grid_pinpoints": IMAGE, "backbone_feature_sizes": IMAGE // PATCH}
QUERIES_OF_PATCHES = r"\w*patch_to_query_dict"
# Where there are such, each head has keys of its own.
FOR_EACH_HEAD = ("kv_lora_rank", "quantization_levels", "context_size")
SAID = (layers.PER_LAYER, "out_indices")  # what constructors take without declaring it


class Tree(Struct, frozen=True):
    """
    What all configurations of a model share.

    Args:
        tokens: where its special tokens are.
        widths: of its parts, by default.
        times: how much wider it is than usual.
        targets: layers that some part means something for.
        shares: several heads of queries have a head of keys together, where they can.
    """

    tokens: Mapping[int, int]
    widths: tuple[int, ...]
    times: int
    targets: Collection[int]
    shares: bool


def small(config: PreTrainedConfig, given: Mapping[str, Any], times: int, *, shares: bool) -> PreTrainedConfig:
    """A new configuration of the same class, for a model that is so many times wider than usual."""
    targets = layers.targets_in(vars(config))
    tree = Tree(small_tokens(config), tuple(_widths(config)), times, targets, shares)
    return told(stood_in(shrink(config, given, tree)))


def shrink(config: PreTrainedConfig, given: Mapping[str, Any], tree: Tree) -> PreTrainedConfig:
    """A new configuration of the same class, with what is given in it, or in its sub-configurations."""
    attributes = _attributes(config)
    attributes |= filled_in(attributes)
    declared = _declared(type(config))
    said = {k: v for k, v in attributes.items() if k in declared or k in SAID}
    stacks = layers.chosen_layers(said, tree.targets)
    grouped, alone = (_sizes(attributes, tree, grouped=grouped) for grouped in (tree.shares, False))
    arguments = _arguments(config, attributes, _Shrinking(tree, stacks, grouped), given)
    try:
        return type(config)(**arguments)
    except Exception:  # upstream refuses in whatever way it likes; some attentions cannot share keys
        return type(config)(**_arguments(config, attributes, _Shrinking(tree, stacks, alone), given))


class _Shrinking(Struct, frozen=True):
    tree: Tree
    stacks: layers.Stacks
    sizes: Sizes

    def small(self, name: str, value: Any) -> Any:
        if name in TOKENS:
            return TOKENS[name]
        if (token := name.removeprefix("forced_")) in TOKENS and value is not None:
            return TOKENS[token]
        if is_token(name):
            return _moved(value, self.tree.tokens)
        if name.endswith("suppress_tokens") and value is not None:
            return []
        few = value if is_stages(name, value) else layers.of_fewer(name, value, self.stacks)
        return few if layers.is_count(name, value) else self.sizes.smaller(name, few)


def _arguments(
    config: PreTrainedConfig, attributes: Mapping[str, Any], shrinking: _Shrinking, given: Mapping[str, Any]
) -> dict[str, Any]:
    declared = _declared(type(config))
    filled = filled_in(_attributes(config))
    arguments = _unusual(type(config), attributes)
    if attributes.get("is_encoder_decoder") and "decoder_start_token_id" not in attributes:
        arguments["decoder_start_token_id"] = TOKENS["pad_token_id"]
    for name, value in attributes.items():
        if isinstance(value, PreTrainedConfig):
            inner = given.get(name)
            small = shrink(without_missing_library(value), inner if isinstance(inner, Mapping) else {}, shrinking.tree)
        elif name == layers.PER_LAYER:
            small = _of_layers(value, attributes, shrinking)
        elif name in PROPORTIONS and value:
            small = _in_proportion(value, PROPORTIONS[name])
        elif isinstance(value, Mapping) and re.fullmatch(QUERIES_OF_PATCHES, name):
            small = {(IMAGE // PATCH) ** 2: HEADS}
        elif isinstance(value, Mapping):
            small = _mapping(value, attributes, shrinking)
        elif name not in filled and _is_derived(declared, name, value):
            continue
        else:
            small = shrinking.small(name, value)
        if name in filled or isinstance(value, PreTrainedConfig) or small != value:
            arguments[name] = small
    return arguments | {k: v for k, v in given.items() if not isinstance(arguments.get(k), PreTrainedConfig)}


def _attributes(config: PreTrainedConfig) -> dict[str, Any]:
    """All that is public, which stages a backbone shows, and what differs from layer to layer."""
    attributes = {name: value for name, value in vars(config).items() if not name.startswith("_")}
    differing = vars(config).get("_heterogeneity_spec")
    shown = vars(config).get("_out_indices")
    ignored = {name: found for name in IGNORED if (found := getattr(type(config), name, None))}
    return (
        ignored
        | attributes
        | ({layers.PER_LAYER: differing.per_layer_overrides} if differing else {})
        | ({"out_indices": shown} if shown else {})
    )


def _widths(config: PreTrainedConfig) -> Iterator[int]:
    for name, value in vars(config).items():
        if is_width(name) and type(value) is int:
            yield value
        elif isinstance(value, PreTrainedConfig):
            yield from _widths(value)


def _sizes(attributes: Mapping[str, Any], tree: Tree, *, grouped: bool) -> Sizes:
    head = rotary.head_size(attributes)
    heads = HEADS if "head_dim" in attributes else max(1, WIDTH // head)
    own = [value for name, value in attributes.items() if is_width(name) and type(value) is int]
    shared = grouped and all(attributes.get(name) is None for name in FOR_EACH_HEAD)
    keys = max(1, heads // 2) if shared else heads
    return Sizes(tree.times * head, heads, keys, (*own, *tree.widths), attributes, tree.times)


def _mapping(value: Mapping[Any, Any], attributes: Mapping[str, Any], shrinking: _Shrinking) -> dict[Any, Any]:
    """Parameters of positions and the like; attributes of parts that have no configuration class."""
    small: dict[Any, Any] = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            small[key] = _mapping(item, attributes, shrinking)
        elif key == rotary.SECTIONS and item:
            sections = rotary.small_sections(item, {**attributes, **value})
            small[key] = [shrinking.tree.times * section for section in sections]
        else:
            small[key] = shrinking.small(key, item) if isinstance(key, str) else item
    if "rope_type" in value and rotary.lacks_sections(attributes):
        small[rotary.SECTIONS] = rotary.small_sections((1, 1, 1), attributes)
    return small


def _in_proportion(sizes: Sequence[Sequence[int]], small: int) -> list[list[int]]:
    """Sizes of which the largest common part becomes small."""
    unit = math.gcd(*(side for size in sizes for side in size))
    return [[side // unit * small for side in size] for size in sizes]


def _of_layers(
    overrides: Mapping[int, Mapping[str, Any]], attributes: Mapping[str, Any], shrinking: _Shrinking
) -> dict[int, dict[str, Any]]:
    """What layers have that the others have not: twice as large where it was larger."""
    kept = shrinking.stacks.get(attributes.get("num_hidden_layers", 0), ())
    return {new: _of_one(overrides[old], attributes, shrinking) for new, old in enumerate(kept) if old in overrides}


def _of_one(override: Mapping[str, Any], attributes: Mapping[str, Any], shrinking: _Shrinking) -> dict[str, Any]:
    small = {name: _of_layer(shrinking.small(name, v), v, attributes.get(name)) for name, v in override.items()}
    still, turned = ({**attributes, **override}.get(f"qk_{part}_head_dim") for part in ("nope", "rope"))
    if still and turned and {**attributes, **override}.get("head_dim") == still + turned:
        parts = {name: shrinking.small(name, attributes[name]) for name in ("qk_nope_head_dim", "qk_rope_head_dim")}
        small["head_dim"] = sum({**parts, **{k: v for k, v in small.items() if k in parts}}.values())
    return small


def _of_layer(small: Any, value: Any, usual: Any) -> Any:
    return 2 * small if type(value) is int and type(usual) is int and value > usual else small


def _moved(value: Any, tokens: Mapping[int, int]) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_moved(item, tokens) for item in value)
    return tokens.get(value, value) if type(value) is int else value


def _is_derived(declared: Mapping[str, Any], name: str, value: Any) -> bool:
    """Does the constructor work it out of other attributes?"""
    if name not in declared:
        return name not in SAID and not is_token(name)
    chosen = re.fullmatch(r"head_dim|\w*key_value_heads", name) or is_token(name) or name in TOKENS
    return type(value) is int and declared[name] is None and not chosen


def _declared(cls: type[PreTrainedConfig]) -> dict[str, Any]:
    """What the constructor takes, with the defaults, also under the names that it is kept under."""
    fields = {field.name: field.default for field in getattr(cls, "__dataclass_fields__", {}).values()}
    parameters = inspect.signature(cls.__init__).parameters.values()
    taken = fields | {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
    return {kept: taken[name] for name, kept in cls.attribute_map.items() if name in taken} | taken


def _unusual(cls: type[PreTrainedConfig], attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What is not as it would be by default: a configuration that holds this one has decided so."""
    declared = _declared(cls)
    try:
        usual = _attributes(cls())
    except Exception:  # a configuration that needs arguments refuses in whatever way it likes: nothing is usual then
        usual = {}
    taken = (*declared, "out_indices")

    def is_decided(name: str, value: Any) -> bool:
        if name in taken:
            return name not in usual or bool(usual[name] != value)
        return bool(usual) and name not in usual  # constructors keep whatever else they are given

    return {
        name: value
        for name, value in attributes.items()
        if not isinstance(value, PreTrainedConfig) and is_decided(name, value)
    }
