"""The library `adapters` 1.3: an integration in its own layout, as a pull request for its maintainers.

What is analysed and planned is the same; this package says where `adapters` wants it, and what it has no place for.
"""

from adaptergen.profiles.adapters_library.checkout import Checkout, check_transformers, find_checkout
from adaptergen.profiles.adapters_library.writing import LibraryIntegration, library_changes, library_integration


__all__ = [
    "Checkout",
    "LibraryIntegration",
    "check_transformers",
    "find_checkout",
    "library_changes",
    "library_integration",
]
