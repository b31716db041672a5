"""A residual addition becomes a call of its adapters; nothing else of the method changes."""

from __future__ import annotations

from textwrap import dedent

import pytest

from adaptergen.problems import ProblemsFound
from tests_adapters.generator.borrowing import borrowed_body, changed_lines, residual


PLAIN = residual("x = branch + stream", "branch + stream", "branch", "stream")


def check(before: str, after: str, *hooks: object) -> None:
    assert borrowed_body(before, *hooks) == dedent(after).lstrip("\n")


def test_comments_blank_lines_and_strings_stay() -> None:
    check(
        """
        def forward(self, stream):
            # what comes first

            branch = self.attn(stream)  # trailing

            # residual connection
            x = branch + stream

            '''a string'''
            return x
        """,
        """
        def forward(self, stream):
            # what comes first

            branch = self.attn(stream)  # trailing

            # residual connection
            x = self.slot.adapter_layer_forward(branch, stream, None)

            '''a string'''
            return x
        """,
        PLAIN,
    )


def test_a_comment_behind_the_addition_stays() -> None:
    hook = residual("x = branch + stream  # add", "branch + stream", "branch", "stream")

    assert changed_lines("def forward(self, x):\n    x = branch + stream  # add\n    return x\n", hook) == [
        "-        x = branch + stream  # add",
        "+        x = self.slot.adapter_layer_forward(branch, stream, None)  # add",
    ]


def test_without_a_slot_the_class_itself_is_the_adapter_layer() -> None:
    hook = residual("return branch + stream", "branch + stream", "branch", "stream", slot="")

    assert changed_lines("def forward(self, branch, stream):\n    return branch + stream\n", hook) == [
        "-        return branch + stream",
        "+        return self.adapter_layer_forward(branch, stream, None)",
    ]


def test_a_norm_around_the_addition_goes_into_the_call() -> None:
    hook = residual("x = self.norm(branch + stream)", "branch + stream", "branch", "stream", norm="self.norm")

    assert changed_lines("def forward(self, x):\n    x = self.norm(branch + stream)\n    return x\n", hook) == [
        "-        x = self.norm(branch + stream)",
        "+        x = self.slot.adapter_layer_forward(branch, stream, self.norm)",
    ]


def test_a_norm_around_the_addition_over_several_lines() -> None:
    before = """
        def forward(self, stream):
            x = self.norm(
                branch + stream
            )
            return x
        """
    statement = "x = self.norm(\n    branch + stream\n)"
    hook = residual(statement, "branch + stream", "branch", "stream", norm="self.norm")

    check(
        before,
        """
        def forward(self, stream):
            x = self.slot.adapter_layer_forward(branch, stream, self.norm)
            return x
        """,
        hook,
    )


def test_a_norm_in_the_next_statement_goes_into_the_call() -> None:
    norm = {"norm": "self.norm", "norm_statement": "x = self.norm(x)"}
    check(
        """
        def forward(self, stream):
            # add
            x = branch + stream
            x = self.norm(x)

            # go on
            return x
        """,
        """
        def forward(self, stream):
            # add
            x = self.slot.adapter_layer_forward(branch, stream, self.norm)

            # go on
            return x
        """,
        residual("x = branch + stream", "branch + stream", "branch", "stream", **norm),
    )


def test_a_norm_before_the_addition_goes_into_the_call() -> None:
    norm = {"inner_norm": "self.norm", "inner_norm_statement": "x = self.norm(branch)"}
    hook = residual("x = stream + x", "stream + x", "branch", "stream", **norm)

    body = "def forward(self, x):\n    x = self.norm(branch)\n    x = stream + x\n    return x\n"
    assert changed_lines(body, hook) == [
        "-        x = self.norm(branch)",
        "-        x = stream + x",
        "+        x = self.slot.adapter_layer_forward(branch, stream, inner_norm=self.norm)",
    ]


def test_a_norm_within_the_addition_goes_into_the_call() -> None:
    addition = "stream + self.norm(branch)"
    hook = residual(f"return {addition}", addition, "branch", "stream", inner_norm="self.norm")

    assert changed_lines(f"def forward(self, x):\n    return {addition}\n", hook) == [
        "-        return stream + self.norm(branch)",
        "+        return self.slot.adapter_layer_forward(branch, stream, inner_norm=self.norm)",
    ]


def test_a_norm_that_no_longer_precedes_is_an_error() -> None:
    norm = {"inner_norm": "self.norm", "inner_norm_statement": "x = self.norm(branch)"}
    hook = residual("x = stream + x", "stream + x", "branch", "stream", **norm)
    with pytest.raises(ProblemsFound, match=r"error\[anchor-gone\]: `x = self.norm\(branch\)` no longer precedes"):
        borrowed_body("def forward(self, x):\n    x = self.norm(stream)\n    x = stream + x\n    return x\n", hook)


def test_a_norm_that_no_longer_follows_is_an_error() -> None:
    norm = {"norm": "self.norm", "norm_statement": "x = self.norm(x)"}
    hook = residual("x = branch + stream", "branch + stream", "branch", "stream", **norm)
    with pytest.raises(ProblemsFound, match=r"modeling_block.py:7: error\[anchor-gone\]: `x = self.norm\(x\)`"):
        borrowed_body("def forward(self, x):\n    x = branch + stream\n    return self.norm(x)\n", hook)


def test_in_an_else_branch() -> None:
    check(
        """
        def forward(self, stream):
            if self.wide:
                x = self.wide(stream)
            else:
                branch = self.narrow(stream)
                x = branch + stream
            return x
        """,
        """
        def forward(self, stream):
            if self.wide:
                x = self.wide(stream)
            else:
                branch = self.narrow(stream)
                x = self.slot.adapter_layer_forward(branch, stream, None)
            return x
        """,
        PLAIN,
    )


def test_inside_a_call_and_a_tuple() -> None:
    hook = residual("return (self.out(branch + stream),) + rest", "branch + stream", "branch", "stream")

    assert changed_lines("def forward(self, x):\n    return (self.out(branch + stream),) + rest\n", hook) == [
        "-        return (self.out(branch + stream),) + rest",
        "+        return (self.out(self.slot.adapter_layer_forward(branch, stream, None)),) + rest",
    ]


def test_an_addition_in_place_binds_its_target() -> None:
    hook = residual("x += stream", "x += stream", "x", "stream")

    assert changed_lines("def forward(self, x):\n    x += stream\n    return x\n", hook) == [
        "-        x += stream",
        "+        x = self.slot.adapter_layer_forward(x, stream, None)",
    ]


def test_the_second_of_two_equal_statements() -> None:
    before = "def forward(self, x):\n    x = branch + stream\n    x = branch + stream\n    return x\n"
    hook = residual("x = branch + stream", "branch + stream", "branch", "stream", nth=1)

    assert borrowed_body(before, hook).splitlines()[1:3] == [
        "    x = branch + stream",
        "    x = self.slot.adapter_layer_forward(branch, stream, None)",
    ]


def test_an_addition_whose_text_ends_another_one() -> None:
    """`old_branch + stream` is not the addition, although it contains its text."""
    hook = residual("return old_branch + stream, branch + stream", "branch + stream", "branch", "stream")

    assert changed_lines("def forward(self, x):\n    return old_branch + stream, branch + stream\n", hook) == [
        "-        return old_branch + stream, branch + stream",
        "+        return old_branch + stream, self.slot.adapter_layer_forward(branch, stream, None)",
    ]


def test_an_addition_over_several_lines() -> None:
    check(
        """
        def forward(self, stream):
            if self.deep:
                x = (
                    branch
                    + stream
                )
            return x
        """,
        """
        def forward(self, stream):
            if self.deep:
                x = (
                    self.slot.adapter_layer_forward(branch, stream, None)
                )
            return x
        """,
        residual("x = (\n    branch\n    + stream\n)", "branch\n    + stream", "branch", "stream"),
    )


def test_a_branch_over_several_lines() -> None:
    before = """
        def forward(self, stream):
            x = stream + self.attn(
                stream,
                mask=mask,
            )
            return x
        """
    branch = "self.attn(\n    stream,\n    mask=mask,\n)"

    check(
        before,
        """
        def forward(self, stream):
            x = self.slot.adapter_layer_forward(
                self.attn(
                    stream,
                    mask=mask,
                ),
                stream,
                None,
            )
            return x
        """,
        residual(f"x = stream + {branch}", f"stream + {branch}", branch, "stream"),
    )


@pytest.mark.parametrize(
    ("length", "arguments"),
    [(12, ["{branch}, stream, None"]), (17, ["{branch},", "stream,", "None,"])],
    ids=["together", "each"],
)
def test_a_call_that_is_too_long_is_broken_as_a_formatter_breaks_it(length: int, arguments: list[str]) -> None:
    branch = f"self.{'very_' * length}long_module(stream)"
    hook = residual(f"x = {branch} + stream", f"{branch} + stream", branch, "stream")

    assert changed_lines(f"def forward(self, stream):\n    x = {branch} + stream\n    return x\n", hook) == [
        f"-        x = {branch} + stream",
        "+        x = self.slot.adapter_layer_forward(",
        *(f"+            {argument.format(branch=branch)}" for argument in arguments),
        "+        )",
    ]


def test_two_hooks_in_one_method_and_one_in_another() -> None:
    before = """
        def forward(self, x):
            x = a + x
            x = b + x
            return self.rest(x)

        def untouched(self, x):
            return a + x

        def rest(self, x):
            return c + x
        """
    hooks = (
        residual("x = b + x", "b + x", "b", "x", slot="second"),
        residual("return c + x", "c + x", "c", "x", slot="third", method="rest"),
        residual("x = a + x", "a + x", "a", "x", slot="first"),
    )

    check(
        before,
        """
        def forward(self, x):
            x = self.first.adapter_layer_forward(a, x, None)
            x = self.second.adapter_layer_forward(b, x, None)
            return self.rest(x)

        def rest(self, x):
            return self.third.adapter_layer_forward(c, x, None)
        """,
        *hooks,
    )
