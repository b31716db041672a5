"""Before which lines do prefixes join the keys and values, and why not?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from adaptergen.facts import Attention, Layer, Scores, ScoreTerm, StatementSite
from adaptergen.plan import KeptHook, LengthHook, PrefixHook, TermHook
from adaptergen.planning.hooks import place


def prefix_obstacles(layer: Layer) -> Iterator[str]:
    """Why prefixes cannot be put into a class of layers; classes that only some configurations choose do not count."""
    if not layer.attentions:
        yield no_scores(layer)
    paths = {attention.path for attention in layer.attentions}
    for path in sorted(paths):
        variants = [attention for attention in layer.attentions if attention.path == path]
        if all(variant.scores is None for variant in variants):
            yield f"{variants[0].cls} at {place(variants[0].at)}: {variants[0].why_not}"


def no_scores(layer: Layer) -> str:
    """Why prefixes cannot be put into a class of layers of which no attention is known."""
    if layer.has_attention:
        return f"how {layer.cls} computes attention is not understood"
    return f"no attention was found in {layer.cls}"


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
        turned=scores.keys_are_turned,
        mask_is_none=scores.mask_is_none,
        mask_is_test=scores.mask_is_test,
        mask_hides=scores.mask_hides,
        has_config=attention.keeps_config,
        extended_key=f"extended_{scores.key}" if scores.keys_are_read_elsewhere else "",
        value_dim=_below_self(attention.widths.value_dim),
        heads=_below_self(attention.widths.heads),
        hidden_dim=_below_self(attention.widths.hidden_dim),
        function=scores.function,
        boundaries=scores.boundaries,
        likenesses=tuple(map(_term_hook, scores.likenesses)),
        softmaxes=tuple(map(_term_hook, scores.softmaxes)),
        window_mask=scores.window_mask,
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
