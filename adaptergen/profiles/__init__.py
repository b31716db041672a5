"""Other runtimes than our own that an integration can be written for: the same plan, other edits and templates."""

PROFILES = ("adapters",)
