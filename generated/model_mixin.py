"""The import path of the classes that give models their methods."""

from generated.core.mixins import *
from generated.core.mixins import __all__ as __all__
