"""How are problems written for those who read them: people, GitHub, code scanning, other programs?"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from adaptergen.problems import Problem


SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
GITHUB_PROPERTY = {"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"}
GITHUB_MESSAGE = {sign: code for sign, code in GITHUB_PROPERTY.items() if sign not in ":,"}


def as_lines(problems: Sequence[Problem]) -> str:
    """One line for each: `path:line: error[code]: what is wrong; fix: what to do`."""
    return "".join(f"{as_line(problem)}\n" for problem in problems)


def as_github(problems: Sequence[Problem]) -> str:
    """Workflow commands, which GitHub shows beside the lines of a pull request."""
    return "".join(f"{_command(problem)}\n" for problem in problems)


def as_json(problems: Sequence[Problem]) -> str:
    return f"{json.dumps({'problems': [described(problem) for problem in problems]}, indent=2)}\n"


def as_sarif(problems: Sequence[Problem]) -> str:
    """SARIF 2.1.0, which code scanning reads: https://docs.oasis-open.org/sarif/sarif/v2.1.0/"""
    from importlib.metadata import version  # for this form alone: it imports much

    rules = [{"id": code} for code in sorted({problem.code for problem in problems})]
    driver = {"name": "adaptergen", "version": version("adaptergen"), "rules": rules}
    run = {"tool": {"driver": driver}, "results": [_result(problem) for problem in problems]}
    return f"{json.dumps({'$schema': SARIF_SCHEMA, 'version': '2.1.0', 'runs': [run]}, indent=2)}\n"


FORMATS: Mapping[str, Callable[[Sequence[Problem]], str]] = {
    "text": as_lines,
    "github": as_github,
    "json": as_json,
    "sarif": as_sarif,
}


def described(problem: Problem) -> dict[str, Any]:
    at = problem.at
    return {
        "code": problem.code,
        "message": problem.message,
        "path": at.path if at else None,
        "line": at.line or None if at else None,
        "fix": problem.fix or None,
    }


def as_line(problem: Problem) -> str:
    where = f"{problem.at}: " if problem.at else ""
    return " ".join(f"{where}error[{problem.code}]: {_told(problem)}".split())


def _command(problem: Problem) -> str:
    at = problem.at
    named = {"file": at.path if at else "", "line": str(at.line) if at and at.line else "", "title": problem.code}
    properties = ",".join(f"{name}={_escaped(text, GITHUB_PROPERTY)}" for name, text in named.items() if text)
    return f"::error {properties}::{_escaped(_told(problem), GITHUB_MESSAGE)}"


def _result(problem: Problem) -> dict[str, Any]:
    result: dict[str, Any] = {"ruleId": problem.code, "level": "error", "message": {"text": _told(problem)}}
    if problem.at:
        region = {"region": {"startLine": problem.at.line}} if problem.at.line else {}
        result["locations"] = [{"physicalLocation": {"artifactLocation": {"uri": problem.at.path}, **region}}]
    return result


def _told(problem: Problem) -> str:
    return f"{problem.message}; fix: {problem.fix}" if problem.fix else problem.message


def _escaped(text: str, signs: Mapping[str, str]) -> str:
    return "".join(signs.get(sign, sign) for sign in text)
