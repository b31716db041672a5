"""What can go wrong with prediction heads, as classes a caller may want to catch."""

from generated.core.errors import AdapterError, HeadMismatchError


class HeadExistsError(AdapterError):
    """A head of this name is already part of the model."""


class HeadNameError(AdapterError):
    """A name that cannot be part of a weight's name."""


class HeadNumberError(AdapterError):
    """Not one active head for each of the parallel adapters."""


class UnknownHeadError(AdapterError):
    """A name that no head of the model has."""


class UnsupportedHeadError(HeadMismatchError):
    """A kind of head that the architecture does not have."""


class HeadConversionError(HeadMismatchError):
    """A head of a transformers class that no flexible head equals."""
