"""Which additions become adapter calls, and which places does each class of layers have?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from adaptergen.facts import (
    Layer,
    ModelFacts,
    Projection,
    Residual,
    StatementSite,
    Sublayer,
)
from adaptergen.plan import (
    AttentionPlace,
    BottleneckPlace,
    LayerPlan,
    ProjectionPlace,
    ResidualHook,
)
from adaptergen.problems import Location


LOCATIONS: dict[Sublayer, str] = {
    "attention": "mh_adapter",
    "cross_attention": "cross_adapter",
    "feed_forward": "output_adapter",
    "any": "output_adapter",
}
SLOTS = {
    "mh_adapter": "attention_adapters",
    "cross_adapter": "cross_attention_adapters",
    "output_adapter": "output_adapters",
}
_SUBLAYER_WORDS = {
    "attention": "self-attention",
    "cross_attention": "cross-attention",
    "feed_forward": "feed-forward",
    "any": "sub-layer's",
}


def place(at: Location | None) -> str:
    return at.short if at else ""


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
    elif layer.attentions and not found & {"attention", "cross_attention", "any", "several"}:
        yield f"{layer.cls} has no addition after its attention that is understood"
    for unfit in layer.unfit_sums:
        yield f"the addition at {place(unfit.at)} {unfit.why}"
    if not {"attention", "feed_forward"} <= found and "any" not in found:
        for at in layer.unclear_sums:
            yield f"what {layer.cls} adds at {place(at)} is not understood"


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
    norm = residual.norm if residual.norm and (residual.norm_follows or not residual.norm_site) else ""
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
