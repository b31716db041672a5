"""With which adapters is an architecture run? Each method in the forms whose code differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import torch
from msgspec import Struct
from torch import nn

from adaptergen.verify.places import core
from adaptergen.verify.subjects import ModelCase, Subject


NAME, OTHER = "proof", "other"
EVERYWHERE = {"mh_adapter": True, "output_adapter": True, "cross_adapter": True}
NOWHERE = dict.fromkeys(EVERYWHERE, False)
SMALL = {"reduction_factor": 4, "non_linearity": "gelu"}
SEED = {"init_weights_seed": 5}
ROLES = {"attn_matrices": ["q", "k", "v", "o"], "mlp_matrices": ["gate", "up", "down"]}

# Heads read the first position or the last: one change for both ends has a say in all of them.
ENDS = {"prefix_positions": 2, "suffix_positions": 1, "tied_weights": True, "r": 2, "dropout": 0.0, **SEED}


class AdapterForm(Struct, frozen=True):
    """
    One form of an adapter method.

    Args:
        label: as people read it.
        method: as plans call it.
        make: gets the runtime package and gives a configuration.
        reads_all: every word of the input has a say in it, padding and future words, too: UniPELT's gates are means
            over the input. Such an adapter cannot promise that a cache changes nothing.
        parallel: reads the input of the sub-layer, so that the last of a stack is the one that counts.
        lengthens: makes the sequence longer than the input, for which a cache of fixed size has no room.
    """

    label: str
    method: str
    make: Callable[[ModuleType], Any]
    reads_all: bool = False
    parallel: bool = False
    lengthens: bool = False


FORMS = (
    AdapterForm("bottleneck", "bottleneck", lambda rt: rt.BnConfig(**EVERYWHERE, **SMALL)),
    AdapterForm(
        "bottleneck (parallel, norms)",
        "bottleneck",
        lambda rt: rt.BnConfig(**EVERYWHERE, **SMALL, is_parallel=True, ln_before=True, ln_after=True),
        parallel=True,
    ),
    AdapterForm(
        "bottleneck (norm of the layer first)",
        "bottleneck",
        lambda rt: rt.BnConfig(**EVERYWHERE, **SMALL, original_ln_before=True, residual_before_ln=False),
    ),
    AdapterForm(
        "bottleneck (hypercomplex)",
        "bottleneck",
        lambda rt: rt.BnConfig(**EVERYWHERE, **SMALL, phm_layer=True, phm_dim=2),
    ),
    AdapterForm("lora", "lora", lambda rt: rt.LoRAConfig(r=4, **ROLES)),
    AdapterForm("lora (dora)", "lora", lambda rt: rt.DoRAConfig(r=4, alpha=8, **ROLES)),
    AdapterForm("lora (vera)", "lora", lambda rt: rt.VeraConfig(r=4, init_weights_seed=5, **ROLES)),
    # The usual sharpness saturates the softmax for weights as large as these, and its gradient with it.
    AdapterForm(
        "lora (mtl)",
        "lora",
        lambda rt: rt.MTLLoRAConfig(r=4, n_up_projection=2, weights_sharpness=1.0, **ROLES),
    ),
    AdapterForm("ia3", "ia3", lambda rt: rt.IA3Config()),
    AdapterForm(
        "prefix_tuning", "prefix_tuning", lambda rt: rt.PrefixTuningConfig(prefix_length=3, bottleneck_size=8)
    ),
    AdapterForm(
        "prefix_tuning (flat, gated)",
        "prefix_tuning",
        lambda rt: rt.PrefixTuningConfig(prefix_length=3, flat=True, use_gating=True),
        reads_all=True,
    ),
    AdapterForm("prefix_tuning (flat)", "prefix_tuning", lambda rt: rt.PrefixTuningConfig(prefix_length=3, flat=True)),
    AdapterForm("invertible (nice)", "invertible", lambda rt: rt.BnConfig(**NOWHERE, **SMALL, **_invertible("nice"))),
    AdapterForm("invertible (glow)", "invertible", lambda rt: rt.BnConfig(**NOWHERE, **SMALL, **_invertible("glow"))),
    AdapterForm("reft (loreft)", "reft", lambda rt: rt.LoReftConfig(**ENDS)),
    # An activation that is flat nowhere: where the head reads one word, gelu may leave nothing of its gradient.
    AdapterForm("reft (direft)", "reft", lambda rt: rt.DiReftConfig(**ENDS, non_linearity="leaky_relu")),
    AdapterForm("prompt_tuning", "prompt_tuning", lambda rt: rt.PromptTuningConfig(prompt_length=3), lengthens=True),
    AdapterForm(
        "prompt_tuning (after the first position)",
        "prompt_tuning",
        lambda rt: rt.PromptTuningConfig(prompt_length=3, combine="prefix_after_bos"),
        lengthens=True,
    ),
)


def _invertible(kind: str) -> dict[str, object]:
    return {"inv_adapter": kind, "inv_adapter_reduction_factor": 2}


def supported_forms(case: ModelCase) -> Iterator[AdapterForm]:
    return (form for form in FORMS if form.method not in case.unsupported)


def has_place(subject: Subject, form: AdapterForm) -> bool:
    """
    Does a class take it? The base class must, while a part of it may be one that the method leaves out. A prompt makes
    words more than the states of an encoder, which not all decoders take.
    """
    if form.method == "prompt_tuning" and subject.layout.ties_lengths:
        return False
    if not subject.is_part:
        return True
    try:
        subject.initialized().add_adapter(NAME, config=form.make(subject.case.runtime))
    except core(subject.case.runtime, "errors").UnsupportedMethodError:
        return False
    return True


def add_random(model: nn.Module, case: ModelCase, form: AdapterForm, name: str = NAME, seed: int = 3) -> None:
    """Add and activate an adapter none of whose weights is zero."""
    model.add_adapter(name, config=form.make(case.runtime))
    model.set_active_adapters(name)
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in parameters(model, name).values():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=random))


def parameters(model: nn.Module, name: str = NAME) -> dict[str, nn.Parameter]:
    """The parameters of an adapter by their names in the model."""
    return {key: value for key, value in model.named_parameters() if f".{name}." in f".{key}."}
