"""The runtime: what adapters are, how they enter a model of transformers, and how they are stored."""
