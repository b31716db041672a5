"""What can go wrong, as classes that a caller may want to catch. Messages say what to do next."""


class AdapterError(ValueError):
    """Base of every error that this package raises about adapters."""


class AdapterConfigError(AdapterError):
    """An adapter configuration that names nothing known or contradicts itself."""


class AdapterExistsError(AdapterError):
    """An adapter of this name is already part of the model."""


class AdapterFileError(AdapterError):
    """An adapter folder that cannot be read, or does not fit the model."""


class EmbeddingsError(AdapterError):
    """Embeddings that are not there, cannot be read, or do not fit the model."""


class HeadMismatchError(AdapterFileError):
    """A stored prediction head of another model class than the one that should take it."""


class ModelInUseError(AdapterError):
    """A model whose setup another thread has changed for the time of a block of code."""


class NotInitializedError(AdapterError):
    """A model to which `generated.init` was not applied."""


class StaleModuleError(AdapterError):
    """A generated module that was made from another modeling file than the installed one."""


class SwapError(AdapterError):
    """A module whose class cannot be exchanged, so that a hook in it would never run."""


class TrainingSetupError(AdapterError):
    """A model that is not ready for the training of adapters."""


class UnknownAdapterError(AdapterError):
    """A name that no adapter of the model has."""


class UnsupportedCompositionError(AdapterError):
    """A composition block that the runtime, or a method in the setup, does not implement."""


class UnsupportedMethodError(AdapterError):
    """A method that the model's architecture, or this site of it, cannot take."""


class UnsupportedModelError(AdapterError):
    """A model class without a generated module."""
