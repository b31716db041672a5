"""How is a folder damaged? Bytes, values of JSON, tensors and members of archives, drawn by a random generator."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor


VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 3, 10**9, 10**30, 1e308, 1e-300, float("nan"), float("inf"), 0.5, "", "x", "../../x",
    "/etc/passwd", "x" * 10_000, "os.system", "__import__('os').getcwd()", [], [1, 2], [[]], ["q"] * 50, {}, {"a": 1},
    {"0": "x"},
)  # fmt: skip


def damaged(folder: Path, draw: random.Random) -> str:
    """Damage one file of the folder; what was done, in words."""
    path = draw.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
    ways: list[Callable[[Path, random.Random], str]] = [_bytes]
    if path.suffix == ".json":
        ways += [_json] * 4
    elif path.suffix == ".safetensors":
        ways += [_tensors] * 3 + [_header]
    elif path.suffix == ".bin":
        ways += [_pickle]
    elif path.name == "archive":
        ways += [_members] * 3
    return f"{path.relative_to(folder)}: {draw.choice(ways)(path, draw)}"


def _bytes(path: Path, draw: random.Random) -> str:
    data = bytearray(path.read_bytes())
    way = draw.choice(("empty", "gone", "a folder", "cut", "flipped", "noise", "doubled"))
    if way == "gone":
        path.unlink()
    elif way == "a folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(_changed(data, way, draw))
    return way


def _changed(data: bytearray, way: str, draw: random.Random) -> bytes:
    if way == "empty":
        return b""
    if way == "cut":
        return bytes(data[: draw.randrange(len(data))])
    if way == "noise":
        return draw.randbytes(len(data))
    if way == "doubled":
        return bytes(data + data)
    for _ in range(draw.choice((1, 1, 8, 64))):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(data)


def _json(path: Path, draw: random.Random) -> str:
    document = json.loads(path.read_text())
    places = list(_places(document))
    place = draw.choice(places)
    holder = document
    for step in place[:-1]:
        holder = holder[step]
    told = ".".join(map(str, place))
    way = draw.choice(("value", "value", "value", "gone", "unknown", "deep"))
    if way == "gone":
        del holder[place[-1]]
    elif way == "unknown" and isinstance(holder, dict):
        holder["never_heard_of"] = draw.choice(VALUES)
    elif way == "deep":
        path.write_text(json.dumps(document).replace("{", '{"deep": ' + "[" * 100_000 + "]" * 100_000 + ", ", 1))
        return "nested deeply"
    else:
        holder[place[-1]] = draw.choice(VALUES)
        told = f"{told} = {str(holder[place[-1]])[:40]}"
    path.write_text(json.dumps(document))
    return f"{way} {told}"


def _places(document: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The keys and numbers that lead to each value."""
    if isinstance(document, list):
        document = dict(enumerate(document))
    if isinstance(document, dict):
        for key, value in document.items():
            yield (*at, key)
            yield from _places(value, (*at, key))


def _tensors(path: Path, draw: random.Random) -> str:
    tensors = load_file(path)
    name = draw.choice(sorted(tensors))
    way = draw.choice(sorted(TENSORS))
    changed = TENSORS[way](name, tensors.pop(name))
    save_file({**tensors, **changed}, path)
    return f"{way} {name}"


def _with(value: float) -> Callable[[str, Tensor], dict[str, Tensor]]:
    def change(name: str, tensor: Tensor) -> dict[str, Tensor]:
        tensor = tensor.clone()
        tensor.view(-1)[0] = value
        return {name: tensor}

    return change


TENSORS: dict[str, Callable[[str, Tensor], dict[str, Tensor]]] = {
    "gone": lambda name, tensor: {},
    "renamed": lambda name, tensor: {f"{name}x": tensor},
    "another place": lambda name, tensor: {f"x.{name}": tensor},
    "one more": lambda name, tensor: {name: tensor, f"{name}.more": tensor.clone()},
    "flat": lambda name, tensor: {name: tensor.reshape(-1, 1, 1)},
    "turned": lambda name, tensor: {name: tensor.unsqueeze(0).transpose(0, -1).contiguous()},
    "longer": lambda name, tensor: {name: torch.cat([tensor, tensor])},
    "nothing": lambda name, tensor: {name: tensor.reshape(-1)[:0]},
    "large": lambda name, tensor: {name: tensor.new_zeros(2048, 1024)},
    "int8": lambda name, tensor: {name: tensor.to(torch.int8)},
    "bool": lambda name, tensor: {name: tensor > 0},
    "float64": lambda name, tensor: {name: tensor.double()},
    "bfloat16": lambda name, tensor: {name: tensor.bfloat16()},
    "nan": _with(float("nan")),
    "inf": _with(float("inf")),
}


def _header(path: Path, draw: random.Random) -> str:
    """What a safetensors file says of itself: eight bytes of length, and JSON."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    if draw.random() < 0.3:
        path.write_bytes(draw.choice((2**63 - 1, 2**40, 0, length - 1)).to_bytes(8, "little") + data[8:])
        return "another length of the header"
    header = json.loads(data[8 : 8 + length])
    name = draw.choice(sorted(set(header) - {"__metadata__"}))
    told = draw.choice(({"shape": [2**40, 2**20]}, {"data_offsets": [0, 2**50]}, {"dtype": "F128"}, {"shape": [-1]}))
    header[name] = {**header[name], **told}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])
    return f"{next(iter(told))} of {name} in the header"


class Trap:
    """Unpickling it would end the process."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (77,)


def _pickle(path: Path, draw: random.Random) -> str:
    way = draw.choice(("trap", "old trap", "list", "nested"))
    if way == "old trap":
        path.write_bytes(pickle.dumps({"weight": Trap()}, protocol=2))
    else:
        torch.save({"trap": {"weight": Trap()}, "list": [1, 2], "nested": {"a": {"b": torch.zeros(1)}}}[way], path)
    return way


def _members(path: Path, draw: random.Random) -> str:
    name = draw.choice(
        ("../out", "/tmp/out-of-folder", "a/../../out", "C:\\out", "\\\\host\\out", "adapter_config.json")
    )
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(name, "x")
        return f"a member {name}"
    kind = draw.choice((tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE))
    with tarfile.open(path) as archive:
        content = [(member, archive.extractfile(member).read()) for member in archive if member.isreg()]
    with tarfile.open(path, "w:gz") as archive:
        for member, data in content:
            archive.addfile(member, io.BytesIO(data))
        added = tarfile.TarInfo(name)
        added.type, added.linkname = kind, "/etc/passwd"
        archive.addfile(added, io.BytesIO())
    return f"a member {name} of type {kind.decode()}"
