"""How do adapters get here from elsewhere, and from here to the Hub?"""

from generated.core.hub.fetching import fetched


__all__ = ["fetched"]
