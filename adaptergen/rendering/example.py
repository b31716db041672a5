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
    name, configs = plan.adapter_model.name, tuple(map(quoted, _configs(plan)))
    if not configs:
        return ()
    return (
        f"from {package} import {name}",
        "",
        f'model = {name}.from_pretrained("path/to/{plan.name}")  # a folder, or a checkpoint of the Hub',
        f'model.add_adapter("task", config={configs[0]})',
        *_head_lines(plan),
        'model.train_adapter("task")  # activates it, and freezes all else but a head of that name',
        "print(model.adapter_summary())",
        "",
        'model.save_adapter("adapters/task", "task")',
        'model.load_adapter("adapters/task", load_as="again", set_active=True)',
        *_lines_of_others(configs[1:]),
    )


def _configs(plan: IntegrationPlan) -> list[str]:
    """One configuration of each method; that of invertible adapters has bottleneck adapters in it, too."""
    taken = {method for method, support in plan.methods.items() if support.supported}
    if "bottleneck" not in taken:
        taken.discard("invertible")
    return [config for method, config in CONFIGS.items() if method in taken]


def _head_lines(plan: IntegrationPlan) -> tuple[str, ...]:
    calls = (call for kind, call in HEADS.items() if kind in plan.adapter_model.head_types)
    return tuple(f"model.{call}" for call in calls)[:1]


def _lines_of_others(configs: Sequence[str]) -> tuple[str, ...]:
    if not configs:
        return ()
    loop = layout.entries(0, "for other in ", configs, tail=":")
    return ("", "# and with every other method that it takes", *loop.splitlines(), "    model.add_adapter(other, config=other)")
