"""The import path of what scripts for training need."""

from generated.core.training.arguments import AdapterArguments as AdapterArguments
from generated.core.training.arguments import setup_adapter_training as setup_adapter_training
