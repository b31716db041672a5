"""The import path of configurations."""

from generated.core.configuration import *
from generated.core.configuration import __all__ as __all__
