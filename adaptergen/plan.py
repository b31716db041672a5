"""What will be done to one architecture, and because of what: the only input of the transforms and the templates.

A plan is reviewed and edited by people as `plan.toml`. Statements of upstream are found by (class, method, text,
nth among equals), never by a line number; `at` only tells a reader where to look. An entry that a person wrote or
changed says `by = "hand"` and survives planning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from adaptergen.facts import Role


By = Literal["adaptergen", "hand"]
METHODS = ("bottleneck", "lora", "ia3", "prefix_tuning", "invertible", "reft", "prompt_tuning")


class Decision(Struct, frozen=True, kw_only=True):
    """Why, where to look, and who decided."""

    because: str = ""
    at: str = ""
    by: By = "adaptergen"


class SourceRecord(Struct, frozen=True):
    """The upstream file that the plan was made for."""

    module: str
    transformers: str
    sha256: str
    path: str = ""  # of a file that was given, relative to the project; "" for the installed transformers


class Classes(Struct, frozen=True):
    """The upstream classes that the generated ones build on."""

    config: str
    pretrained: str
    base: str
    holders: tuple[str, ...]  # classes that hold the layers themselves, the base class first
    heads: tuple[str, ...]  # every other model class: it holds one of these, or adds a head to what it holds
    writers: tuple[str, ...] = ()  # holders that generate text by themselves

    @property
    def is_whole(self) -> bool:
        """Is the base class the only one of its family, and so a model with all that it needs, its heads inside?"""
        return self.base == self.pretrained

    @property
    def all(self) -> tuple[str, ...]:
        return (self.config, self.pretrained, self.base, *self.holders, *self.heads, *self.writers)


class MethodSupport(Decision, frozen=True, kw_only=True):
    """Whether an adapter method works on this architecture; if not, `because` is what users are told."""

    supported: bool


class StackPlan(Decision, frozen=True, kw_only=True):
    """A list of layers; `entry` is the module whose output enters the first one ("" hooks the first layer's input)."""

    kind: Literal["encoder", "decoder"]
    layers: str
    layer: str
    owner: str
    entry: str
    config: str = ""  # the part of the configuration that the layers are made of, e.g. "text_config"
    packed: bool = False  # all examples are one sequence
    joins_rows: bool = False  # an example has several rows, those of one kind behind those of another
    called_by_heads: bool = False  # some head calls the owner, and never the base model


class TowerPlan(Struct, frozen=True):
    """A class that is a model by itself and a part of others, with its stacks by paths from it."""

    cls: str
    stacks: tuple[StackPlan, ...]


class SubModelPlan(Decision, frozen=True, kw_only=True):
    """A model of another architecture inside: its own package says where adapters sit in it."""

    path: str
    made_by: str
    config: str


class ResidualHook(Decision, frozen=True, kw_only=True):
    """
    A residual addition that becomes a call of `adapter_layer_forward`. Several of one statement are the branches of
    one addition: each takes what the one before it gives as its residual.
    """

    cls: str
    method: str
    statement: str
    nth: int = 0
    addition: str
    branch: str
    residual: str
    norm: str = ""
    norm_statement: str = ""  # deleted, because the call applies the norm; "" when it is in `statement`
    inner_norm: str = ""  # between the sub-layer and the addition; then `branch` is what it takes
    inner_norm_statement: str = ""  # deleted, because the call applies the norm; "" when it is in `addition`
    slot: str = ""  # attribute that holds the adapters; "" makes the class itself the adapter layer


class LengthHook(Struct, frozen=True, kw_only=True):
    """Hand-written attention that slices a causal buffer by the number of keys, which must not count the prefix."""

    method: str
    statement: str
    nth: int = 0
    expression: str
    cut_statement: str
    cut_nth: int = 0
    cut: str


class TermHook(Struct, frozen=True, kw_only=True):
    """Something with one entry per key that hand-written attention adds to the scores: nothing for the prefix."""

    method: str
    statement: str
    nth: int = 0
    term: str


class KeptHook(Struct, frozen=True, kw_only=True):
    """The statement before which the input of an attention, which `name` holds, has to be kept under another name."""

    statement: str
    nth: int = 0
    name: str


class PrefixHook(Decision, frozen=True, kw_only=True):
    """The line before which keys, values and mask are complete, and what they are called there; or `function`."""

    cls: str
    method: str
    statement: str
    nth: int = 0
    query: str = ""
    key: str = ""
    value: str = ""
    mask: str = ""
    hidden: str
    head_dim: str
    is_causal: str  # an expression: would the attention function mask the future if it is given no mask?
    told_causal: str = ""  # an expression of what the caller says of that, which is in force where it is not None
    bias: tuple[str, ...] = ()  # arguments of the attention function, in `statement`, with one entry per key
    lengths: tuple[LengthHook, ...] = ()
    terms: tuple[TermHook, ...] = ()
    flat: bool = False  # keys and values are (batch · heads, length, width)
    mask_is_none: bool = False  # `statement` passes None as the mask, in place of which that of prefixes comes
    mask_is_test: bool = False  # the code makes the mask boolean, later than here
    turned: bool = False  # keys are (…, width, length)
    mask_hides: bool = False  # the mask tells which keys are hidden, not which may be attended to
    has_config: bool = True  # the class keeps the model's configuration
    extended_key: str = ""  # what the extended keys are called in `statement`, where `key` goes on without prefix
    value_dim: str = ""  # width of a value, where it is not `head_dim`
    heads: str = ""  # how many heads of keys there are, where the width of their projection does not tell
    hidden_dim: str = ""  # width of `hidden`, where neither the projection of the keys nor the configuration tells
    views: tuple[TermHook, ...] = ()  # views of scores, whose last size is the number of keys without prefix
    function: str = ""  # the attention function that `statement` binds, for all calls of it; no other names are needed
    boundaries: str = ""  # name of the positions where sequences in one row begin and end
    kept: tuple[KeptHook, ...] = ()  # where `hidden` is bound, if it is not upstream's name
    likenesses: tuple[TermHook, ...] = ()  # expressions that give something the shape of the scores, without prefix
    softmaxes: tuple[TermHook, ...] = ()  # of scores, before which a prefix is hidden, as no mask tells rows apart
    window_mask: str = ""  # a mask with a row for each window, which is added to the scores


class BottleneckPlace(Decision, frozen=True, kw_only=True):
    """Where, below a layer, the adapters of one location live."""

    location: Literal["mh_adapter", "cross_adapter", "output_adapter"]
    host: str = ""
    slot: str = ""
    of: str = ""  # the class that the host must have, where its path can lead to another
    needs: str = ""  # a module without which the addition never happens


class AttentionPlace(Decision, frozen=True, kw_only=True):
    """An attention module below a layer."""

    path: str
    kind: Literal["self", "cross"]
    keys: str


class ProjectionPlace(Decision, frozen=True, kw_only=True):
    """A linear module below a layer, with its role, or its roles in order when its output is split."""

    path: str
    roles: tuple[Role, ...]
    group: str = ""  # width of the groups of channels that are split each, such as heads
    widths: tuple[str, ...] = ()  # of the parts, where they differ; "" is what is left


class LayerPlan(Struct, frozen=True):
    """Where every method enters one class of layers; paths are relative to the layer."""

    cls: str
    bottleneck: tuple[BottleneckPlace, ...] = ()
    attention: tuple[AttentionPlace, ...] = ()
    projections: tuple[ProjectionPlace, ...] = ()


class HeadPlan(Decision, frozen=True, kw_only=True):
    """A class with a fixed head and the flexible head that equals it; no `head_type` when none does."""

    cls: str
    head_type: str = ""
    config: Mapping[str, object] = {}
    modules: tuple[str, ...] = ()  # by position in the flexible head; "" where the position has no weights
    output_bias: str = ""


class ConfigAlias(Decision, frozen=True, kw_only=True):
    """The configuration attribute behind a canonical name that the configuration class does not know."""

    canonical: str
    attribute: str


class AdapterModelPlan(Decision, frozen=True, kw_only=True):
    """What the class with flexible heads needs to know."""

    name: str
    base_attribute: str
    parameters: tuple[str, ...]  # of the base class's forward, as written
    imports: tuple[str, ...]  # dotted names that the parameters use
    head_types: tuple[str, ...]
    sentence: Literal["pooler", "first_token", "last_token", "last_eos"]
    generates: bool
    encoder_decoder: bool
    pools: bool = False  # the base model must be told to pool
    shifts_as: str = ""  # class of upstream that says what a decoder reads that is to write the labels
    generation: str = ""  # dotted name of the mixin to write with, where it is not transformers' own
    lm_scale: str = ""  # an expression that the hidden states are multiplied by before a language-model head
    logit_softcap: str = ""  # an expression that bounds what a language-model head returns


class TinyConfig(Decision, frozen=True, kw_only=True):
    """What a configuration for tests must have that the rules of `verify.tiny` do not see: by hand."""

    arguments: Mapping[str, object] = {}


class IntegrationPlan(Struct, frozen=True):
    name: str
    title: str
    model_type: str
    source: SourceRecord
    classes: Classes
    methods: Mapping[str, MethodSupport]
    adapter_model: AdapterModelPlan
    stacks: tuple[StackPlan, ...]
    layers: tuple[LayerPlan, ...]
    residuals: tuple[ResidualHook, ...]
    prefixes: tuple[PrefixHook, ...]
    heads: tuple[HeadPlan, ...]
    config_names: tuple[ConfigAlias, ...]
    tiny_config: TinyConfig = TinyConfig()
    towers: tuple[TowerPlan, ...] = ()
    sub_models: tuple[SubModelPlan, ...] = ()

    @property
    def copied_classes(self) -> tuple[str, ...]:
        """Upstream classes of which a method is copied and changed."""
        return tuple(dict.fromkeys([*(h.cls for h in self.prefixes), *(h.cls for h in self.residuals)]))

    @property
    def keeps_rows(self) -> bool:
        """Is there one row for each example everywhere? Towers have others, but for an encoder and its decoder."""
        if any(stack.packed or stack.joins_rows for stack in self.stacks):
            return False
        towers = {stack.config for stack in self.stacks} | {model.path for model in self.sub_models}
        return len(towers) == 1 or self.adapter_model.encoder_decoder
