"""The runtime: what adapters are, how they enter a model of transformers, and how they are stored."""

import generated.core.upstream  # noqa: F401 (before anything else: it refuses releases that lack what the rest imports)
