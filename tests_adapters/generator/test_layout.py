"""Are generated lines those that a formatter would leave as they are, however long the names in them?"""

from __future__ import annotations

import subprocess
import sys

import pytest
from msgspec.structs import replace

from adaptergen.plan import MethodSupport, StackPlan
from adaptergen.rendering import layout
from adaptergen.rendering.context import class_line, stacks_line, unsupported_lines
from adaptergen.transforms.edits import LINE_LENGTH, call_lines
from adaptergen.transforms.imports import Import, written
from tests_adapters.generator.borrowing import borrow, module_of, residual
from tests_adapters.generator.case import plan_of


WORDS = " ".join(f"word{nth}" for nth in range(40))
LONG = "a_name_of_forty_letters_and_no_fewer_here"


def formatted(code: str) -> str:
    """What ruff makes of it."""
    command = (sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", str(LINE_LENGTH), "-")
    return subprocess.run(command, input=code, text=True, capture_output=True, check=True).stdout


@pytest.mark.parametrize(
    "item",
    [
        '"short"',
        f'Projection("{LONG}", "{LONG}", group="{LONG}")',
        f'Projection("{LONG}", ("q", "k"), widths=("{LONG}", "{LONG}", ""))',
        f'Projection("path", ("q", "k"), widths=("{LONG}{LONG}", "{LONG}{LONG}", ""))',
        f'AdapterStack(kind="{LONG}", layers="{LONG}", owner="{LONG}", entry="{LONG}")',
        f'"key": {{"one": ["{LONG}", "{LONG}"], "other": ["{LONG}"]}}',
        f'"key": ["{LONG}", "{LONG}", "{LONG}"]',
        f'"key": "{WORDS}"',
    ],
)
def test_an_entry_is_laid_out_as_a_formatter_would(item: str) -> None:
    brackets = "{}" if item.startswith('"key"') else "()"
    code = f"{layout.lines(0, 'held = ', (item, item), brackets)}\n"

    assert code == formatted(code)
    assert all(len(line) <= LINE_LENGTH for line in code.splitlines())


def test_stacks_with_long_names() -> None:
    stack = StackPlan(
        kind="encoder", layers=f"{LONG}.layers", layer="Layer", owner=LONG, entry=LONG, because="", at=""
    )
    code = f"class Mixin:\n    {stacks_line((stack, stack))}\n"

    assert code == formatted(code)
    assert code.count("        AdapterStack(\n            kind=") == 2


def test_the_whole_reason_is_in_the_pieces_of_a_long_one() -> None:
    methods = {"lora": MethodSupport(supported=False, because=f'a "reason": {WORDS}')}
    (line,) = unsupported_lines(replace(plan_of("pre_norm"), methods=methods))

    assert len(line.splitlines()) > 2
    assert eval(f"{{{line}}}") == {"lora": methods["lora"].because}


@pytest.mark.parametrize("length", [10, 52, 53, 54, 55, 56, 57, 58, 110])
def test_bases_of_a_class_go_below_its_name(length: int) -> None:
    code = f"{class_line('C' * length, ('B' * length, 'A'))}\n    pass\n"

    assert code == formatted(code)


def test_a_copied_class_with_a_long_name() -> None:
    name = "BlockWithNameThatIsTooLongForOneLine"
    hook = residual("x = branch + stream", "branch + stream", "branch", "stream", cls=name)
    source = module_of("def forward(self, stream):\n    x = branch + stream\n    return x\n", name=name)
    code = f"{borrow(source, (hook,)).code}\n"

    assert code == formatted(code)
    assert code.startswith(f"class {name}WithAdapters(\n    {name}AdaptersMixin, {name}\n):\n")


def test_the_call_behind_a_call_is_broken_first() -> None:
    lines = call_lines("    ", f"x = self.{LONG}.adapter_layer_forward", ("x", "None"), f".view({LONG}, b)")
    code = "\n".join(["if x:", *lines, ""])

    assert code == formatted(code)
    assert lines[1:] == (f"        {LONG}, b", "    )")


def test_capitals_within_names_do_not_matter_to_the_order_of_imports() -> None:
    imports = {Import("torch", name) for name in ("CaseMTModel", "CaseModel", "case", "CASE")}

    assert written(imports) == "from torch import CASE, CaseModel, CaseMTModel, case"
