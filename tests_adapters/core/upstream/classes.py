"""Classes whose models are prepared for adapters, for tests that call `cls(config)` and `cls.from_pretrained`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import PreTrainedModel

from adaptergen.verify.adapters import AdapterForm, has_place, parameters
from adaptergen.verify.outputs import same_numbers
from adaptergen.verify.proof import first_forms
from adaptergen.verify.subjects import Subject


# Methods that make a text longer or attention wider: what upstream's tests say of shapes does not hold with them. And
# (IA)³, which does not share a projection with LoRA.
OTHERS = ("prefix_tuning", "prompt_tuning", "ia3")
SPREAD = 0.05  # of random weights: several adapters act at once; with 0.1, T5 in half precision is 5.2e-3 from eager


def finished(
    cls: type[PreTrainedModel], finish: Callable[[PreTrainedModel], PreTrainedModel]
) -> type[PreTrainedModel]:
    """A class that looks like `cls`, each of whose models is what `finish` makes of one of `cls`."""

    def __new__(_: type, *args: Any, **kwargs: Any) -> PreTrainedModel:
        return finish(cls(*args, **kwargs))  # not an instance of the new class, so that it is not initialised again

    def loaded(_: type, *args: Any, **kwargs: Any) -> Any:
        model, *info = made if isinstance(made := cls.from_pretrained(*args, **kwargs), tuple) else (made,)
        return (finish(model), *info) if info else finish(model)

    def configured(_: type, *args: Any, **kwargs: Any) -> PreTrainedModel:
        return finish(cls._from_config(*args, **kwargs))

    members = {
        "__new__": __new__,
        "from_pretrained": classmethod(loaded),
        "_from_config": classmethod(configured),
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
    }
    return type(cls)(cls.__name__, (cls,), members)


def forms_together(subject: Subject) -> tuple[AdapterForm, ...]:
    """One form of each method that keeps lengths and goes together with others, as far as the class takes it."""
    forms = (form for form in first_forms(subject.case) if form.method not in OTHERS)
    return tuple(form for form in forms if has_place(subject, form))


def with_adapters(runtime: Any, forms: Sequence[AdapterForm], model: PreTrainedModel) -> PreTrainedModel:
    """
    The model with an adapter of each form: all of them active, none idle, and the same in each model. A model without
    values gets none: `from_pretrained` gives it some first.
    """
    runtime.init(model)
    if any(parameter.is_meta for parameter in model.parameters()) or torch.empty(0).is_meta:
        return model
    names = [form.method for form in forms]
    order = sorted(names, key=lambda method: method != "invertible")  # of a stack the first acts on embeddings
    with same_numbers():
        for name, form in zip(names, forms, strict=True):
            model.add_adapter(name, config=form.make(runtime))
            for parameter in parameters(model, name).values():
                parameter.data.normal_(std=SPREAD)
    if names:
        model.set_active_adapters(runtime.Stack(*order))
    return model
