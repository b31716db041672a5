"""Adapters in archives and at addresses: the same as in a folder, and nothing that leads out of one."""

import io
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from generated.core.errors import AdapterFileError
from generated.core.hub import archives
from tests_adapters.core.packing import tarred, zipped
from tests_adapters.core.zoo import assert_identical, build_adapted, call, fresh, inputs_for, tree


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("adapter")
    build_adapted("bert", "lora").save_adapter(path, "lora")
    return path


def assert_is_the_adapter(source: str | Path) -> None:
    model = fresh("bert")
    assert model.load_adapter(source, set_active=True) == "lora"
    assert_identical(call(model, inputs_for("bert")), call(build_adapted("bert", "lora"), inputs_for("bert")))


@pytest.mark.parametrize("below", ["", "lora/", "./a/b/"])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_archives(pack: Callable[..., Path], below: str, folder: Path, tmp_path: Path) -> None:
    assert_is_the_adapter(pack(folder, tmp_path / "adapter.any", below))
    assert_is_the_adapter(str(tmp_path / "adapter.any"))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """The address of a server for `tmp_path`."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            if self.path == "/elsewhere":
                self.send_response(302)
                self.send_header("Location", f"file://{tmp_path}/adapter.zip")
                self.end_headers()
            else:
                super().do_GET()

    with HTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_addresses(site: str, folder: Path, tmp_path: Path) -> None:
    zipped(folder, tmp_path / "adapter.zip")
    assert_is_the_adapter(f"{site}/adapter.zip")
    (tmp_path / "page.html").write_text("no archive")
    for page, message in {"nothing.zip": "404", "page.html": "neither a zip nor", "elsewhere": "not allowed"}.items():
        with pytest.raises(AdapterFileError, match=message):
            fresh("bert").load_adapter(f"{site}/{page}")


def test_downloads_are_bounded(site: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zipped(folder, tmp_path / "adapter.zip")
    monkeypatch.setattr(archives, "MOST_BYTES", 1000)
    with pytest.raises(AdapterFileError, match="larger than 1000 bytes"):
        fresh("bert").load_adapter(f"{site}/adapter.zip")


def test_two_adapters_side_by_side_are_none(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"a/{path.name}")
            archive.write(path, f"b/{path.name}")
    with pytest.raises(AdapterFileError, match="more than one adapter"):
        fresh("bert").load_adapter(tmp_path / "both.zip")


@pytest.mark.parametrize("name", ["../out.txt", "/out.txt", "a/../../out.txt", "..\\out.txt", "C:out.txt"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_names_that_lead_elsewhere(kind: str, name: str, tmp_path: Path) -> None:
    path, target = tmp_path / "archive", tmp_path / "inner" / "target"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, "x")
    else:
        with tarfile.open(path, "w") as archive:
            entry = tarfile.TarInfo(name)
            entry.size = 1
            archive.addfile(entry, io.BytesIO(b"x"))
    with pytest.raises(AdapterFileError, match="leads out of its folder"):
        archives.unpack(path, target)
    assert sorted(file.name for file in tmp_path.rglob("*")) in (["archive"], ["archive", "inner"])


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_what_is_no_file_in_a_tar(kind: bytes, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "archive", "w") as archive:
        entry = tarfile.TarInfo("adapter_config.json")
        entry.type, entry.linkname = kind, "/etc/hostname"
        archive.addfile(entry)
    with pytest.raises(AdapterFileError, match="no plain file"):
        archives.unpack(tmp_path / "archive", tmp_path / "target")


def test_links_in_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        entry = zipfile.ZipInfo("adapter_config.json")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/hostname")
    with pytest.raises(AdapterFileError, match="no plain file"):
        archives.unpack(tmp_path / "archive", tmp_path / "target")


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what is written, not by what the archive says of itself."""
    with zipfile.ZipFile(tmp_path / "bomb", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("adapter_config.json", b"0" * 5_000_000)
    monkeypatch.setattr(archives, "MOST_BYTES", 2_000_000)
    with pytest.raises(AdapterFileError, match="more than 2000000 bytes"):
        archives.unpack(tmp_path / "bomb", tmp_path / "target")
    monkeypatch.setattr(archives, "MOST_FILES", 3)
    with zipfile.ZipFile(tmp_path / "many", "w") as archive:
        for number in range(4):
            archive.writestr(f"{number}.json", "{}")
    with pytest.raises(AdapterFileError, match="more than 3 files"):
        archives.unpack(tmp_path / "many", tmp_path / "target")


def test_damaged_archives_leave_the_model_unchanged(folder: Path, tmp_path: Path) -> None:
    data = zipped(folder, tmp_path / "adapter.zip").read_bytes()
    (tmp_path / "adapter.zip").write_bytes(data[:100] + b"\0" * 50 + data[150:])
    model = fresh("bert")
    before = tree(model)
    with pytest.raises(AdapterFileError, match="cannot be"):
        model.load_adapter(tmp_path / "adapter.zip")
    assert tree(model) == before
