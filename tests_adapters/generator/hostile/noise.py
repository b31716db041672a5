"""How is a file damaged as a file? Bytes are lost, flipped and added, lines end otherwise."""

from __future__ import annotations

import random


ADDED = (
    b"\0", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", "\u2028".encode(), "\u202e".encode(), b"\x0c", b"\r",
    b"\t", b"\x1b[31m", b"(" * 300, b"[" * 3000, b'"""', b"'", b"\\", b"\\\n", b"\n", b" ", b"#", b";", b":",
    b"{% raw %}", b"{{", b"x" * 100_000, b"(" + b"1+" * 20_000 + b"1)", b"\n" * 20_000,
    b"if x:\n" + b" " * 5000 + b"y\n",
)  # fmt: skip


def damaged(data: bytes, draw: random.Random) -> tuple[bytes, str]:
    """The bytes of a damaged file, and what was done, in words."""
    way = draw.choice(("empty", "cut", "cut at a line", "flipped", "added", "added", "lost", "windows", "mac", "mark",
                       "utf-16", "latin-1", "doubled", "tabs", "no end", "huge"))  # fmt: skip
    at = draw.randrange(len(data))
    match way:
        case "empty":
            return b"", way
        case "cut":
            return data[:at], f"{way} at byte {at}"
        case "cut at a line":
            return data[: data.rfind(b"\n", 0, at) + 1], way
        case "flipped":
            return _flipped(data, draw), way
        case "added":
            added = draw.choice(ADDED)
            at = data.rfind(b"\n", 0, at) + 1 if draw.random() < 0.5 else at
            return data[:at] + added + data[at:], f"{way} {added[:8]!r} at byte {at}"
        case "lost":
            count = draw.choice((1, 1, 4, 64, 1024))
            return data[:at] + data[at + count :], f"{way} {count} bytes at {at}"
        case "windows":
            return data.replace(b"\n", b"\r\n"), way
        case "mac":
            return data.replace(b"\n", b"\r"), way
        case "mark":
            return b"\xef\xbb\xbf" + data, way
        case "utf-16" | "latin-1":
            return data.decode().encode(way, errors="replace"), way
        case "doubled":
            return data + data, way
        case "tabs":
            lines = data.split(b"\n")
            number = draw.randrange(len(lines))
            lines[number] = lines[number].replace(b"    ", b"\t", 1)
            return b"\n".join(lines), f"{way} in line {number + 1}"
        case "no end":
            return data.rstrip(b"\n"), way
    line = draw.choice(
        (b"X = 1\n", b"# comment\n", b"def f(x): return x\n", b"class C:\n    def f(self):\n        return self.f()\n")
    )
    return data + line * 5000, f"{way}: {line!r} 5,000 times"


def _flipped(data: bytes, draw: random.Random) -> bytes:
    flipped = bytearray(data)
    for _ in range(draw.choice((1, 1, 1, 4, 32))):
        flipped[draw.randrange(len(data))] ^= 1 << draw.randrange(7)
    return bytes(flipped)
