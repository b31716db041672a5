"""What happens in the forward pass of an adapter model?

arguments ──► base model ──► outputs ──► the named head, or the active ones ──► loss and predictions
"""

from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from transformers.utils import ModelOutput

from generated.core.composition import BatchSplit
from generated.core.heads.base import PredictionHead
from generated.core.heads.division import Share, shares
from generated.core.heads.language_modeling import LanguageModelingHead
from generated.core.heads.multiple_choice import MultipleChoiceHead
from generated.core.heads.outputs import MultiHeadOutput
from generated.core.heads.sentence import sentence_representation


TARGETS = ("labels", "start_positions", "end_positions", "labels_arcs", "labels_rels")
RECORDED = ("output_attentions", "output_hidden_states")  # where None is given, transformers asks no configuration
NOT_PER_EXAMPLE = ("logits_to_keep", "num_items_in_batch")


class HeadForwardMixin:
    """Runs the base model, and then heads on what it returns.

    Attributes:
        lm_scale: factor between the base model's hidden states and its language modeling heads.
        logit_softcap: bound of what its language modeling heads return; `None` for none.
    """

    lm_scale: float = 1.0
    logit_softcap: float | None = None

    def forward_base_and_head(self, head: str | None, **arguments: Any) -> ModelOutput | tuple[Any, ...]:
        """Run the base model, then the head called `head`, by default the active ones.

        Args:
            arguments: all other arguments of `forward`: targets and options of the heads
                (`PredictionHead.argument_names`), `return_dict`, and everything else for the base model.

        Raises:
            ValueError: targets are given, but there is no head to compare them with.
        """
        heads = self.used_heads(head)
        head_arguments = _take(arguments, (name for used in heads for name in used.argument_names()))
        return_dict = _take(arguments, ["return_dict"]).get("return_dict", self.config.return_dict)
        arguments |= _take(arguments, RECORDED)
        unused = _take(arguments, TARGETS)
        if unused:
            names = ", ".join(used.name for used in heads)
            takes = f"the active head {names} does not take them" if heads else "no head is active"
            raise ValueError(f"{', '.join(unused)} were given, but {takes}. Set model.active_head, or pass head=...")
        if any(isinstance(used, MultipleChoiceHead) for used in heads):
            arguments, head_arguments["num_choices"] = flatten_choices(arguments)
        outputs = self.base_model(**self.complete_arguments(arguments, heads, head_arguments), return_dict=True)
        if not heads:
            return outputs if return_dict else outputs.to_tuple()
        return self.forward_head(
            outputs,
            head,
            attention_mask=arguments.get("attention_mask"),
            return_dict=return_dict,
            input_ids=arguments.get("input_ids"),
            **head_arguments,
        )

    def complete_arguments(
        self, arguments: dict[str, Any], heads: tuple[PredictionHead, ...], head_arguments: dict[str, Any]
    ) -> dict[str, Any]:
        """What the base model is called with: `arguments`, but without a cache where a loss is computed."""
        if any(name in head_arguments for name in TARGETS) and arguments.get("use_cache", True) is None:
            return {**arguments, "use_cache": False}
        return arguments

    def forward_head(
        self,
        all_outputs: ModelOutput,
        head_name: str | None = None,
        cls_output: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        return_dict: bool = False,
        input_ids: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> ModelOutput | tuple[Any, ...]:
        """Run the head called `head_name`, by default the active ones, on the base model's outputs.

        Args:
            cls_output: (batch, hidden) sentence vectors; by default they are found as `sentence_source` says.
            input_ids: (batch, length) token ids, for the sources that find the sentence vector by looking at them.
            kwargs: targets and options of the head.

        Returns:
            The head's output; a `MultiHeadOutput` if several heads are active; `all_outputs` if none is.

        Raises:
            HeadNumberError: not one head for each of the active parallel adapters.
        """
        heads = self.used_heads(head_name)
        if not heads:
            return all_outputs
        setup = (head_name,) if head_name else self._active_heads
        arguments = {"attention_mask": attention_mask, "input_ids": input_ids, **kwargs}
        outputs = [
            self._run_head(head, share, all_outputs, cls_output, return_dict or len(heads) > 1, arguments)
            for head, share in zip(heads, shares(setup, self.adapted_base.forward_inputs.channels), strict=True)
        ]
        return outputs[0] if len(outputs) == 1 else MultiHeadOutput.of(outputs, all_outputs.get("past_key_values"))

    def _run_head(
        self,
        head: PredictionHead,
        share: Share | None,
        outputs: ModelOutput,
        cls_output: torch.Tensor | None,
        return_dict: bool,
        arguments: dict[str, Any],
    ) -> ModelOutput | tuple[Any, ...]:
        """Run one head on all that the base model returned, or on its share."""
        options = self._language_modeling_options(head, share, outputs[0].size(0))
        if share is not None:
            outputs, cls_output = share.of_outputs(outputs), share.of(cls_output)
            if isinstance(share.block, BatchSplit) or self.adapted_base.forward_inputs.call.is_repeated:
                arguments = {
                    name: value if name in NOT_PER_EXAMPLE else share.of(value) for name, value in arguments.items()
                }
        arguments = dict(arguments)
        input_ids, attention_mask = arguments.pop("input_ids"), arguments.pop("attention_mask")
        sentence = self._sentence(head, outputs, input_ids) if cls_output is None else cls_output
        return head(outputs, sentence, attention_mask, return_dict, **arguments, **options)

    def generate(self, *args: Any, **kwargs: Any) -> Any:
        """As in transformers, with the active head.

        Raises:
            ValueError: no head is active that scores the vocabulary.
        """
        heads = self.used_heads()
        if not heads or any(head.get_output_embeddings() is None for head in heads):
            active = ", ".join(head.name for head in heads) or "none"
            raise ValueError(
                f"to generate, a language modeling head must be active; active now: {active}. Add one, or set "
                "model.active_head"
            )
        return super().generate(*args, **kwargs)

    @property
    def accepts_loss_kwargs(self) -> bool:
        """Whether the Trainer may ask for a loss that is averaged over several batches at once."""
        return self._scores_vocabulary()

    def _supports_logits_to_keep(self) -> bool:
        """Asked by `generate`, which then leaves out the logits of the prompt."""
        return self._scores_vocabulary()

    def _scores_vocabulary(self) -> bool:
        heads = self.used_heads()
        return bool(heads) and all(isinstance(head, LanguageModelingHead) for head in heads)

    def _sentence(
        self, head: PredictionHead, outputs: ModelOutput, input_ids: torch.Tensor | None
    ) -> torch.Tensor | None:
        if not head.reads_sentence:
            return None
        use_pooler = head.config.get("use_pooler", False)
        return sentence_representation(self.sentence_source, outputs, input_ids, self.config, use_pooler)

    def _language_modeling_options(self, head: PredictionHead, share: Share | None, rows: int) -> dict[str, Any]:
        if not isinstance(head, LanguageModelingHead):
            return {}
        return {
            "hidden_scale": self.lm_scale,
            "softcap": self.logit_softcap,
            "undo_invertible": partial(self._undo_invertible, share, rows),
        }

    def _undo_invertible(self, share: Share | None, rows: int, hidden_states: torch.Tensor) -> torch.Tensor:
        """Invertible adapters know which of all `rows` they act on, so a share is put back to where it was."""
        if share is None or self.get_invertible_adapter() is None:
            return self.invertible_adapters_forward(hidden_states, rev=True)
        return share.of(self.invertible_adapters_forward(share.put_back(hidden_states, rows), rev=True))


def flatten_choices(arguments: dict[str, Any]) -> tuple[dict[str, Any], int | None]:
    """Make (batch, choices, …) inputs flat, and say how many choices there are; `None` if they are flat already."""
    input_ids, inputs_embeds = arguments.get("input_ids"), arguments.get("inputs_embeds")
    if inputs_embeds is not None:
        leading = inputs_embeds.shape[:-2]
    else:
        leading = input_ids.shape[:-1] if input_ids is not None else ()
    if len(leading) < 2:
        return arguments, None

    def flatten(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        if value.shape == (1,):  # one for all, such as the language of X-MOD
            return value.repeat(leading.numel())
        return value.flatten(0, 1) if value.shape[:2] == leading else value

    return {name: flatten(value) for name, value in arguments.items()}, leading[1]


def _take(arguments: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Remove the arguments called `names` and return those that were given."""
    taken = {name: arguments.pop(name, None) for name in dict.fromkeys(names)}
    return {name: value for name, value in taken.items() if value is not None}
