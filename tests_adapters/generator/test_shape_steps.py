"""What is known of a shape that is made in one of several ways?"""

from __future__ import annotations

from adaptergen.analysis.shape_steps import agreed
from adaptergen.analysis.sizes import UNKNOWN, opaque


def test_what_is_told_in_one_way_is_known_unless_another_way_makes_something_else() -> None:
    assert agreed([(UNKNOWN, "self.width"), (), ("self.heads", "self.width")]) == ("self.heads", "self.width")
    assert agreed([("self.heads", "self.turned"), ("self.heads", "self.width")]) == ("self.heads", UNKNOWN)


def test_a_size_that_cannot_be_written_may_be_another_one() -> None:
    """A rotated part of a head with what is left over, or without anything left over."""
    rest = f"self.width - {opaque(0)}"
    assert agreed([("self.heads", rest), ("self.heads", "self.turned")]) == ("self.heads", UNKNOWN)
