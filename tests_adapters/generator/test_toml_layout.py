"""Do other readers of TOML find in a text what was written, and does it stand there as people want to read it?"""

from __future__ import annotations

import random
import tomllib
from typing import Any

import pytest
import rtoml

from adaptergen.toml_layout import LINE, document


SIGNS = "ab\"\\\n\r\t\x7f\x00\x1b'é\u2028 =[]{}.#,"


def text(chance: random.Random) -> str:
    return "".join(chance.choice(SIGNS) for _ in range(chance.choice([0, 1, 2, 3, 5, 9, 60])))


def number(chance: random.Random) -> object:
    return chance.choice([True, False, 0, -7, 0.25, 1e-5, 1.0])


def value(chance: random.Random, depth: int) -> object:
    kind = chance.random() if depth else 0.0
    if kind < 0.55:
        return chance.choice([text, text, number])(chance)
    if kind < 0.75:
        return [value(chance, depth - 1) for _ in range(chance.randint(0, 3))]
    if kind < 0.85:
        return [table(chance, depth - 1) for _ in range(chance.randint(1, 3))]
    return table(chance, depth - 1)


def table(chance: random.Random, depth: int) -> dict[str, Any]:
    filled = {text(chance): value(chance, depth) for _ in range(chance.randint(0, 4))}
    return {**filled, "because": "x"} if chance.random() < 0.3 else filled


@pytest.mark.parametrize("seed", range(20))
def test_what_is_written_is_read(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(50):
        told = table(chance, 3)
        assert tomllib.loads(document(told)) == told
        assert rtoml.loads(document(told)) == told


def test_small_tables_stay_on_their_line() -> None:
    assert (
        document({"config": {"layers": 1, "of": {"names": ["a"]}}}) == 'config = {layers = 1, of = {names = ["a"]}}\n'
    )


def test_tables_with_a_reason_have_a_heading() -> None:
    told = {"methods": {"lora": {"supported": True, "because": "seen"}}, "name": "case"}
    assert document(told) == 'name = "case"\n\n[methods.lora]\nsupported = true\nbecause = "seen"\n'


def test_lists_of_tables_have_a_heading_each() -> None:
    told = {"layers": [{"cls": "Layer", "places": [{"at": 1}]}, {"cls": "Other"}]}
    assert document(told).split("\n\n") == [
        '[[layers]]\ncls = "Layer"',
        "[[layers.places]]\nat = 1",
        '[[layers]]\ncls = "Other"\n',
    ]


def test_long_lists_have_a_line_for_each() -> None:
    words = ["w" * 30] * 3
    assert document({"few": words[:2], "many": words}) == (
        f'few = ["{words[0]}", "{words[0]}"]\nmany = [\n' + f'    "{words[0]}",\n' * 3 + "]\n"
    )
    assert len(f'["{words[0]}", "{words[0]}", "{words[0]}"]') > LINE


def test_texts_of_several_lines_read_as_they_are() -> None:
    assert document({"statement": "a = \"x\"\nb = '\\'"}) == 'statement = """a = "x"\nb = \'\\\\\'"""\n'
