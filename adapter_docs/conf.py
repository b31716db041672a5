"""Settings of Sphinx: `make docs` builds these pages."""

from __future__ import annotations

import re

from click import Context
from sphinx.application import Sphinx


project = html_title = "adaptergen"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
    "adaptergen.picture.sphinx",
]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = ["_build"]
default_role = "code"
smartquotes_action = "qe"  # two hyphens begin an option
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_inherit_docstrings = False  # those of transformers are written for its own tools
copybutton_prompt_text = "$ "
html_theme = "furo"
html_static_path = ["_static"]
html_favicon = "_static/icon.svg"
html_css_files = ["site.css"]
html_js_files = [("coverage_filter.js", {"defer": "defer"})]
html_show_copyright = html_show_sphinx = False


def examples_as_code(app: Sphinx, context: Context, lines: list[str]) -> None:
    """The examples in the help of a command, which sphinx-click takes for verse."""
    lines[:] = re.sub(r"(?:^\| .*\n?)+", _as_code, "\n".join(lines), flags=re.MULTILINE).splitlines()


def _as_code(verse: re.Match[str]) -> str:
    lines = [line.removeprefix("| ") for line in verse[0].splitlines()]
    explained = any("  " in line for line in lines)  # beside each other: commands and what they do
    language, prompt = ("text", "") if explained else ("console", "$ ")
    return "\n".join([f".. code-block:: {language}", "", *(f"   {prompt}{line}" for line in lines), ""])


def setup(app: Sphinx) -> None:
    app.connect("sphinx-click-process-description", examples_as_code)
