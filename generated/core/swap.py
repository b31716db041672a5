"""How does an existing module get another class without anyone noticing?

A masquerade is a subclass of the instance's class that carries its name, qualified name and module. What transformers,
accelerate or PyTorch look up by name, by `str(cls)` or by `isinstance` is found as before; pickle and deepcopy rebuild
the class from the two that it is made of.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any

from torch import nn

from generated.core.errors import SwapError


@functools.cache
def masquerade(adapted: type, original: type) -> type:
    """The class that behaves as `adapted` and looks like `original`."""
    disguise = {
        "__module__": original.__module__,
        "__qualname__": original.__qualname__,
        "__doc__": original.__doc__,
        "__init__": _initializer(original),
        "__reduce_ex__": _reduce,
        "_swapped": (adapted, original),
    }
    return types.new_class(
        original.__name__,
        (*_laid_out_as(original), adapted, original),
        exec_body=lambda namespace: namespace.update(disguise),
    )


def _laid_out_as(original: type) -> tuple[type, ...]:
    """
    An instance may change its class only if both keep its attributes in the same way, which the first base decides.
    That of a class which begins with `ABC` or another class whose instances have no attributes is other than that of
    a mixin: an empty class that begins with the same one comes first then.
    """
    base = original
    while base.__dictoffset__:
        base = base.__base__
    return () if base is object else (types.new_class("Layout", (base,)),)


def _initializer(original: type) -> Callable[..., None]:
    """
    What is made of a masquerade, as by `type(model)(config)`, is of the class that it looks like: it is not adapted.
    """

    @functools.wraps(original.__init__)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        if is_swapped(self):  # and of no subclass that somebody has written
            self.__class__ = original
        original.__init__(self, *args, **kwargs)

    return __init__


def is_swapped(module: nn.Module) -> bool:
    return "_swapped" in vars(type(module))


def adapt(module: nn.Module, adapted: type, upstream: type | None = None) -> None:
    """
    Give `module` the class `adapted` and let it create its slots. `restore` takes both back.

    Args:
        adapted: a class that defines `_init_adapter_modules` and methods with hooks.
        upstream: the class whose methods `adapted` holds copies of, if it does.

    Raises:
        SwapError: the methods of `adapted` would not run, or would replace methods of a subclass that differ.
    """
    original = type(module)
    if upstream is not None:
        _refuse_overridden_methods(original, adapted, upstream)
    if "forward" in vars(adapted):
        refuse_instance_forward(module)
    before = _attributes(module)
    module.__class__ = masquerade(adapted, original)
    try:
        module._init_adapter_modules()
    except BaseException:
        _note_attributes_since(before, module)
        restore(module)
        raise
    for name in _note_attributes_since(before, module) & module._modules.keys():
        module._modules[name].train(module.training)
    _rebind_forward(module, original)


def _note_attributes_since(before: set[str], module: nn.Module) -> frozenset[str]:
    """Remember, in the instance, which of its attributes came with the class."""
    created = frozenset(_attributes(module) - before)
    module.__dict__["_adapter_attributes"] = created
    return created


def restore(module: nn.Module) -> None:
    """Undo `adapt`: the class, and everything that came with it."""
    former = type(module)
    _, original = vars(former)["_swapped"]
    for name in module.__dict__.pop("_adapter_attributes"):
        delattr(module, name)
    module.__class__ = original
    _rebind_forward(module, former)


def _attributes(module: nn.Module) -> set[str]:
    return {*module.__dict__, *module._modules}


def _reduce(self: nn.Module, protocol: int) -> tuple[Any, ...]:
    cls = type(self)
    _, _, *state = super(cls, self).__reduce_ex__(max(protocol, 2))
    return (_rebuild, vars(cls)["_swapped"], *state)


def _rebuild(adapted: type, original: type) -> nn.Module:
    cls = masquerade(adapted, original)
    return cls.__new__(cls)


def _refuse_overridden_methods(original: type, adapted: type, upstream: type) -> None:
    """A subclass that redefines a copied method computes something else than the copy does."""
    for name, method in vars(adapted).items():
        if not isinstance(method, types.FunctionType) or not hasattr(upstream, name):
            continue
        if inspect.unwrap(getattr(original, name)) is not inspect.unwrap(getattr(upstream, name)):
            raise SwapError(
                f"{original.__name__} overrides {upstream.__name__}.{name}, so a hook in it would not run; "
                f"load the model with an implementation that uses {upstream.__name__} itself "
                '(for attention: attn_implementation="eager" or "sdpa")'
            )


def refuse_instance_forward(module: nn.Module) -> None:
    """
    Raises:
        SwapError: the forward that runs in the end, below accelerate's hooks, is not the class's own.
    """
    innermost = module.__dict__.get("_old_forward", module.__dict__.get("forward"))
    if innermost is not None and not _is_forward_of(type(module), innermost):
        raise SwapError(
            f"an instance of {type(module).__name__} has a forward of its own, bound before adapters came (tensor "
            "parallelism does this), so a hook in its class would never run; apply adapters first, or load without it"
        )


def _rebind_forward(module: nn.Module, former: type) -> None:
    """Accelerate's device hooks keep the bound forward of a class in `_old_forward`, and leave it as `forward`."""
    for name in ("forward", "_old_forward"):
        if _is_forward_of(former, module.__dict__.get(name)):
            setattr(module, name, types.MethodType(type(module).forward, module))


def _is_forward_of(cls: type, bound: object) -> bool:
    return isinstance(bound, types.MethodType) and bound.__func__ is cls.forward
