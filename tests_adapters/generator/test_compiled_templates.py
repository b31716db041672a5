"""Is a template compiled once, and is what was kept of it used only where it is the same, and of this user?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jinja2
import pytest

from adaptergen.rendering.environment import environment


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ADAPTERGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "templates"


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that Jinja compiles."""
    texts: list[str] = []
    parse = jinja2.Environment._parse

    def noting(self: jinja2.Environment, source: str, name: str | None, filename: str | None) -> jinja2.nodes.Template:
        texts.append(source)
        return parse(self, source, name, filename)

    monkeypatch.setattr(jinja2.Environment, "_parse", noting)
    return texts


def rendered(folder: Path, text: str) -> str:
    """Of a template of a project, by an environment of its own."""
    folder.mkdir(exist_ok=True)
    (folder / "page.jinja").write_text(text)
    return environment(folder).get_template("page.jinja").render(word="it's")


TEXT = "{% if word %}{{ word|quoted }}{% endif %}"


def test_a_template_is_compiled_once(cache: Path, compiled: list[str], tmp_path: Path) -> None:
    assert [rendered(tmp_path / "one", TEXT) for _ in range(3)] == ['"it\'s"'] * 3
    assert compiled == [TEXT]
    assert len(list(cache.iterdir())) == 1


def test_another_text_is_another_template(cache: Path, compiled: list[str], tmp_path: Path) -> None:
    assert rendered(tmp_path / "one", TEXT) == '"it\'s"'
    assert rendered(tmp_path / "one", "no {{ word }}") == "no it's"
    assert rendered(tmp_path / "one", TEXT) == '"it\'s"'
    assert compiled == [TEXT, "no {{ word }}", TEXT]
    assert len(list(cache.iterdir())) == 1


def test_other_filters_make_another_one(
    cache: Path, compiled: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered(tmp_path / "one", TEXT)
    other = tmp_path / "environment.py"
    other.write_text("quoted = None")
    monkeypatch.setattr("adaptergen.rendering.compiled.SETTINGS", other)
    rendered(tmp_path / "one", TEXT)
    assert compiled == [TEXT] * 2


def empty(file: Path) -> None:
    file.write_bytes(b"")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def cut_early(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:24])


def of_something_else(file: Path) -> None:
    file.write_bytes(b"PK\3\4" * 100)


@pytest.mark.parametrize("damage", [empty, cut, cut_early, of_something_else])
def test_what_is_damaged_is_made_anew(
    cache: Path, compiled: list[str], tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    rendered(tmp_path / "one", TEXT)
    damage(next(cache.iterdir()))
    assert [rendered(tmp_path / "one", TEXT) for _ in range(2)] == ['"it\'s"'] * 2
    assert compiled == [TEXT] * 2


def test_a_folder_that_others_can_fill_is_not_read(cache: Path, compiled: list[str], tmp_path: Path) -> None:
    rendered(tmp_path / "one", TEXT)
    cache.chmod(0o777)
    assert rendered(tmp_path / "one", TEXT) == '"it\'s"'
    assert compiled == [TEXT] * 2


def test_a_link_is_not_followed(cache: Path, compiled: list[str], tmp_path: Path) -> None:
    rendered(tmp_path / "one", TEXT)
    cache.rename(tmp_path / "elsewhere")
    cache.symlink_to(tmp_path / "elsewhere")
    assert rendered(tmp_path / "one", TEXT) == '"it\'s"'
    assert compiled == [TEXT] * 2


def test_without_a_cache_templates_are_compiled_each_time(
    compiled: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ADAPTERGEN_CACHE", str(tmp_path / "file" / "cache"))
    assert [rendered(tmp_path / "one", TEXT) for _ in range(2)] == ['"it\'s"'] * 2
    assert compiled == [TEXT] * 2


def test_a_full_disk_is_no_error(
    cache: Path, compiled: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("adaptergen.cache_folder.tempfile.TemporaryDirectory", refuse)
    assert [rendered(tmp_path / "one", TEXT) for _ in range(2)] == ['"it\'s"'] * 2
    assert compiled == [TEXT] * 2
    assert list(cache.iterdir()) == []


def test_errors_are_told_of_the_template_that_is_rendered(cache: Path, tmp_path: Path, compiled: list[str]) -> None:
    """And not of the one of another project, which was compiled."""
    text = "\n{{ missing }}"
    frames = []
    for project in ("one", "two"):
        with pytest.raises(jinja2.UndefinedError) as found:
            rendered(tmp_path / project, text)
        frames.append((found.traceback[-1].path, found.traceback[-1].lineno + 1))
    assert frames == [(tmp_path / project / "page.jinja", 2) for project in ("one", "two")]
    assert compiled == [text] * 2
