"""Whole texts before and after: one class of upstream, the hooks of a plan, the class that is emitted."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import dedent, indent

from msgspec.structs import replace

from adaptergen.plan import PrefixHook, ResidualHook
from adaptergen.source import SourceModule, parse_source
from adaptergen.transforms import Borrowed, borrow_classes
from adaptergen.upstream_diff import upstream_diff
from tests_adapters.generator.case import plan_of


IMPORTS = "import torch\nfrom torch import nn\n\n\n"


def module_of(body: str, imports: str = IMPORTS, name: str = "Block") -> SourceModule:
    """A module whose class `Block` has this body."""
    text = f"{imports}class {name}(nn.Module):\n{indent(dedent(body), '    ', lambda line: line.strip() != '')}"
    return parse_source(text, name="transformers.models.block.modeling_block", path="modeling_block.py")


def borrow(source: SourceModule, hooks: Sequence[ResidualHook | PrefixHook]) -> Borrowed:
    residuals = tuple(hook for hook in hooks if isinstance(hook, ResidualHook))
    prefixes = tuple(hook for hook in hooks if isinstance(hook, PrefixHook))
    return borrow_classes(source, replace(plan_of("pre_norm"), residuals=residuals, prefixes=prefixes))


def borrowed_body(body: str, *hooks: ResidualHook | PrefixHook) -> str:
    """The body of the emitted class, as far to the left as it goes."""
    code = borrow(module_of(body), hooks).code
    head, _, emitted = code.partition("\n")
    assert head == "class BlockWithAdapters(BlockAdaptersMixin, Block):"
    return dedent(f"{emitted}\n")


def changed_lines(body: str, *hooks: ResidualHook | PrefixHook) -> list[str]:
    """The removed and added lines of the diff against upstream."""
    source = module_of(body)
    diff = upstream_diff(source, borrow(source, hooks).edits).splitlines()[2:]
    return [line for line in diff if line[0] in "+-"]


def residual(statement: str, addition: str, branch: str, stream: str, **more: object) -> ResidualHook:
    """A hook in `Block.forward` whose adapters hang on `self.slot`."""
    told = {"cls": "Block", "method": "forward", "slot": "slot", "because": "a residual", **more}
    return ResidualHook(statement=statement, addition=addition, branch=branch, residual=stream, **told)


def prefix(statement: str, **more: object) -> PrefixHook:
    """A hook in `Block.forward` before a statement, with the usual names."""
    told = {
        "cls": "Block", "method": "forward", "query": "query", "key": "key", "value": "value", "mask": "mask",
        "hidden": "hidden_states", "head_dim": "head_dim", "is_causal": "True", "because": "scores", **more,
    }  # fmt: skip
    return PrefixHook(statement=statement, **told)
