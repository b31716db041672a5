"""Does a model write the same text with and without a cache, and with adapters, too?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from adaptergen.verify import inputs
from adaptergen.verify.adapters import AdapterForm, add_random
from adaptergen.verify.outputs import CheckFailed, expect_close, expect_identical, upstream_does
from adaptergen.verify.subjects import Subject


NEW_TOKENS = 5
STATIC_CACHE = {"use_cache": True, "cache_implementation": "static", "disable_compile": True}


def cache_equals_recompute(subject: Subject, form: AdapterForm) -> None:
    """Left-padded prompts, greedy: the same tokens and logits from a cache as from the whole text each time."""
    for attention in subject.attentions:
        model = subject.initialized(attention)
        add_random(model, subject.case, form)
        expected = _expect_cached(subject, model, attention)
        has_static = attention == "sdpa" and model._can_compile_fullgraph and not form.lengthens
        if has_static and _upstream_writes(subject, **STATIC_CACHE):
            static = _write(subject, model, **STATIC_CACHE)
            expect_close(static, expected, f"{attention}: with a static cache")


def idle_adapter_writes_the_same(subject: Subject, form: AdapterForm) -> None:
    """From a cache, with an adapter that does not act, what upstream's model writes: to the last bit."""
    for attention in subject.attentions:
        upstream, model = subject.upstream(attention), subject.initialized(attention)
        add_random(model, subject.case, form)
        model.set_active_adapters(None)
        written, expected = (_write(subject, each, use_cache=True) for each in (model, upstream))
        expect_identical(written, expected, f"deactivated, written with {attention}")


def adapter_acts_while_writing(subject: Subject, form: AdapterForm) -> None:
    """Without the adapter, the text or its logits differ."""
    model = subject.initialized()
    add_random(model, subject.case, form)
    written = _write(subject, model, use_cache=True)
    model.set_active_adapters(None)
    if all(torch.equal(value, written[key]) for key, value in _write(subject, model, use_cache=True).items()):
        raise CheckFailed("the adapter has no effect on what is written")


def generates(subject: Subject) -> bool:
    """Upstream's own model does in this role, for these prompts."""
    return subject.generates and _upstream_writes(subject, use_cache=True)


def caches(subject: Subject) -> bool:
    """Upstream's own model writes from a cache what it writes without."""
    return subject.generates and upstream_does(lambda: _expect_cached(subject, subject.upstream(), "eager"))


def _expect_cached(subject: Subject, model: PreTrainedModel, attention: str) -> dict[str, Tensor]:
    """What is written without a cache, as with one."""
    expected = _write(subject, model, use_cache=False)
    expect_close(_write(subject, model, use_cache=True), expected, f"{attention}: with a cache")
    return expected


def _upstream_writes(subject: Subject, **options: Any) -> bool:
    return upstream_does(lambda: _write(subject, subject.upstream(), **options))


def _write(subject: Subject, model: PreTrainedModel, **options: Any) -> dict[str, Tensor]:
    written = model.generate(
        **inputs.prompts(model, subject.layout),
        max_new_tokens=NEW_TOKENS,
        min_new_tokens=NEW_TOKENS,
        do_sample=False,
        suppress_tokens=inputs.placeholders(model) or None,
        output_logits=True,
        return_dict_in_generate=True,
        **options,
    )
    return {"tokens": written.sequences.float(), "logits": torch.stack(written.logits)}
