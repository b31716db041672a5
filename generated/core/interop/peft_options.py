"""Which options of a PEFT configuration are understood? All others have to be switched off: nothing is ignored."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generated.core.errors import AdapterFileError


# Of no consequence for the weights in the file: which module they are for is written in their names.
HARMLESS = frozenset(
    {
        "auto_mapping",
        "base_model_name_or_path",
        "corda_config",
        "ensure_weight_tying",
        "eva_config",
        "exclude_modules",
        "fan_in_fan_out",
        "inference_mode",
        "init_ia3_weights",
        "layers_pattern",
        "layers_to_transform",
        "loftq_config",
        "lora_ga_config",
        "megatron_core",
        "modules_to_save",
        "peft_type",
        "peft_version",
        "qalora_group_size",
        "revision",
        "runtime_config",
        "target_modules",
        "task_type",
    }
)
UNDERSTOOD = {
    "LORA": frozenset(
        {"alpha_pattern", "lora_alpha", "lora_dropout", "r", "rank_pattern", "use_dora", "use_rslora"}
        | {"bias", "init_lora_weights"}
    ),
    "IA3": frozenset({"feedforward_modules"}),
}
# Other ways to initialise change the weights of the base model, too, and the file does not hold these.
INITIALISATIONS_BESIDE_THE_BASE = (None, True, False, "gaussian", "eva", "orthogonal")

_QUANTIFIER = re.compile(r"[*+?{]")
_QUANTIFIED_GROUP = re.compile(r"\)[*+?{]")


def refuse_options(options: Mapping[str, Any], path: Path) -> None:
    """
    Raises:
        AdapterFileError: an option asks for what is not implemented here. All of them are named.
    """
    kind = options.get("peft_type")
    if kind not in UNDERSTOOD:
        known = " and ".join(UNDERSTOOD)
        raise AdapterFileError(f"{path} is of PEFT's type {kind!r}; what can be read is {known}")
    known = HARMLESS | UNDERSTOOD[kind]
    wrong = [f"{name}={value!r}" for name, value in options.items() if value and name not in known]
    if options.get("bias", "none") != "none":
        wrong.append(f"bias={options['bias']!r} (biases of the base model that were trained)")
    if options.get("init_lora_weights") not in INITIALISATIONS_BESIDE_THE_BASE:
        wrong.append(
            f"init_lora_weights={options['init_lora_weights']!r} (it changes the base model; convert the adapter with "
            "PEFT's `path_initial_model_for_weight_conversion`)"
        )
    if wrong:
        raise AdapterFileError(f"{path} asks for what is not supported: {', '.join(wrong)}")


def scaling_numerator(options: Mapping[str, Any], module: str, rank: int) -> float:
    """`alpha` of our configuration, whose scaling is alpha / rank, for one module of a PEFT file."""
    alpha = _of_module(options.get("alpha_pattern"), module, options.get("lora_alpha", 8))
    if not isinstance(alpha, int | float):
        raise AdapterFileError(f"lora_alpha is {alpha!r}, must be a number")
    return alpha * math.sqrt(rank) if options.get("use_rslora") else alpha


def usual_and_others(values: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The value that most paths have, and the paths that have another."""
    usual = Counter(values.values()).most_common(1)[0][0]
    return usual, {path: value for path, value in values.items() if value != usual}


def _of_module(pattern: Mapping[str, Any] | None, module: str, usual: Any) -> Any:
    """The value of the first regular expression that fits the end of the module's path."""
    for expression, value in (pattern or {}).items():
        if re.match(rf"(?:.*\.)?(?:{_checked(expression)})$", module):
            return value
    return usual


def _checked(expression: str) -> str:
    """
    A regular expression from a file, if trying it takes no time to speak of.

    Raises:
        AdapterFileError: it is none, or one that might run for ever.
    """
    if len(_QUANTIFIER.findall(expression)) > 3 or _QUANTIFIED_GROUP.search(expression):
        raise AdapterFileError(f"alpha_pattern has {expression!r}, which is too involved; name the modules instead")
    try:
        re.compile(expression)
    except re.error as error:
        raise AdapterFileError(f"alpha_pattern has {expression!r}, which is no regular expression: {error}") from error
    return expression
