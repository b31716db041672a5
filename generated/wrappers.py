"""The import path of what prepares a model for adapters."""

from generated.core.init import deinit, init, load_model


__all__ = ["deinit", "init", "load_model"]
