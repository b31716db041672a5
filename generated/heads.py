"""The import path of prediction heads."""

from generated.core.flexible_heads import ModelWithFlexibleHeadsAdaptersMixin as ModelWithFlexibleHeadsAdaptersMixin
from generated.core.heads import *
