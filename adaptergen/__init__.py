"""Adapters for Hugging Face models, generated from their own modeling files."""

__version__: str


def __getattr__(name: str) -> str:
    """`__version__`, that of the installed distribution; nothing looks for it before it is asked for."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("adaptergen")
