"""Where do the adapters sit in an architecture? A picture drawn from its plan, for terminals and as SVG.

`model` is what is drawn, `composing` makes it from a plan, `terminal` and `svg` draw it; `sphinx` puts it on a page.
"""

from adaptergen.picture.composing import picture_of
from adaptergen.picture.model import Picture
from adaptergen.picture.svg import as_part_of_page, as_svg
from adaptergen.picture.terminal import as_tree


__all__ = ["Picture", "as_part_of_page", "as_svg", "as_tree", "picture_of"]
