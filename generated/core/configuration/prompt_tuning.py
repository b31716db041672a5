"""Prompt tuning: how long the prompt is, how it starts, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from generated.core.configuration.base import AdapterConfig, refuse_if, register_architecture, register_identifiers


PROMPT_INITS = ("random_uniform", "from_string")
COMBINATIONS = ("prefix", "prefix_after_bos")
USUAL_SCALE = 0.5


@dataclass(eq=False)
class PromptTuningConfig(AdapterConfig):
    """
    Trained embeddings in front of those of the input (Lester et al., 2021, https://arxiv.org/abs/2104.08691).

    Args:
        prompt_length: number of positions.
        prompt_init: "random_uniform", or "from_string": the embeddings of a text, repeated or cut to the length.
        prompt_init_text: that text.
        random_uniform_scale: random values are between minus and plus this.
        combine: "prefix" puts the prompt in front, "prefix_after_bos" behind the first position.
        init_weights_seed: draw the prompt from this seed.
    """

    architecture: str | None = "prompt_tuning"

    prompt_length: int = 10
    prompt_init: str = "random_uniform"
    prompt_init_text: str | None = None
    random_uniform_scale: float = USUAL_SCALE
    combine: str = "prefix"
    init_weights_seed: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_if(self.prompt_length < 1, f"prompt_length is {self.prompt_length}, must be at least 1")
        for name, known in (("prompt_init", PROMPT_INITS), ("combine", COMBINATIONS)):
            value = getattr(self, name)
            refuse_if(value not in known, f"{name} is {value!r}; known: {', '.join(known)}")
        refuse_if(
            self.prompt_init == "from_string" and not self.prompt_init_text,
            "prompt_init is 'from_string': give the text as prompt_init_text",
        )

    def to_dict(self) -> dict[str, Any]:
        """As the base class. AdapterHub's files do not hold the scale; it is there only if it is another."""
        data = super().to_dict()
        if self.random_uniform_scale == USUAL_SCALE:
            del data["random_uniform_scale"]
        return data


register_architecture("prompt_tuning", PromptTuningConfig)
register_identifiers({"prompt_tuning": PromptTuningConfig})
