"""Where is an adapter that is named by a folder, an archive, an address or a repository of the Hub?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled
from transformers.utils import logging

from generated.core.errors import AdapterFileError
from generated.core.hub import archives


logger = logging.get_logger(__name__)

HUB_ARGUMENTS = (
    "cache_dir",
    "endpoint",
    "etag_timeout",
    "force_download",
    "local_files_only",
    "revision",
    "token",
    "use_auth_token",
)
CONFIGS = ("adapter_config.json", "adapter_setup.json", "adapter_fusion_config.json", "head_config.json")
FORMER_ORGANIZATION = "AdapterHub"
TIMEOUT = 30

UNREACHABLE = (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError)

# Weights of a whole model may lie beside an adapter.
NOT_OF_ADAPTERS = (
    "model.safetensors",
    "model-*.safetensors",
    "pytorch_model.bin",
    "pytorch_model-*.bin",
    "*.gguf",
    "*.h5",
    "*.msgpack",
    "*.onnx",
    "optimizer.*",
)


@contextmanager
def fetched(source: str | PathLike, version: str | None = None, **hub: Any) -> Iterator[Path]:
    """
    The folder that `source` means, for the time of a `with` block.

    Args:
        source: a folder, a zip or tar file, the address of one (http or https), or a repository on the Hub.
        version: branch, tag or commit of the repository.
        hub: arguments of `huggingface_hub.snapshot_download`, see `HUB_ARGUMENTS`.

    Raises:
        AdapterFileError: there is nothing, it cannot be fetched, or it is not safe to unpack.
        TypeError: an argument is not known.
    """
    unknown = hub.keys() - set(HUB_ARGUMENTS)
    if unknown:
        raise TypeError(f"unexpected arguments: {', '.join(sorted(unknown))}; for the Hub: {', '.join(HUB_ARGUMENTS)}")
    text, path = fspath(source), Path(source)
    if urlsplit(text).scheme in ("http", "https"):
        with TemporaryDirectory() as folder:
            archive = Path(folder, "download")
            _download(text, archive)
            with _unpacked(archive, text) as unpacked:
                yield unpacked
    elif archives.is_archive(path):
        with _unpacked(path, text) as unpacked:
            yield unpacked
    elif path.exists() or not isinstance(source, str):
        yield path
    else:
        yield _from_hub(text, version, hub)


def folders_of_model(source: str | PathLike, folders: Sequence[str], **location: Any) -> Path:
    """
    Where these folders of a model lie, which transformers has just loaded from `source`: a folder, or a repository of
    which they are fetched. What cannot be had is not there.

    Args:
        location: arguments of `from_pretrained`; those that say where the model is count, `subfolder` too.
    """
    path, below = Path(source), Path(location.get("subfolder") or "")
    if path.exists() or not isinstance(source, str):
        return path / below
    known = {name: location[name] for name in HUB_ARGUMENTS if location.get(name) is not None}
    try:
        patterns = [f"{(below / name).as_posix()}/*" for name in folders]
        return Path(snapshot_download(source, allow_patterns=patterns, **known), below)
    except UNREACHABLE:
        return path / below


@contextmanager
def _unpacked(archive: Path, source: str) -> Iterator[Path]:
    if not archives.is_archive(archive):
        raise AdapterFileError(f"{source} is neither a zip nor a tar file")
    with TemporaryDirectory() as folder:
        archives.unpack(archive, Path(folder))
        yield _adapter_in(Path(folder), source)


def _adapter_in(folder: Path, source: str) -> Path:
    """The one folder nearest to the root that has a configuration in it."""
    found = {path.parent for name in CONFIGS for path in folder.rglob(name)}
    depth = min((len(path.parts) for path in found), default=0)
    nearest = [path for path in found if len(path.parts) == depth]
    if len(nearest) != 1:
        how_many = "more than one adapter side by side" if nearest else "no adapter"
        raise AdapterFileError(f"{source} holds {how_many}; unpack it, and give the folder")
    return nearest[0]


def _download(address: str, target: Path) -> None:
    """Copy what is at an address, up to the size that an archive may have."""
    logger.info("Downloading %s", address)
    try:
        with urlopen(address, timeout=TIMEOUT) as response, target.open("wb") as file:
            while chunk := response.read(archives.CHUNK):
                file.write(chunk)
                if file.tell() > archives.MOST_BYTES:
                    raise AdapterFileError(f"{address} is larger than {archives.MOST_BYTES} bytes, which is too much")
    except (URLError, OSError, ValueError) as error:
        if isinstance(error, AdapterFileError):
            raise
        raise AdapterFileError(f"{address} cannot be fetched: {error}") from error


def _from_hub(source: str, version: str | None, hub: Mapping[str, Any]) -> Path:
    arguments = dict(hub)
    token = arguments.pop("use_auth_token", None)
    arguments.setdefault("token", token)
    arguments.setdefault("revision", version)
    repository = _repository(source)
    try:
        return Path(snapshot_download(repository, ignore_patterns=list(NOT_OF_ADAPTERS), **arguments))
    except UNREACHABLE as error:
        raise AdapterFileError(
            f"{source!r} is no folder or file here, and the repository {repository!r} cannot be fetched from the Hub: "
            f"{error}"
        ) from error


def _repository(source: str) -> str:
    """
    The repository on the Hub. `@organization/file` and `task/subtask@organization` are names in AdapterHub's former
    index; its files have moved to repositories called like them.
    """
    if "@" not in source:
        return source
    if not source.startswith("@") or source.count("/") != 1:
        raise AdapterFileError(
            f"{source!r} is a name in AdapterHub's former index, which is archived; its adapters are repositories "
            f"'{FORMER_ORGANIZATION}/…' on the Hub now: look for it at https://huggingface.co/{FORMER_ORGANIZATION}"
        )
    repository = f"{FORMER_ORGANIZATION}/{source.partition('/')[2]}"
    logger.warning("%r is a name in AdapterHub's former index; use %r", source, repository)
    return repository
