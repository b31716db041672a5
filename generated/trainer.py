"""The import path of trainers."""

from generated.core.training.trainer import AdapterTrainer as AdapterTrainer
from generated.core.training.trainer import AdapterTrainerCallback as AdapterTrainerCallback
from generated.core.training.trainer import Seq2SeqAdapterTrainer as Seq2SeqAdapterTrainer
