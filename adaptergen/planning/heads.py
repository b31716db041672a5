"""Which flexible heads make sense for the architecture, and which of them equals each static head?"""

from __future__ import annotations

from collections.abc import Iterator

from adaptergen.facts import Head, HeadModule, ModelFacts
from adaptergen.plan import HeadPlan
from adaptergen.planning.hooks import place


HEAD_TYPES = {
    "sequence_classification": "classification",
    "token_classification": "tagging",
    "question_answering": "question_answering",
    "document_question_answering": "question_answering",
    "multiple_choice": "multiple_choice",
    "masked_lm": "masked_lm",
    "causal_lm": "causal_lm",
    "seq_to_seq_causal_lm": "seq2seq_lm",
    "speech_seq_2_seq": "seq2seq_lm",
    "image_classification": "image_classification",
}
LANGUAGE_MODELS = frozenset({"masked_lm", "causal_lm", "seq2seq_lm"})
# The kinds of modules on the way to the logits, dropout aside.
_WAYS = frozenset({("linear",), ("linear", "linear"), ("linear", "activation", "linear")})
_WAYS_WITH_NORM = frozenset({("linear", "norm", "linear"), ("linear", "activation", "norm", "linear")})
_READS = {
    "classification": ("pooler", "first_token", "last_token", "last_eos"),
    "multiple_choice": ("pooler", "first_token", "last_token", "last_eos"),
    "image_classification": ("pooler", "first_token"),
}


def head_plans(facts: ModelFacts) -> tuple[HeadPlan, ...]:
    return tuple(_head_plan(facts, head) for head in facts.heads)


def head_types(facts: ModelFacts, plans: tuple[HeadPlan, ...]) -> tuple[str, ...]:
    """Types of the static heads, and what can be done in the same places.

    Words are scored as a convertible static head scores them, or not at all. All other heads can be made anew.
    Whatever classifies sequences can give several labels; an encoder that labels words can parse sentences; what
    finds words behind masks can find the next one.
    """
    types = {plan.head_type for plan in plans if plan.head_type}
    tasks = {HEAD_TYPES[head.task] for head in facts.heads if head.task in HEAD_TYPES and _is_on_base(facts, head)}
    types |= tasks - LANGUAGE_MODELS
    if "classification" in types:
        types.add("multilabel_classification")
    if "tagging" in types and _first_kind(facts) == "encoder":
        types.add("dependency_parsing")
    if "masked_lm" in types:
        types.add("causal_lm")
    return tuple(sorted(types))


def sentence_source(facts: ModelFacts) -> str:
    """What represents a sequence: the pooled output if there is one, else what the static classifier reads."""
    if facts.base_returns_pooled:
        return "pooler"
    for head in facts.heads:
        if head.task in ("sequence_classification", "image_classification") and head.reads not in ("", "all_tokens"):
            return head.reads
    return "last_token" if _first_kind(facts) == "decoder" else "first_token"


def _first_kind(facts: ModelFacts) -> str:
    return next((stack.kind for stack in facts.all_stacks), "encoder")


def _head_plan(facts: ModelFacts, head: Head) -> HeadPlan:
    refusal = next(_obstacles(facts, head), "")
    if refusal:
        return HeadPlan(cls=head.cls, because=refusal, at=place(head.at))
    head_type = HEAD_TYPES[head.task]
    steps = _steps(head)
    through = ", ".join(step.path or step.activation for step in steps)
    reads = head.reads.replace("_", " ")
    modules = _language_model_modules(steps) if head_type in LANGUAGE_MODELS else _positions(steps)
    return HeadPlan(
        cls=head.cls,
        head_type=head_type,
        config=_config(head, head_type, steps),
        modules=modules,
        output_bias=head.output_bias,
        because=f"{head.task} from {reads} through {through}",
        at=place(head.at),
    )


def _obstacles(facts: ModelFacts, head: Head) -> Iterator[str]:
    if not head.task:
        yield "the auto mappings of transformers do not say what it predicts"
        return
    if head.task not in HEAD_TYPES:
        yield f"no flexible head is for {head.task.replace('_', ' ')}"
        return
    if head.why_not:
        yield head.why_not
    if not _is_on_base(facts, head):
        yield f"its base model is {head.base_class}, that of {facts.base_class} holds more"
    head_type = HEAD_TYPES[head.task]
    if head_type in _READS and head.reads not in _READS[head_type]:
        yield "how it makes one vector of a sequence is not what a flexible head does"
    yield from _unlike_modules(head, head_type)


def _unlike_modules(head: Head, head_type: str) -> Iterator[str]:
    """Where the way to the logits is not that of a flexible head."""
    steps = _steps(head)
    way = tuple(step.kind for step in steps)
    linears = way.count("linear")
    if not 1 <= linears <= 2:
        yield f"it has {linears} linear modules, flexible heads have one or two"
    if way not in (_WAYS | _WAYS_WITH_NORM if head_type in LANGUAGE_MODELS else _WAYS):
        yield f"no {head_type} head goes through {', '.join(way)}"
    if any(step.kind == "activation" and not step.activation for step in steps):
        yield "its activation function is not understood"
    if head.scale and head_type not in LANGUAGE_MODELS:
        yield f"its hidden states are multiplied by {head.scale}"
    if head.softcap and head_type not in LANGUAGE_MODELS:
        yield f"its logits are bounded by {head.softcap}"
    if head.scale and (linears > 1 or steps[-1].has_bias or head.output_bias):
        yield f"something is added before it is multiplied by {head.scale}"


def _steps(head: Head) -> list[HeadModule]:
    return [step for step in head.modules if step.kind != "dropout"]


def _is_on_base(facts: ModelFacts, head: Head) -> bool:
    return head.base_class == facts.base_class or _holds_all(facts, head)


def _holds_all(facts: ModelFacts, head: Head) -> bool:
    """A head class that holds every stack itself, as the base class does."""
    return head.base_class == head.cls and set(head.holds) == {stack.path for stack in facts.stacks}


def _config(head: Head, head_type: str, steps: list[HeadModule]) -> dict[str, object]:
    linears = [step for step in steps if step.kind == "linear"]
    config: dict[str, object] = {"head_type": head_type, "layers": len(linears)}
    activation = next((step.activation for step in steps if step.kind == "activation"), "")
    if activation:
        config["activation_function"] = _setting(activation)
    if head_type in LANGUAGE_MODELS:
        config["layer_norm"] = any(step.kind == "norm" for step in steps)
        config["bias"] = linears[-1].has_bias
        return config
    if not linears[-1].has_bias:
        config["bias"] = False
    if head.reads == "pooler":
        config["use_pooler"] = True
    config["dropout_prob"] = _dropout(head)
    return config


def _setting(activation: str) -> object:
    return {"from_config": (activation.removeprefix("config."),)} if activation.startswith("config.") else activation


def _dropout(head: Head) -> object:
    dropout = next((step for step in head.modules if step.kind == "dropout"), None)
    if dropout is None:
        return 0.0
    settings = tuple(rate for rate in dropout.rates if isinstance(rate, str))
    numbers = [rate for rate in dropout.rates if isinstance(rate, float)]
    if not settings:
        return numbers[0] if numbers else 0.0
    return {"from_config": settings, "default": numbers[0]} if numbers else {"from_config": settings}


def _positions(steps: list[HeadModule]) -> tuple[str, ...]:
    """Dropout, linear, activation, dropout, linear: only the linear modules have weights."""
    linears = [step.path for step in steps if step.kind == "linear"]
    return ("", linears[0]) if len(linears) == 1 else ("", linears[0], "", "", linears[1])


def _language_model_modules(steps: list[HeadModule]) -> tuple[str, ...]:
    """Linear, activation, norm, linear; or the one linear module."""
    return tuple(step.path for step in steps)
