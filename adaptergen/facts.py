"""What upstream's code says. Facts never mention adapters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from adaptergen.problems import Location


Sublayer = Literal["attention", "cross_attention", "feed_forward", "any", "several"]
AttentionKind = Literal["self", "cross"]
StackKind = Literal["encoder", "decoder"]
Role = Literal["q", "k", "v", "o", "gate", "up", "down"]


class StatementSite(Struct, frozen=True, eq=False):
    """A statement, found again by its text: line numbers move, text does not."""

    cls: str
    method: str
    text: str
    nth: int  # among equal statements of the same method
    at: Location

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StatementSite) and self._found_by == other._found_by

    def __hash__(self) -> int:
        return hash(self._found_by)

    @property
    def _found_by(self) -> tuple[str, str, str, int]:
        return self.cls, self.method, self.text, self.nth


class Residual(Struct, frozen=True):
    """An addition that brings a sub-layer's output back to the residual stream."""

    site: StatementSite
    addition: str  # the expression, as written
    branch: str  # the operand that is the sub-layer's output
    stream: str  # the operand that was there before
    sublayer: Sublayer
    host: str  # path, from the layer, of the module whose method adds; "" is the layer itself
    host_class: str
    norm: str | None = None  # the module expression of a norm that alone consumes the sum (post-LN)
    norm_site: StatementSite | None = None  # where that norm is called, if not in the same expression
    norm_follows: bool = False  # in the statement right after the addition, for what that binds, and nothing else
    inner_norm: str | None = None  # of a norm that alone makes the branch, out of the output
    inner_norm_site: StatementSite | None = None  # where that norm is called, if not in the same expression
    normed: str = ""  # what that norm takes
    turn: int = 0  # how many additions of its kind come before it in its module; alternatives have the same number
    needs: str = ""  # path of a module that only some configurations have, and without which it does not happen


class UnfitSum(Struct, frozen=True):
    """An addition whose output cannot go through an adapter."""

    at: Location
    why: str  # follows "the addition at …"


class LengthOfKeys(Struct, frozen=True):
    """Hand-written attention reads the number of keys to slice a causal buffer with it."""

    site: StatementSite  # binds the length
    expression: str  # `key.size(-2)`
    slice_site: StatementSite  # cuts the buffer
    slice_name: str  # the name that holds the cut


class ScoreTerm(Struct, frozen=True):
    """Hand-written attention adds something with one entry per key, such as relative positions, to the scores."""

    site: StatementSite  # of the addition
    term: str  # what is added, as written


class KeptInput(Struct, frozen=True):
    """A name that holds the input of an attention, until the statement that takes the name for something else."""

    site: StatementSite
    name: str


class Scores(Struct, frozen=True):
    """Where keys and values are complete and the scores are about to be computed."""

    site: StatementSite  # the statement before which all of the names below are bound
    query: str
    key: str
    value: str
    mask: str | None
    hidden: str  # what the queries were projected from
    through_interface: bool  # one of transformers' attention functions, which may mask the future by itself
    bias: tuple[str, ...] = ()  # argument expressions as long as the keys, e.g. `position_bias`
    lengths: tuple[LengthOfKeys, ...] = ()
    terms: tuple[ScoreTerm, ...] = ()
    is_flat: bool = False  # keys and values are (batch · heads, length, head width)
    mask_is_none: bool = False  # the attention function is given `None`; then there is no `mask`
    mask_is_test: bool = False  # it has numbers, of which only truth is used: what is not 0 may be attended to
    keys_are_turned: bool = False  # keys are (…, head width, length)
    mask_hides: bool = False  # it tells which scores are filled, not which stay
    keys_are_read_elsewhere: bool = False  # to make one of the terms, which is for keys of tokens only
    views: tuple[ScoreTerm, ...] = ()  # of scores, whose last size does not count the prefix
    function: str = ""  # the attention function, bound by the statement; then no other name but `hidden` is given
    boundaries: str = ""  # where sequences begin and end that follow one another in one row
    kept: KeptInput | None = None  # where `hidden` has to be bound first, if upstream has no name for it
    likenesses: tuple[ScoreTerm, ...] = ()  # of terms to the scores: expressions that give one the shape of the other
    softmaxes: tuple[ScoreTerm, ...] = ()  # of the named scores, where `mask` does not tell rows of a batch apart
    window_mask: str = ""  # a mask with a row for each window, not for each row of the batch; then there is no `mask`


class HeadWidths(Struct, frozen=True):
    """
    Sizes of the keys and values of one layer, as expressions of `self`.

    Args:
        head_dim: width of a key; "" where it is not known.
        value_dim: width of a value, where it is not that of a key.
        heads: how many heads of keys there are, where the width of their projection does not tell.
        hidden_dim: width of the input, where neither the projection of the keys nor the configuration tells.
    """

    head_dim: str = ""
    value_dim: str = ""
    heads: str = ""
    hidden_dim: str = ""


class Attention(Struct, frozen=True):
    """One attention module of a layer."""

    path: str
    cls: str  # the class whose method computes the scores
    kind: AttentionKind
    keys: str  # path of the projection that makes the keys
    widths: HeadWidths
    is_causal: str | None  # attribute that tells whether the future is masked, if the class has one
    scores: Scores | None
    why_not: str = ""  # when `scores` is None
    at: Location | None = None
    is_optional: bool = False  # only some configurations have it
    keeps_config: bool = True  # the module has the model's configuration
    told_causal: str = ""  # an expression of what the caller says of masking the future, where it does


class Projection(Struct, frozen=True):
    """A linear module of a layer and the part it plays; several roles when its output is split."""

    path: str
    roles: tuple[Role, ...]
    at: Location
    group: str = ""  # how wide the groups of channels are that are split each; "" when all are one group
    widths: tuple[str, ...] = ()  # of the parts, where they differ; "" is what is left


class Layer(Struct, frozen=True):
    """What every instance of one class of layers looks like."""

    cls: str
    residuals: tuple[Residual, ...]
    attentions: tuple[Attention, ...]
    projections: tuple[Projection, ...]
    at: Location
    unclear: tuple[str, ...] = ()  # what could not be understood, one sentence each
    configs: tuple[str, ...] = ("",)  # of its towers: paths of their configurations, or names of their classes
    unclear_sums: tuple[Location, ...] = ()  # of the hidden states with something that is no branch of them
    unfit_sums: tuple[UnfitSum, ...] = ()
    leaves_turned: bool = False  # channels are not the last axis of what it gives

    @property
    def has_attention(self) -> bool:
        """As far as it shows: attention that is not understood shows where its output is added."""
        return bool(self.attentions) or any("attention" in residual.sublayer for residual in self.residuals)


class Stack(Struct, frozen=True):
    """A list of layers that the hidden states go through."""

    kind: StackKind
    path: str  # of the list, from the base model
    layer: str  # class of its elements
    owner: str  # path of the module that embeds the input and runs the layers
    owner_class: str
    entry: str  # path, from the owner, of the module whose output enters the first layer; "" if that can be bypassed
    at: Location
    config: str = ""  # path of the configuration that the layers are made of, from the model's own, e.g. "text_config"
    is_packed: bool = False  # all examples are one sequence, with the places where one ends and the next begins
    joins_rows: bool = False  # an example has several rows, those of one kind behind those of another
    stacked: Location | None = None  # where several states of each position become what the first layer takes
    positions: str = ""  # the parameter by which layers are told positions that are made beside the embeddings
    told: str = (
        ""  # what the layers are told of each word beside its embedding: its token, or where it stands on a page
    )
    added: Location | None = None  # where something that the layers have not made is added to what they give
    repeated: Location | None = None  # the loop in which the model runs all of the layers again and again
    grid: Location | None = None  # where positions are laid out in rows, columns or frames whose numbers are fixed
    picked: Location | None = None  # where numbers are picked, through which alone the model's results come from it


class Tower(Struct, frozen=True):
    """A model class of the file that is made and used by itself, or inside others: its stacks, by paths from it."""

    cls: str
    stacks: tuple[Stack, ...]


class SubModel(Struct, frozen=True):
    """A model of another file that the base model holds: which one, its configuration says."""

    path: str
    made_by: str  # the class or function that makes it, e.g. `AutoModel`
    config: str  # path of its configuration
    at: Location
    picked: Location | None = None  # as of a stack


class HeadModule(Struct, frozen=True):
    """A module between the base model's output and the logits."""

    path: str  # "" for a function such as torch.tanh
    kind: Literal["linear", "dropout", "activation", "norm"]
    activation: str = ""  # its name, or `config.x` for the attribute that names it
    has_bias: bool = True
    rates: tuple[str | float, ...] = ()  # of dropout: configuration attributes in order of preference, or a number


class Head(Struct, frozen=True):
    """A class with a fixed head: from what it predicts, and through which modules."""

    cls: str
    task: str
    base_path: str  # attribute that holds the base model, "" when the class holds the layers itself
    base_class: str
    reads: str  # "pooler", "first_token", "last_token", "last_eos", "all_tokens", "" if not understood
    modules: tuple[HeadModule, ...]
    at: Location
    why_not: str = ""
    holds: tuple[str, ...] = ()  # paths of the layer lists, when the class holds them itself
    output_bias: str = ""  # a parameter or buffer that is added to the logits
    scale: str = ""  # what the hidden states are multiplied by before the last module, as an expression of the config
    softcap: str = ""  # what bounds the logits, as an expression of the config
    called: frozenset[str] = frozenset()  # paths of what its forward calls inside the base model, by itself
    shifts: bool = False  # it says itself what a decoder reads that is to write the labels
    generation: str = ""  # dotted name of the mixin that it writes with, if that is one of the architecture's own


class ConfigName(Struct, frozen=True):
    """The configuration attribute behind a canonical name."""

    canonical: str
    attribute: str
    known_to_config: bool  # the class or its attribute_map already answers to the canonical name
    at: Location


class ModelFacts(Struct, frozen=True):
    name: str
    model_type: str
    module: str
    config_class: str
    pretrained_class: str
    base_class: str
    base_like: tuple[str, ...]  # classes that hold the layer lists themselves, the base class first
    base_model_prefix: str
    stacks: tuple[Stack, ...]
    layers: tuple[Layer, ...]
    heads: tuple[Head, ...]
    config_names: tuple[ConfigName, ...]
    forward_parameters: tuple[str, ...]  # of the base class, as written
    forward_imports: tuple[str, ...]  # dotted names that the parameters' annotations and defaults use
    config_defaults: Mapping[str, str]  # attribute → default, as written
    towers: tuple[Tower, ...] = ()
    sub_models: tuple[SubModel, ...] = ()
    docstrings: tuple[str, ...] = ()  # of the module and of its configuration's, their first lines
    base_returns_pooled: bool = False
    pools_if_told: bool = False  # the base model pools only if it is made with `add_pooling_layer=True`
    writers: tuple[str, ...] = ()  # those of `base_like` that generate text by themselves

    @property
    def all_stacks(self) -> tuple[Stack, ...]:
        """Those of the base class, and of towers that are reached in no other way."""
        return (*self.stacks, *(stack for tower in self.towers for stack in tower.stacks))
