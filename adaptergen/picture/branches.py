"""Which attention and which projections belong to which addition of a layer? A plan lists them side by side.

What a branch has is known by paths: a projection goes where the path is most alike (`attention.output.dense` to what
is added in `attention.output`). One that is like none begins the next branch of its kind, or stays with its neighbours
(`fc1` and `fc2`). What no addition was found for gets a branch without one.
"""

from __future__ import annotations

from msgspec import Struct

from adaptergen.naming import shared_start
from adaptergen.picture.model import SubLayerKind
from adaptergen.picture.order import in_order
from adaptergen.plan import AttentionPlace, BottleneckPlace, LayerPlan, ProjectionPlace
from adaptergen.source import SourceModule


_KINDS: dict[str, SubLayerKind] = {
    "mh_adapter": "self-attention",
    "cross_adapter": "cross-attention",
    "output_adapter": "feed-forward",
}
_OF_FEED_FORWARD = {"gate", "up", "down"}


class Branch(Struct):
    """A sub-layer while it is put together."""

    kind: SubLayerKind
    place: BottleneckPlace | None = None
    attention: AttentionPlace | None = None
    projections: list[ProjectionPlace] = []

    @property
    def paths(self) -> list[str]:
        """What its modules are called."""
        own = [self.place.host] if self.place and self.place.host else []
        return [*own, *([self.attention.path] if self.attention else []), *(p.path for p in self.projections)]

    def likeness(self, path: str) -> int:
        """How many names a path begins with that one of its modules begins with, too."""
        return max((shared_start(path, own) for own in self.paths), default=0)


def branches_of(layer: LayerPlan, source: SourceModule | None) -> list[Branch]:
    """What adds to the stream, in the order in which it does."""
    branches = [Branch(_KINDS[place.location], place) for place in in_order(layer.bottleneck, layer.cls, source)]
    for attention in layer.attention:
        _attention_branch(branches, attention).attention = attention
    last: Branch | None = None
    for projection in layer.projections:
        last = _projection_branch(branches, projection, last)
        last.projections.append(projection)
    return branches


def _attention_branch(branches: list[Branch], attention: AttentionPlace) -> Branch:
    kind: SubLayerKind = "cross-attention" if attention.kind == "cross" else "self-attention"
    free = [branch for branch in branches if branch.kind == kind and branch.attention is None]
    if free:
        return max(free, key=lambda branch: branch.likeness(attention.path))
    return _begun(branches, kind)


def _projection_branch(branches: list[Branch], projection: ProjectionPlace, last: Branch | None) -> Branch:
    is_attention = not _OF_FEED_FORWARD.issuperset(projection.roles)
    fitting = [branch for branch in branches if (branch.kind != "feed-forward") == is_attention]
    alike = max(fitting, key=lambda branch: branch.likeness(projection.path), default=None)
    if alike is not None and alike.likeness(projection.path):
        return alike
    empty = next((branch for branch in fitting if not branch.projections), None)
    if empty is not None:
        return empty
    again = any(set(projection.roles) & set(held.roles) for branch in fitting for held in branch.projections)
    if not fitting or (again and not any(branch.place or branch.attention for branch in fitting)):
        return _begun(branches, "attention" if is_attention else "feed-forward")
    return last if last in fitting and last is not None else fitting[-1]


def _begun(branches: list[Branch], kind: SubLayerKind) -> Branch:
    """A new branch: attention stands before what is there of feed-forwards."""
    branch = Branch(kind)
    first = next((at for at, other in enumerate(branches) if other.kind == "feed-forward"), len(branches))
    branches.insert(len(branches) if kind == "feed-forward" else first, branch)
    return branch
