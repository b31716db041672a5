"""How do adapters get here from elsewhere, and from here to the Hub?"""

from generated.core.hub.card import CardTexts, Subject, write_card
from generated.core.hub.fetching import fetched, folders_of_model
from generated.core.hub.pushing import Destination, former_arguments, push
from generated.core.hub.searching import AdapterInfo, get_adapter_info, list_adapters


__all__ = [
    "AdapterInfo",
    "CardTexts",
    "Destination",
    "Subject",
    "fetched",
    "folders_of_model",
    "former_arguments",
    "get_adapter_info",
    "list_adapters",
    "push",
    "write_card",
]
