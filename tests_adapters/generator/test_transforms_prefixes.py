"""Prefixes join keys and values one line before the scores; lengths, cuts and biases take them into account."""

from __future__ import annotations

from textwrap import dedent

import pytest

from adaptergen.plan import LengthHook, TermHook
from adaptergen.problems import ProblemsFound
from tests_adapters.generator.borrowing import borrowed_body, changed_lines, prefix


CALL = "key, value, mask = self.prefix_tuning(query, key, value, mask, hidden_states)"


def test_one_line_before_the_scores() -> None:
    before = """
        def forward(self, hidden_states, mask=None):
            key = self.k(hidden_states)

            # now the scores
            out = self.attend(query, key, value, mask)
            return out
        """

    assert borrowed_body(before, prefix("out = self.attend(query, key, value, mask)")) == dedent(f"""\
        def forward(self, hidden_states, mask=None):
            key = self.k(hidden_states)

            # now the scores
            {CALL}
            out = self.attend(query, key, value, mask)
            return out
        """)


def test_without_a_mask() -> None:
    hook = prefix("return self.attend(query, key, value)", mask="")

    assert changed_lines("def forward(self, hidden_states):\n    return self.attend(query, key, value)\n", hook) == [
        "+        key, value, _ = self.prefix_tuning(query, key, value, None, hidden_states)"
    ]


SCORED = """
    def forward(self, hidden_states, mask=None):
        scores = query @ key.mT
        bias = bias.view_as(scores)
        scores = scores + bias
        # over the keys
        weights = scores.softmax(dim=-1)
        return weights @ value
    """
SOFTMAX = TermHook(method="forward", statement="weights = scores.softmax(dim=-1)", term="scores")


def test_where_no_mask_tells_rows_apart() -> None:
    """The prefix is hidden in the scores, the bias is none of it."""
    statement = "bias = bias.view_as(scores)"
    likeness = TermHook(method="forward", statement=statement, term="bias.view_as(scores)")
    hook = prefix("scores = query @ key.mT", mask="", softmaxes=(SOFTMAX,), likenesses=(likeness,))

    assert borrowed_body(SCORED, hook) == dedent("""\
        def forward(self, hidden_states, mask=None):
            key, value, visible_prefix = self.prefix_tuning.unmasked(key, value, hidden_states)
            scores = query @ key.mT
            bias = bias.view_as(self.prefix_tuning.without(scores))
            scores = scores + bias
            # over the keys
            scores = self.prefix_tuning.hide(scores, visible_prefix)
            weights = scores.softmax(dim=-1)
            return weights @ value
        """)


def test_a_mask_with_a_row_for_each_window() -> None:
    hook = prefix("scores = query @ key.mT", mask="", softmaxes=(SOFTMAX,), window_mask="mask")

    assert changed_lines(SCORED, hook) == [
        "+        key, value, visible_prefix = self.prefix_tuning.unmasked(key, value, hidden_states)",
        "+        mask = self.prefix_tuning.extend_bias(mask)",
        "+        scores = self.prefix_tuning.hide(scores, visible_prefix)",
    ]


def test_before_a_statement_with_branches() -> None:
    before = """
        def forward(self, hidden_states, mask=None):
            if self.training:
                if self.upcast:
                    out = self.slow(query, key, value, mask)
                else:
                    out = self.fast(query, key, value, mask)
            return out
        """

    assert borrowed_body(before, prefix("if self.upcast:")).splitlines()[1:4] == [
        "    if self.training:",
        f"        {CALL}",
        "        if self.upcast:",
    ]


def test_before_the_first_statement_of_an_else_branch() -> None:
    before = """
        def forward(self, hidden_states, mask=None):
            if self.packed:
                raise ValueError("packed")
            else:
                out = self.attend(query, key, value, mask)
            return out
        """

    assert borrowed_body(before, prefix("out = self.attend(query, key, value, mask)")).splitlines()[3:6] == [
        "    else:",
        f"        {CALL}",
        "        out = self.attend(query, key, value, mask)",
    ]


def test_a_bias_is_extended_in_the_call_alone() -> None:
    before = """
        def forward(self, hidden_states, mask=None, position_bias=None):
            out = self.attend(
                query,
                key,
                position_bias=position_bias,
            )
            return out, position_bias
        """
    statement = "out = self.attend(\n    query,\n    key,\n    position_bias=position_bias,\n)"

    assert borrowed_body(before, prefix(statement, bias=("position_bias",))) == dedent(f"""\
        def forward(self, hidden_states, mask=None, position_bias=None):
            {CALL}
            out = self.attend(
                query,
                key,
                position_bias=self.prefix_tuning.extend_bias(position_bias),
            )
            return out, position_bias
        """)


def test_an_argument_that_only_begins_like_the_bias_is_left_alone() -> None:
    statement = "return self.attend(bias=bias, scale=bias_scale)"

    assert changed_lines(f"def forward(self, mask=None):\n    {statement}\n", prefix(statement, bias=("bias",)))[
        2:
    ] == ["+        return self.attend(bias=self.prefix_tuning.extend_bias(bias), scale=bias_scale)"]


def test_a_bias_that_makes_the_line_too_long_is_broken_as_a_formatter_breaks_it() -> None:
    arguments = "self, query, key, value, mask, scaling=self.scaling, position_bias=position_bias"
    statement = f"out, weights = attention_interface({arguments})"
    before = f"def forward(self, hidden_states, mask=None):\n    {statement}\n    return out\n"

    assert changed_lines(before, prefix(statement, bias=("position_bias",))) == [
        f"-        {statement}",
        f"+        {CALL}",
        "+        out, weights = attention_interface(",
        "+            self,",
        "+            query,",
        "+            key,",
        "+            value,",
        "+            mask,",
        "+            scaling=self.scaling,",
        "+            position_bias=self.prefix_tuning.extend_bias(position_bias),",
        "+        )",
    ]


SCORES = """
def scores(self, query, key, mask):
    query_length, key_length = query.size(-2), key.size(-2)
    causal = self.bias[:, :, key_length - query_length : key_length, :key_length]
    return torch.where(causal, query @ key.mT, -1e9)

def forward(self, hidden_states, mask=None):
    return self.scores(query, key, mask) @ value
"""
LENGTH = LengthHook(
    method="scores",
    statement="query_length, key_length = query.size(-2), key.size(-2)",
    expression="key.size(-2)",
    cut_statement="causal = self.bias[:, :, key_length - query_length : key_length, :key_length]",
    cut="causal",
)


def test_a_buffer_is_cut_without_the_prefix() -> None:
    assert changed_lines(SCORES, prefix("return self.scores(query, key, mask) @ value", lengths=(LENGTH,))) == [
        "-        query_length, key_length = query.size(-2), key.size(-2)",
        "+        query_length, key_length = query.size(-2), key.size(-2) - self.prefix_tuning.length",
        "+        causal = self.prefix_tuning.extend_mask(causal)",
        f"+        {CALL}",
    ]


IN_ONE_METHOD = """
def forward(self, hidden_states):
    {lengths}
    cut = self.bias[:, :, key_length - query_length : key_length, :key_length]
    {between}
    return torch.where(cut, query @ key.mT, -1e9)
"""
LENGTH_IN_FORWARD = {
    "method": "forward",
    "expression": "key.size(-2)",
    "cut_statement": "cut = self.bias[:, :, key_length - query_length : key_length, :key_length]",
    "cut": "cut",
}


def test_a_length_that_only_ends_like_that_of_the_keys_is_left_alone() -> None:
    lengths = "query_length, key_length = other_key.size(-2), key.size(-2)"
    hook = LengthHook(statement=lengths, **LENGTH_IN_FORWARD)
    before = IN_ONE_METHOD.format(lengths=lengths, between="query = query * 2")

    assert changed_lines(before, prefix("return torch.where(cut, query @ key.mT, -1e9)", lengths=(hook,)))[:2] == [
        f"-        {lengths}",
        "+        query_length, key_length = other_key.size(-2), key.size(-2) - self.prefix_tuning.length",
    ]


def test_a_cut_right_above_the_scores() -> None:
    lengths = "query_length, key_length = query.size(-2), key.size(-2)"
    hook = LengthHook(statement=lengths, **LENGTH_IN_FORWARD)
    before = IN_ONE_METHOD.format(lengths=lengths, between="").replace("    \n", "")

    emitted = borrowed_body(before, prefix("return torch.where(cut, query @ key.mT, -1e9)", lengths=(hook,)))
    assert emitted.splitlines()[3:5] == [
        "    cut = self.prefix_tuning.extend_mask(cut)",
        f"    {CALL}",
    ]


@pytest.mark.parametrize("gone", ["statement", "cut_statement"])
def test_a_length_or_cut_that_is_gone_is_an_error(gone: str) -> None:
    told = {"method": "scores", "statement": LENGTH.statement, "cut_statement": LENGTH.cut_statement, gone: "gone = 1"}
    length = LengthHook(expression="key.size(-2)", cut="causal", **told)
    with pytest.raises(ProblemsFound, match=r"anchor-gone\]: Block.scores has no statement `gone = 1`"):
        borrowed_body(SCORES, prefix("return self.scores(query, key, mask) @ value", lengths=(length,)))
