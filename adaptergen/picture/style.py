"""The colours of an SVG picture, in light and in dark: of a file by itself, and of a picture inside a page."""

from __future__ import annotations

import re


IN_PAGE = "adapter-picture"  # the class of a picture that is a part of a page

LIGHT = """\
--ground: #f6f7f9; --card: #ffffff; --box: #f8f9fb; --edge: #dfe3e8; --ink: #1b2430; --soft: #5b6675;
--stream: #8793a3; --bottleneck: #0b7a4b; --projection: #1f5fc4; --prefix: #7a3fc0; --invertible: #96590a;
--prompt: #0a7480; --reft: #b8285f; --norm: #4a5563; --none: #6f7a88;"""
DARK = """\
--ground: #0f141a; --card: #171d25; --box: #1d2530; --edge: #313b48; --ink: #e8edf3; --soft: #9ba8b8;
--stream: #66758a; --bottleneck: #4fd39a; --projection: #7fb2ff; --prefix: #c4a1ff; --invertible: #f0b45c;
--prompt: #5ed3de; --reft: #ff8fb6; --norm: #b4c0ce; --none: #8592a2;"""
FONT = 'font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;'
RULES = """\
text { fill: var(--ink); }
.mono { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.strong { font-weight: 650; }
.soft { fill: var(--soft); }
.none { fill: var(--none); }
.ground { fill: var(--ground); }
.card { fill: var(--card); stroke: var(--edge); }
.box { fill: var(--box); stroke: var(--edge); }
.stream, .flow, .tie, .sign { fill: none; stroke: var(--stream); stroke-width: 1.6; stroke-linecap: round;
  stroke-linejoin: round; }
.stream { stroke-width: 3; }
.tie { stroke-dasharray: 2 4; }
.dot { fill: var(--stream); }
.plus { fill: var(--card); stroke: var(--stream); stroke-width: 2; }
.sign { stroke: var(--ink); stroke-width: 2; }
.pill text { fill: currentColor; }
.pill .label { font-weight: 650; }
.pill .paper { fill: var(--card); }
.pill .tint { fill: currentColor; fill-opacity: 0.11; stroke: currentColor; stroke-opacity: 0.5; }
.bottleneck { color: var(--bottleneck); }
.projection { color: var(--projection); }
.prefix { color: var(--prefix); }
.invertible { color: var(--invertible); }
.prompt { color: var(--prompt); }
.reft { color: var(--reft); }
.norm { color: var(--norm); }
.refused { color: var(--none); }
.pill.refused .tint { fill-opacity: 0.05; stroke-dasharray: 4 3; }
.method.refused text { fill: var(--none); }
.yes { fill: var(--bottleneck); }
.no { fill: none; stroke: var(--none); stroke-width: 1.6; }
"""


def style_of_file() -> str:
    """For a file by itself: it follows what the reader's system says."""
    return f"\nsvg {{\n{LIGHT}\n{FONT}\n}}\n@media (prefers-color-scheme: dark) {{\nsvg {{\n{DARK}\n}}\n}}\n{RULES}"


def style_in_page() -> str:
    """For a page, which it must leave as it is: every rule is about pictures alone.

    It follows what the reader chose on the page (`data-theme`, as Sphinx's themes furo and pydata say it), and what
    the system says where the page does not.
    """
    picture = f".{IN_PAGE}"
    on_dark_system = f':root:not([data-theme="light"]) body:not([data-theme="light"]) {picture}'
    rules = re.sub(r"(?<=, )(?=\.)|^(?=[.a-z])", f"{picture} ", RULES, flags=re.MULTILINE)
    return (
        f"{picture}-frame {{ overflow-x: auto; margin: 1.5rem 0; }}\n"
        f"{picture} {{ display: block; width: 100%; min-width: 680px; height: auto; border-radius: 8px; }}\n"
        f"{picture} {{\n{LIGHT}\n{FONT}\n}}\n"
        f"@media (prefers-color-scheme: dark) {{\n{on_dark_system} {{\n{DARK}\n}}\n}}\n"
        f'[data-theme="dark"] {picture} {{\n{DARK}\n}}\n{rules}'
    )
