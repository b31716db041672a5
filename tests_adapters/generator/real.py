"""Integrations of the installed transformers, made once for all tests of a process."""

from __future__ import annotations

from functools import cache

from adaptergen.pipeline import Integration, integrate
from adaptergen.upstream import Upstream, installed_transformers


NAMES = ("gpt_neo", "bert", "distilbert", "gpt2", "llama", "bart", "t5", "vit")


@cache
def upstream() -> Upstream:
    return installed_transformers()


@cache
def integration(name: str) -> Integration:
    return integrate(upstream().find(name), upstream())
