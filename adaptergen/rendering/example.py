"""The example on the page of an architecture: a model is loaded, takes every method that it can, and is saved."""

from __future__ import annotations

from collections.abc import Sequence

from adaptergen.plan import IntegrationPlan
from adaptergen.rendering import layout
from adaptergen.rendering.environment import quoted


# What each method is called by in `add_adapter`.
CONFIGS = {
    "bottleneck": "seq_bn",
    "lora": "lora",
    "ia3": "ia3",
    "prefix_tuning": "prefix_tuning",
    "invertible": "seq_bn_inv",
    "reft": "loreft",
    "prompt_tuning": "prompt_tuning",
}

# How a head is added, the most usual first.
HEADS = {
    "classification": 'add_classification_head("task", num_labels=2)',
    "image_classification": 'add_image_classification_head("task", num_labels=2)',
    "seq2seq_lm": 'add_seq2seq_lm_head("task")',
    "causal_lm": 'add_causal_lm_head("task")',
    "masked_lm": 'add_masked_lm_head("task")',
}


def example_lines(plan: IntegrationPlan, package: str) -> tuple[str, ...]:
    """A Python program; the tests run it with a small model in the folder that it names.

    Nothing if the architecture takes no method.
    """
    configs = tuple(map(quoted, configs_of(plan)))
    if not configs:
        return ()
    return (
        *_lines_of_model(plan, package),
        f'model.add_adapter("task", config={configs[0]})',
        *_head_lines(plan),
        'model.train_adapter("task")  # activates it, and freezes all else but its head',
        "print(model.adapter_summary())",
        "",
        'model.save_adapter("adapters/task", "task")',
        'model.load_adapter("adapters/task", load_as="again", set_active=True)',
        *_lines_of_others(configs[1:]),
    )


def _lines_of_model(plan: IntegrationPlan, package: str) -> tuple[str, ...]:
    """The class that heads can be added to, or upstream's own where there are none."""
    where = "# from a folder, or from the Hub by its name there"
    load = f'from_pretrained("path/to/{plan.name}")'
    if plan.adapter_model.head_types:
        name = plan.adapter_model.name
        return f"from {package} import {name}", "", where, f"model = {name}.{load}"
    name, module = plan.classes.base, plan.source.module
    origin = "transformers" if module.startswith("transformers.") else module
    imports = sorted((f"import {package}", f"from {origin} import {name}"), key=lambda line: line.startswith("from"))
    return *imports, "", where, f"model = {package}.init({name}.{load})"


def configs_of(plan: IntegrationPlan) -> list[str]:
    """One configuration of each method; that of invertible adapters has bottleneck adapters in it, too."""
    taken = {method for method, support in plan.methods.items() if support.supported}
    if "bottleneck" not in taken:
        taken.discard("invertible")
    return [_lora(plan) if method == "lora" else config for method, config in CONFIGS.items() if method in taken]


def _lora(plan: IntegrationPlan) -> str:
    """LoRA adapts queries and values by default; where their projections are not known, others have to be named."""
    roles = {role for layer in plan.layers for place in layer.projections for role in place.roles}
    if not roles or roles & {"q", "v"}:
        return "lora"
    of_attention = [role for role in ("k", "o") if role in roles]
    if of_attention:
        return f"lora[attn_matrices={of_attention}]"
    return "lora[selfattn_lora=False,intermediate_lora=True,output_lora=True]"


def _head_lines(plan: IntegrationPlan) -> tuple[str, ...]:
    calls = (call for kind, call in HEADS.items() if kind in plan.adapter_model.head_types)
    return tuple(f"model.{call}" for call in calls)[:1]


def _lines_of_others(configs: Sequence[str]) -> tuple[str, ...]:
    if not configs:
        return ()
    loop = layout.entries(0, "for other in ", configs, tail=":")
    return (
        "",
        "# and with every other method that it takes",
        *loop.splitlines(),
        "    model.add_adapter(other, config=other)",
    )
