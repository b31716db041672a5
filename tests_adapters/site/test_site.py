"""Are the pages right where people look at them? Links, search, the filter, narrow screens, dark mode."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from playwright.sync_api import Browser, Page


LOOKED_AT = (
    "index",
    "classes/models/bert",
    "classes/models/gemma3n",
    "coverage",
    "commands",
    "composition",
    "reference",
)
NARROW, WIDE = 400, 1280
CONTRAST = 4.5  # of text on its ground: WCAG, level AA


class Anchors(HTMLParser):
    """What a page links to, and what in it can be linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        told = dict(attributes)
        self.names |= {told.get("id") or ""}
        if tag == "a" and told.get("href"):
            self.links.append(told["href"] or "")


@contextmanager
def opened(browser: Browser, address: str, name: str, width: int = WIDE, scheme: str = "light") -> Iterator[Page]:
    """A page on which nothing went wrong."""
    wrong: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{address}/{name}.html")
    yield page
    page.close()
    assert wrong == []


def test_links_and_anchors(pages: Path) -> None:
    """Every link within the site leads to a page, and to something in it."""
    found = {path: Anchors(path.read_text(encoding="utf-8")) for path in pages.rglob("*.html")}
    broken = []
    for path, anchors in found.items():
        for link in anchors.links:
            target, name = urldefrag(unquote(link))
            if re.match(r"[a-z]+:", target) or "_sources" in target:
                continue
            leads_to = (path.parent / target).resolve() if target else path.resolve()
            known = next((each for other, each in found.items() if other.resolve() == leads_to), None)
            if (known is None and not leads_to.is_file()) or (known is not None and name and name not in known.names):
                broken.append(f"{path.relative_to(pages)}: {link}")
    assert len(found) > 90
    assert broken == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [NARROW, WIDE])
@pytest.mark.parametrize("name", LOOKED_AT)
def test_page(browser: Browser, address: str, pages: Path, name: str, width: int, scheme: str) -> None:
    """It loads without an error, is not wider than the screen, and can be read; a screenshot lies beside the pages."""
    with opened(browser, address, name, width, scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        ground, ink = (
            page.evaluate(f"getComputedStyle(document.body).{what}") for what in ("backgroundColor", "color")
        )
        assert contrast(ground, ink) >= CONTRAST
        assert (luminance(ground) < 0.2) == (scheme == "dark")
        shots = pages / "_screenshots"
        shots.mkdir(exist_ok=True)
        page.screenshot(path=shots / f"{name.replace('/', '-')}-{scheme}-{width}.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_picture(browser: Browser, address: str, pages: Path, scheme: str) -> None:
    """It follows the page, each of its texts can be read, and it changes nothing on the page."""
    with opened(browser, address, "classes/models/bert", scheme=scheme) as page:
        card = page.evaluate("getComputedStyle(document.querySelector('.adapter-picture .card')).fill")
        texts = page.evaluate(
            "[...document.querySelectorAll('.adapter-picture text')].map(e => getComputedStyle(e).fill)"
        )
        assert len(texts) > 20
        assert min(contrast(card, fill) for fill in set(texts)) >= 3
        assert (luminance(card) < 0.2) == (scheme == "dark")
        page.locator(".adapter-picture").screenshot(path=pages / "_screenshots" / f"picture-{scheme}.png")


def test_the_page_decides_against_the_system(browser: Browser, address: str) -> None:
    with opened(browser, address, "classes/models/bert", scheme="dark") as page:
        page.evaluate("document.body.dataset.theme = 'light'")
        assert (
            luminance(page.evaluate("getComputedStyle(document.querySelector('.adapter-picture .card')).fill")) > 0.8
        )


def test_search(browser: Browser, address: str) -> None:
    with opened(browser, address, "index") as page:
        page.fill(".sidebar-search", "prefix tuning")
        page.press(".sidebar-search", "Enter")
        page.wait_for_selector("#search-results li a")
        page.wait_for_timeout(500)
        assert any(
            "prefix_tuning.html" in link.get_attribute("href") for link in page.locator("#search-results li a").all()
        )


def test_coverage_filter(browser: Browser, address: str, pages: Path) -> None:
    with opened(browser, address, "coverage", NARROW) as page:
        rows = page.locator("#which tbody tr:visible")
        total = rows.count()
        assert page.locator(".coverage-filter output").inner_text() == f"{total} of {total} architectures"
        page.get_by_label("Name, family or input").fill("bert encoder")
        assert 0 < rows.count() < total
        assert all("bert" in row.lower() for row in rows.all_inner_texts())
        page.get_by_label("Method").select_option("Prefix tuning")
        page.get_by_label("State").select_option("–")
        assert rows.locator("td:first-child").all_inner_texts()
        column = ["Bottleneck", "LoRA", "(IA)³", "Prefix tuning"].index("Prefix tuning") + 4
        assert set(rows.locator(f"td:nth-child({column})").all_inner_texts()) == {"–"}
        page.locator(".coverage-filter").scroll_into_view_if_needed()
        page.screenshot(path=pages / "_screenshots" / "coverage-filtered.png")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.get_by_label("Name, family or input").fill("no such architecture")
        assert rows.count() == 0


def test_coverage_without_scripts(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/coverage.html")
    assert page.locator("#which tbody tr:visible").count() > 400
    context.close()


def luminance(colour: str) -> float:
    """Of `rgb(…)`, as WCAG defines it."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)
