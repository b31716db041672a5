"""Prediction head: which word does each word depend on, and how?

Every word is compared with every word, and with the sentence itself, by a biaffine form (Dozat and Manning, 2017,
https://arxiv.org/abs/1611.01734) directly on the encoder's states (Glavaš and Vulić, 2021,
https://arxiv.org/abs/2008.06788).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from generated.core.config_names import config_value
from generated.core.heads.base import PredictionHead, label_ids


@dataclass
class DependencyParsingOutput(ModelOutput):
    """What a dependency parsing head returns.

    Attributes:
        loss: cross-entropy of the heads plus that of the relations.
        rel_preds: (batch, length, length + 1, num_labels) scores of each relation between a word and its head.
        arc_preds: (batch, length, length + 1) scores of each head of a word; head 0 is the root.
    """

    loss: torch.Tensor | None = None
    rel_preds: torch.Tensor | None = None
    arc_preds: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None


class Biaffine(nn.Module):
    """Scores pairs of vectors: s_o(x, y) = [x; 1]ᵀ W_o [y; 1], or without the 1 beside y.

    Args:
        width: of x and y.
        outputs: number of scores for each pair.
        bias_y: append a 1 to y.
    """

    def __init__(self, width: int, outputs: int = 1, *, bias_y: bool):
        super().__init__()
        self.bias_y = bias_y
        self.weight = nn.Parameter(torch.zeros(outputs, width + 1, width + bias_y))

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """(batch, n, width) and (batch, m, width) to (batch, outputs, n, m)."""
        x = F.pad(x, (0, 1), value=1.0)
        y = F.pad(y, (0, 1), value=1.0) if self.bias_y else y
        return torch.einsum("bxi,oij,byj->boxy", x, self.weight, y)


class BiaffineParsingHead(PredictionHead):
    """Scores the head of every word, and the relation to it.

    A word is the mean of its tokens. `word_starts` is (batch, words + 1): the first token of each word, and the token
    after the last word; what follows does not increase and is padding. `labels_arcs` are (batch, length) numbers of
    heads, counted from 1, with 0 for the root, and `labels_rels` (batch, length) relations. Words beyond the last and
    negative labels are not learned from.
    """

    head_type = "dependency_parsing"
    output_class = DependencyParsingOutput

    def __init__(
        self,
        model: PreTrainedModel,
        head_name: str,
        num_labels: int = 2,
        id2label: Mapping[int | str, str] | None = None,
    ):
        super().__init__(head_name)
        self.config = {
            "head_type": self.head_type,
            "num_labels": num_labels,
            "label2id": label_ids(id2label, num_labels),
        }
        self.build(model)

    def create_layers(self, config: PreTrainedConfig) -> None:
        width = config_value(config, "hidden_size")
        self.biaffine_arcs = Biaffine(width, bias_y=False)
        self.biaffine_rels = Biaffine(width, self.config["num_labels"], bias_y=True)
        self.dropout = nn.Dropout(self.dropout_probability(config))

    def forward(
        self,
        outputs: ModelOutput,
        cls_output: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        return_dict: bool = False,
        word_starts: torch.Tensor | None = None,
        labels_arcs: torch.Tensor | None = None,
        labels_rels: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> ModelOutput | tuple[Any, ...]:
        """Predict from the base model's `outputs`; a loss is returned if both kinds of labels are given.

        Raises:
            ValueError: no `word_starts`.
        """
        if word_starts is None:
            raise ValueError(f"the head '{self.name}' parses words: pass word_starts, the first token of each")
        tokens = self.dropout(outputs[0])
        is_word, words = mean_of_words(tokens, word_starts.to(tokens.device))
        candidates = torch.cat([tokens[:, :1], words], dim=1)
        arcs = self.biaffine_arcs(words, candidates).squeeze(1)
        relations = self.biaffine_rels(words, candidates).permute(0, 2, 3, 1)
        loss = None
        if labels_arcs is not None and labels_rels is not None:
            loss = parsing_loss(arcs, relations, is_word, labels_arcs.to(arcs.device), labels_rels.to(arcs.device))
        return self.finish(outputs, return_dict, loss=loss, rel_preds=relations, arc_preds=arcs)

    def get_label_names(self) -> list[str]:
        return ["labels_arcs", "labels_rels"]

    def argument_names(self) -> tuple[str, ...]:
        return ("word_starts", "labels_arcs", "labels_rels")


def mean_of_words(tokens: torch.Tensor, word_starts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Which of as many places as there are tokens hold a word, (batch, length), and the mean of its tokens.

    Args:
        tokens: (batch, length, hidden).
        word_starts: (batch, words + 1), see `BiaffineParsingHead`.
    """
    length = tokens.size(1)
    starts = F.pad(word_starts, (0, max(0, length + 1 - word_starts.size(1))), value=-1)[:, : length + 1]
    first, end = starts[:, :-1], starts[:, 1:]
    is_word = (first >= 0) & (first < length) & (end > first)
    position = torch.arange(length, device=tokens.device)
    is_part = is_word[..., None] & (position >= first[..., None]) & (position < end[..., None])
    share = is_part.to(tokens.dtype)
    share = share / share.sum(dim=-1, keepdim=True).clamp(min=1)
    return is_word, share @ tokens


def parsing_loss(
    arcs: torch.Tensor,
    relations: torch.Tensor,
    is_word: torch.Tensor,
    labels_arcs: torch.Tensor,
    labels_rels: torch.Tensor,
) -> torch.Tensor:
    """Mean cross-entropy of the heads, plus that of the relations to the true heads; 0 if there is no word.

    Raises:
        ValueError: the labels are not (batch, length).
    """
    if not labels_arcs.shape == labels_rels.shape == is_word.shape:
        shapes = f"{tuple(labels_arcs.shape)} and {tuple(labels_rels.shape)}"
        raise ValueError(f"labels_arcs and labels_rels are {shapes}; pad both with -100 to {tuple(is_word.shape)}")
    is_known = is_word & (labels_arcs >= 0)
    count = is_known.sum().clamp(min=1)
    heads = labels_arcs.masked_fill(~is_known, 0)
    chosen = heads[..., None, None].expand(*heads.shape, 1, relations.size(-1))
    relations = relations.gather(2, chosen).squeeze(2)
    arc_loss = F.cross_entropy(arcs.flatten(0, 1), heads.masked_fill(~is_known, -100).flatten(), reduction="sum")
    targets = labels_rels.masked_fill(~is_known, -100).flatten()
    return (arc_loss + F.cross_entropy(relations.flatten(0, 1), targets, reduction="sum")) / count
