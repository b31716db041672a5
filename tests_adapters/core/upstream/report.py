"""What became of transformers' own tests? Hooks for `conftest.py`: an option, and a summary that counts every skip.

One that applies to nothing of a class, as transformers itself says, is not one of ours; nor is one that upstream's own
class fails, too. What is left are the rules of `skips.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import pytest


# Properties of a report: what was tested, and why nothing was.
KIND, WHY = "transformers' tests", "why not"
OPTION = "--upstream"
OUTCOMES = ("passed", "failed", "skipped")

# That transformers' tests have; in a project with strict markers each must be known before they are imported.
MARKERS = (
    *("accelerate_tests", "agent_tests", "bitsandbytes", "flash_attn_test", "flash_attn_3_test", "flash_attn_4_test"),
    *("generate", "is_agent_test", "is_expert_parallel_test", "is_fsdp_test", "is_pipeline_test", "is_staging_test"),
    *("is_tensor_parallel_test", "is_training_test", "not_device_test", "order", "torch_compile_test"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        OPTION,
        action="store_true",
        help="run transformers' own tests on every class after `init`, and with adapters, not only on adapter models",
    )


def pytest_configure(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", f"{marker}: of transformers' own tests")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [each for name in OUTCOMES for each in terminalreporter.stats.get(name, ())]
    lines = list(summary(reports))
    if lines:
        terminalreporter.section("transformers' own tests")
        terminalreporter.write_line("\n".join(lines))


def summary(reports: Iterable[pytest.TestReport]) -> Iterator[str]:
    """Lines that say, of each kind of class, how many tests did what, and why some did nothing."""
    counts: dict[str, Counter[str]] = {}
    for report in reports:
        properties = dict(getattr(report, "user_properties", ()))
        if KIND in properties:
            counts.setdefault(str(properties[KIND]), Counter())[_became(report, properties.get(WHY))] += 1
    for kind in sorted(counts):
        done = counts[kind]
        total = sum(done.values()) - done["passed"] - done["failed"]
        yield f"{kind}: {done.pop('passed', 0)} passed, {done.pop('failed', 0)} failed, {total} skipped"
        yield from (f"  {count:6} {reason}" for reason, count in done.most_common())


def _became(report: pytest.TestReport, why: object) -> str:
    return str(why) if report.skipped else str(report.outcome)
