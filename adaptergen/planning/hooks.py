"""Which additions become adapter calls, and before which lines do prefixes join the keys and values?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from adaptergen.facts import (
    Attention,
    Layer,
    ModelFacts,
    Projection,
    Residual,
    Scores,
    ScoreTerm,
    StatementSite,
    Sublayer,
)
from adaptergen.plan import (
    AttentionPlace,
    BottleneckPlace,
    KeptHook,
    LayerPlan,
    LengthHook,
    PrefixHook,
    ProjectionPlace,
    ResidualHook,
    TermHook,
)
from adaptergen.problems import Location


LOCATIONS: dict[Sublayer, str] = {
    "attention": "mh_adapter",
    "cross_attention": "cross_adapter",
    "feed_forward": "output_adapter",
}
SLOTS = {
    "mh_adapter": "attention_adapters",
    "cross_adapter": "cross_attention_adapters",
    "output_adapter": "output_adapters",
}
_SUBLAYER_WORDS = {"attention": "self-attention", "cross_attention": "cross-attention", "feed_forward": "feed-forward"}


def place(at: Location | None) -> str:
    """`modeling_gpt_neo.py:344`: enough for a reader who has the module open."""
    return f"{at.path.rpartition('/')[2]}:{at.line}" if at else ""


def residual_obstacles(layer: Layer) -> Iterator[str]:
    """Why bottleneck adapters cannot be put into a class of layers, if they cannot."""
    found = {residual.sublayer for residual in layer.residuals}
    for residual in layer.residuals:
        where = place(residual.site.at)
        if not residual.site.cls:
            yield f"the addition at {where} is in a function, which several modules may share"
        elif residual.sublayer == "several":
            yield f"one addition serves several sub-layers at once ({where})"
        elif "*" in residual.host.split("."):
            yield f"the addition at {where} is in the modules of a list within {layer.cls}"
    if not layer.residuals:
        yield f"{layer.cls} has no residual addition that is understood"
    elif layer.attentions and not found & {"attention", "cross_attention", "several"}:
        yield f"{layer.cls} has no addition after its attention that is understood"
    if not {"attention", "feed_forward"} <= found:
        for at in layer.unclear_sums:
            yield f"what {layer.cls} adds at {place(at)} is not understood"


def _is_applied_next(residual: Residual) -> bool:
    """The next statement is `x = self.norm(x)` for the `x` that the addition binds."""
    norm, add = residual.norm_site, residual.site
    if norm is None:
        return True
    target = add.text.partition("=")[0].strip()
    return residual.norm_follows and norm.text == f"{target} = {residual.norm}({target})"


def slot_of(layer: Layer, residual: Residual) -> str:
    """
    A sub-module with one addition is itself the adapter layer; a layer, or a class with several, has slots. The second
    addition of a kind, in the order in which they happen, gets one that ends in `_2`.
    """
    own = {(r.site, r.branch) for r in layer.residuals if r.host_class == residual.host_class}
    if residual.host and len(own) == 1:
        return ""
    slot = SLOTS[LOCATIONS[residual.sublayer]]
    return f"{slot}_{residual.turn + 1}" if residual.turn else slot


def _with_location(layer: Layer) -> Iterator[Residual]:
    """Additions that a switch of the configuration names; others need an entry by hand."""
    return (residual for residual in layer.residuals if residual.sublayer in LOCATIONS)


def residual_hooks(layers: Sequence[Layer]) -> tuple[ResidualHook, ...]:
    hooks: dict[tuple[StatementSite, str, str], ResidualHook] = {}
    for layer in layers:
        for residual in _with_location(layer):
            key = (residual.site, residual.addition, residual.branch)
            hooks.setdefault(key, _residual_hook(layer, residual))
    return tuple(hooks.values())


def _residual_hook(layer: Layer, residual: Residual) -> ResidualHook:
    branch = residual.normed or residual.branch
    norm = residual.norm if residual.norm and _is_applied_next(residual) else ""
    return ResidualHook(
        cls=residual.site.cls,
        method=residual.site.method,
        statement=residual.site.text,
        nth=residual.site.nth,
        addition=residual.addition,
        branch=branch,
        residual=residual.stream,
        norm=norm,
        norm_statement=residual.norm_site.text if norm and residual.norm_site else "",
        inner_norm=residual.inner_norm or "",
        inner_norm_statement=residual.inner_norm_site.text if residual.inner_norm_site else "",
        slot=slot_of(layer, residual),
        because=f"{branch} is the {_SUBLAYER_WORDS[residual.sublayer]} output, {residual.stream} its input"
        f"{_about_norm(residual, norm)}",
        at=place(residual.site.at),
    )


def _about_norm(residual: Residual, norm: str) -> str:
    if residual.inner_norm:
        return f", and {residual.inner_norm} normalises the output before it is added"
    if norm:
        return f", and {norm} alone consumes the sum (post-LN)"
    return f"; {residual.norm} comes later, on its own" if residual.norm else " (pre-LN)"


def prefix_obstacles(layer: Layer) -> Iterator[str]:
    """Why prefixes cannot be put into a class of layers; classes that only some configurations choose do not count."""
    if not layer.attentions:
        yield f"how {layer.cls} computes attention is not understood"
    paths = {attention.path for attention in layer.attentions}
    for path in sorted(paths):
        variants = [attention for attention in layer.attentions if attention.path == path]
        if all(variant.scores is None for variant in variants):
            yield f"{variants[0].cls} at {place(variants[0].at)}: {variants[0].why_not}"


def prefix_hooks(layers: Sequence[Layer]) -> tuple[PrefixHook, ...]:
    hooks: dict[StatementSite, PrefixHook] = {}
    for layer in layers:
        for attention in layer.attentions:
            if attention.scores is not None:
                hooks.setdefault(attention.scores.site, _prefix_hook(attention))
    return tuple(hooks.values())


def _prefix_hook(attention: Attention) -> PrefixHook:
    scores = attention.scores
    assert scores is not None
    kept = scores.kept
    return PrefixHook(
        cls=scores.site.cls,
        method=scores.site.method,
        statement=scores.site.text,
        nth=scores.site.nth,
        query=scores.query,
        key=scores.key,
        value=scores.value,
        mask=scores.mask or "",
        hidden=scores.hidden,
        head_dim=_below_self(attention.widths.head_dim),
        is_causal=_is_causal(attention),
        told_causal=attention.told_causal,
        bias=scores.bias,
        lengths=tuple(
            LengthHook(
                method=length.site.method,
                statement=length.site.text,
                nth=length.site.nth,
                expression=length.expression,
                cut_statement=length.slice_site.text,
                cut_nth=length.slice_site.nth,
                cut=length.slice_name,
            )
            for length in scores.lengths
        ),
        terms=tuple(map(_term_hook, scores.terms)),
        views=tuple(map(_term_hook, scores.views)),
        flat=scores.is_flat,
        mask_is_test=scores.mask_is_test,
        has_config=attention.keeps_config,
        extended_key=f"extended_{scores.key}" if scores.keys_are_read_elsewhere else "",
        value_dim=_below_self(attention.widths.value_dim),
        heads=_below_self(attention.widths.heads),
        hidden_dim=_below_self(attention.widths.hidden_dim),
        function=scores.function,
        boundaries=scores.boundaries,
        kept=(KeptHook(statement=kept.site.text, nth=kept.site.nth, name=kept.name),) if kept else (),
        because=_because(scores),
        at=place(scores.site.at),
    )


def _because(scores: Scores) -> str:
    if scores.function:
        rows = f", in which {scores.boundaries} divides the sequences" if scores.boundaries else ""
        return f"all calls of {scores.function} take a prefix before keys and values{rows}"
    how = "an attention function" if scores.through_interface else "hand-written attention"
    form = "3-D, heads in the batch," if scores.is_flat else "4-D"
    return f"{scores.key} and {scores.value} are complete and {form} here, {how} takes them next"


def _term_hook(found: ScoreTerm) -> TermHook:
    return TermHook(method=found.site.method, statement=found.site.text, nth=found.site.nth, term=found.term)


def _below_self(expression: str) -> str:
    """`head_dim` for `self.head_dim`; what does not begin with an attribute stays as it is."""
    return expression.removeprefix("self.")


def _is_causal(attention: Attention) -> str:
    assert attention.scores is not None
    if not attention.scores.through_interface:
        return "False"
    return f"self.{attention.is_causal}" if attention.is_causal else "True"


def layer_plans(facts: ModelFacts, *, bottleneck: Sequence[Layer], prefixes: Sequence[Layer]) -> tuple[LayerPlan, ...]:
    return tuple(
        LayerPlan(
            layer.cls,
            tuple(_bottleneck_places(layer)) if layer in bottleneck else (),
            tuple(_attention_places(layer)) if layer in prefixes else (),
            tuple(_projection_places(layer)),
        )
        for layer in facts.layers
    )


def _bottleneck_places(layer: Layer) -> Iterator[BottleneckPlace]:
    """One for each slot: additions of which only one happens share it."""
    order = list(SLOTS)
    met: set[tuple[str, str, str]] = set()
    for residual in sorted(_with_location(layer), key=lambda r: order.index(LOCATIONS[r.sublayer])):
        has_index = any(part.lstrip("-").isdigit() for part in residual.host.split("."))
        slot, of = slot_of(layer, residual), residual.host_class if has_index else ""
        if (residual.host, slot, of) in met:
            continue
        met.add((residual.host, slot, of))
        yield BottleneckPlace(
            location=LOCATIONS[residual.sublayer],  # type: ignore[arg-type]  # the values of LOCATIONS are the literals
            host=residual.host,
            slot=slot,
            of=of,
            needs=residual.needs,
            because=f"{residual.host_class} adds the {_SUBLAYER_WORDS[residual.sublayer]} output to its input",
            at=place(residual.site.at),
        )


def _attention_places(layer: Layer) -> Iterator[AttentionPlace]:
    seen: set[str] = set()
    for attention in layer.attentions:
        if attention.path not in seen and attention.scores is not None:
            seen.add(attention.path)
            source = "the layer's own input" if attention.kind == "self" else "another input"
            yield AttentionPlace(
                path=attention.path,
                kind=attention.kind,
                keys=attention.keys,
                because=f"{attention.cls} projects its keys from {source}",
                at=place(attention.at),
            )


def _projection_places(layer: Layer) -> Iterator[ProjectionPlace]:
    for projection in _in_reading_order(layer.projections):
        split = _split(projection) if len(projection.roles) > 1 else ""
        yield ProjectionPlace(
            path=projection.path,
            roles=projection.roles,
            group=projection.group,
            widths=projection.widths,
            because=split or _ROLE_WORDS[projection.roles[0]],
            at=place(projection.at),
        )


def _split(projection: Projection) -> str:
    whole = f"each {projection.group} channels of its output are" if projection.group else "its output is"
    return f"{whole} split into {'these widths' if projection.widths else 'equal parts'} in this order"


def _in_reading_order(projections: Sequence[Projection]) -> list[Projection]:
    """Those of one module together, in the order of their roles."""
    modules = list(dict.fromkeys(_module(projection) for projection in projections))
    roles = list(_ROLE_WORDS)
    return sorted(projections, key=lambda p: (modules.index(_module(p)), roles.index(p.roles[0])))


def _module(projection: Projection) -> str:
    return projection.path.rpartition(".")[0]


_ROLE_WORDS = {
    "q": "the attention's queries come from it",
    "k": "the attention's keys come from it",
    "v": "the attention's values come from it",
    "o": "it takes the attention's output to the residual",
    "gate": "its output goes through the activation and is multiplied with that of up",
    "up": "it makes the feed-forward's inner states",
    "down": "it takes the feed-forward's inner states to the residual",
}
