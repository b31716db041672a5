"""How are hooks of adapters found again? By the module that they belong to: a handle does not survive a copy."""

from __future__ import annotations

from torch import nn


def remove_hooks(owner: nn.Module, module: nn.Module | None) -> None:
    """Take the hooks that are methods of `owner` off `module`."""
    for hooks in (module._forward_hooks, module._forward_pre_hooks) if module is not None else ():
        for key in [key for key, hook in hooks.items() if getattr(hook, "__self__", None) is owner]:
            del hooks[key]
            module._forward_pre_hooks_with_kwargs.pop(key, None)
