"""Text between two markers in a file that people own: computed from all plans, sorted, and nothing else touched.

# adaptergen: begin model-packages (computed from every plan.toml)
# adaptergen: end model-packages
"""

from __future__ import annotations

import re

from msgspec import Struct

from adaptergen.problems import Location, Problem, ProblemsFound


class Region(Struct, frozen=True):
    name: str  # of its template in templates/_regions, too
    path: str  # as in the template tree


REGIONS = (
    Region("exports", "generated/__init__.py"),
    Region("adapter-models", "generated/models/__init__.py"),
    Region("model-packages", "generated/models/__init__.py"),
    Region("config-names", "generated/models/__init__.py"),
    Region("head-conversions", "generated/models/head_conversions.py"),
    Region("unconvertible-heads", "generated/models/head_conversions.py"),
    Region("model-pages", "adapter_docs/model_overview.md"),
    Region("model-table", "adapter_docs/model_overview.md"),
    Region("checked-models", "utils/check_adapters.py"),
)


def replace_region(text: str, region: Region, body: str, path: str) -> str:
    """The text with the lines between the region's markers replaced, indented as its first marker is.

    Raises:
        ProblemsFound: the file has no such markers, or not exactly one pair.
    """
    lines = text.splitlines(keepends=True)
    begins = [i for i, line in enumerate(lines) if re.search(rf"adaptergen: begin {region.name}\b", line)]
    ends = [i for i, line in enumerate(lines) if re.search(rf"adaptergen: end {region.name}\b", line)]
    if len(begins) != 1 or len(ends) != 1 or ends[0] < begins[0]:
        fix = f"put one line with `adaptergen: begin {region.name}` above one with `adaptergen: end {region.name}`"
        raise ProblemsFound(
            Problem("no-region", f"no region '{region.name}' to write the models into", Location(path), fix)
        )
    begin, end = begins[0], ends[0]
    indent = lines[begin][: len(lines[begin]) - len(lines[begin].lstrip())]
    inner = [f"{indent}{line}" if line.strip() else line for line in body.splitlines(keepends=True)]
    return "".join([*lines[: begin + 1], *inner, *lines[end:]])
