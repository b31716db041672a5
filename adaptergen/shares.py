"""Which of many architectures are the share of one machine?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import click
from msgspec import Struct


T = TypeVar("T")


class Share(Struct, frozen=True):
    """The `number`th of `count` shares, from 1 on: every `count`th item, since neighbours are often alike in size."""

    number: int
    count: int

    def of(self, items: Sequence[T]) -> tuple[T, ...]:
        return tuple(items[self.number - 1 :: self.count])


WHOLE = Share(1, 1)


class ShareType(click.ParamType):  # type: ignore[type-arg]  # it is generic in newer releases of click alone
    """`2/8` on the command line."""

    name = "i/n"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Share:
        if isinstance(value, Share):
            return value
        number, _, count = str(value).partition("/")
        if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
            self.fail(f"{value!r} is no share; the shares of three machines are 1/3, 2/3 and 3/3", param, context)
        return Share(int(number), int(count))
