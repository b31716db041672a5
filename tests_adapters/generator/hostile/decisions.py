"""Which decisions does a plan hold, apart from how upstream's text puts it, and on which lines?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct
from msgspec.structs import asdict

from adaptergen.plan import IntegrationPlan, PrefixHook, ResidualHook


# Only whether there is one: expressions and statements of upstream, in which a local variable may have another name.
TEXTS = {
    "statement", "addition", "branch", "residual", "norm", "norm_statement", "inner_norm", "inner_norm_statement",
    "query", "key", "value", "mask", "hidden", "name", "term", "expression", "cut", "cut_statement", "boundaries",
    "extended_key", "function", "told_causal", "head_dim", "value_dim", "heads", "hidden_dim", "is_causal",
    "window_mask", "bias", "views", "terms", "lengths", "likenesses", "softmaxes", "kept",
}  # fmt: skip
# A statement may be one of several that are equal, or be broken otherwise.
IGNORED = {"because", "at", "sha256", "nth", "cut_nth"}


def decisions(plan: IntegrationPlan) -> dict[str, object]:
    """Everything that two plans for the same model must have in common, by its place in the plan."""
    return dict(_told(plan, ""))


def _told(value: object, at: str) -> Iterator[tuple[str, object]]:
    """What has no order is sorted."""
    if isinstance(value, Struct):
        texts = TEXTS if isinstance(value, ResidualHook | PrefixHook) else set()
        for name, held in asdict(value).items():
            if name in texts:
                yield f"{at}.{name}", len(held) if isinstance(held, tuple) else bool(held)
            elif name not in IGNORED:
                yield from _told(held, f"{at}.{name}")
    elif isinstance(value, tuple | list):
        for number, held in enumerate(sorted(value, key=lambda each: repr(list(_told(each, ""))))):
            yield from _told(held, f"{at}[{number}]")
    elif isinstance(value, Mapping):
        for key, held in value.items():
            yield from _told(held, f"{at}.{key}")
    else:
        yield at, "".join(value.split()) if isinstance(value, str) else value
