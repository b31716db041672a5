"""The runtime: what adapters are, how they enter a model of transformers, and how they are stored."""

import generated.core.releases  # noqa: F401 (before anything else: it refuses those that lack what the rest imports)
