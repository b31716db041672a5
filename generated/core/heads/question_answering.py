"""Prediction head: where in the text does the answer start and end?"""

from collections.abc import Mapping
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.loss.loss_utils import ForQuestionAnsweringLoss
from transformers.modeling_outputs import QuestionAnsweringModelOutput, Seq2SeqQuestionAnsweringModelOutput
from transformers.utils import ModelOutput

from generated.core.heads.base import PredictionHead, label_ids


class QuestionAnsweringHead(PredictionHead):
    """Scores every token as the start and as the end of the answer; both logits are (batch, length).

    `start_positions` and `end_positions` are (batch,) token positions; positions outside the text are ignored.
    """

    head_type = "question_answering"
    output_class = QuestionAnsweringModelOutput
    seq2seq_output_class = Seq2SeqQuestionAnsweringModelOutput

    def __init__(
        self,
        model: PreTrainedModel,
        head_name: str,
        num_labels: int = 2,
        layers: int = 1,
        activation_function: str | None = "tanh",
        id2label: Mapping[int | str, str] | None = None,
        dropout_prob: float | None = None,
    ):
        super().__init__(head_name)
        self.config = {
            "head_type": self.head_type,
            "num_labels": num_labels,
            "layers": layers,
            "activation_function": activation_function,
            "label2id": label_ids(id2label, num_labels),
            "dropout_prob": dropout_prob,
        }
        self.build(model)

    def forward(
        self,
        outputs: ModelOutput,
        cls_output: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        return_dict: bool = False,
        start_positions: torch.Tensor | None = None,
        end_positions: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> ModelOutput | tuple[Any, ...]:
        """Predict from the base model's `outputs`; a loss is returned if both positions are given."""
        start_logits, end_logits = super().forward(outputs[0]).unbind(dim=-1)
        loss = ForQuestionAnsweringLoss(start_logits, end_logits, start_positions, end_positions)
        return self.finish(outputs, return_dict, loss=loss, start_logits=start_logits, end_logits=end_logits)

    def get_label_names(self) -> list[str]:
        return ["start_positions", "end_positions"]
