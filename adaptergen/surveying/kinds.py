"""What sort of architecture is it: from what does it read, how is it built, and has it attention of its own?

The answers come from the syntax of the modeling file and from the auto mappings; nothing is followed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Literal

from msgspec import Struct


Group = Literal["attention", "combines", "no_attention", "no_auto_class"]

COMPUTES_ATTENTION = frozenset(
    {
        "ALL_ATTENTION_FUNCTIONS",
        "MultiheadAttention",
        "flash_attn_func",
        "flex_attention",
        "multi_head_attention_forward",
        "scaled_dot_product_attention",
    }
)
MAKES_MODELS = re.compile(r"Auto(Model|Backbone)\w*|load_backbone")
MODEL_CLASS = re.compile(r"[A-Z]\w*(Model|Encoder|Decoder|For[A-Z]\w*|Backbone)")
MODALITY_OF_PARAMETER = {
    "input_ids": "text",
    "pixel_values": "image",
    "flattened_patches": "image",
    "pixel_values_videos": "video",
    "input_values": "audio",
    "input_features": "audio",
    "audio_codes": "audio",
    "past_values": "time",
}
ORDER = ("text", "image", "video", "audio", "time")
SPEECH_TASKS = re.compile(r"SPEECH_SEQ_2_SEQ|CTC|RNNT|TDT|TEXT_TO_SPECTROGRAM|TEXT_TO_WAVEFORM|AUDIO_\w+")
LANGUAGE_TASKS = re.compile(r"MULTIMODAL_LM|IMAGE_TEXT_TO_TEXT")
TAKES_TEXT = re.compile(r"(decoder_)?input_ids|inputs_embeds|text_\w+")


class Kind(Struct, frozen=True):
    """
    Args:
        group: "attention" is what a survey counts: attention in the file's own code, and an Auto class for it.
        family: how such models are called together, e.g. "text decoder" or "vision".
        modality: what it reads, e.g. "image + text".
    """

    group: Group
    family: str
    modality: str


def kind_of(tree: ast.Module, tasks: Mapping[str, frozenset[str]]) -> Kind:
    """
    The kind of a modeling file.

    Args:
        tree: of the file.
        tasks: class → the auto mappings that name it, e.g. "FOR_CAUSAL_LM" ("" is the one of base models).
    """
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    public = [name for name in classes if name in tasks]
    found = frozenset().union(*(_modalities(name, classes) for name in public))
    if not any(map(TAKES_TEXT.fullmatch, (p for name in public for p in _parameters(name, classes)))):
        found -= {"text"}
    modalities = tuple(each for each in ORDER if each in found)
    of_file = frozenset().union(*(tasks[name] for name in public))
    family = _family(modalities, of_file, public, classes)
    return Kind(_group(tree, bool(public)), family, " + ".join(modalities) or "other")


def _group(tree: ast.Module, has_auto_class: bool) -> Group:
    if _computes_attention(tree):
        return "attention" if has_auto_class else "no_auto_class"
    return "combines" if _makes_other_models(tree) else "no_attention"


def _computes_attention(tree: ast.Module) -> bool:
    """It calls one of the library's functions, or something named after attention weighs or compares by itself."""
    if COMPUTES_ATTENTION & set(_names(tree)):
        return True
    hosts = [node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    named = (host for host in hosts if re.search(r"attention|attn", host.name, re.IGNORECASE))
    return any(_weighs(set(_names(host))) for host in named)


def _weighs(names: Collection[str]) -> bool:
    """Does it take a softmax, or tell queries from keys and values?"""
    parts = {part for name in names for part in name.lower().split("_")}
    return any("softmax" in part for part in parts) or parts >= {"query", "key", "value"}


def _names(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            yield inner.id
        elif isinstance(inner, ast.Attribute):
            yield inner.attr


def _makes_other_models(tree: ast.Module) -> bool:
    """It imports what makes models of a configuration, or the model classes of another architecture."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom):
            continue
        for alias in node.names:
            if MAKES_MODELS.fullmatch(alias.name):
                return True
            if re.search(r"\bmodeling_(?!auto)", node.module or "") and MODEL_CLASS.fullmatch(alias.name):
                of_library = re.search(r"modeling_(utils|outputs|layers|rope_utils)$", node.module or "")
                if not of_library:
                    return True
    return False


def _lineage(name: str, classes: Mapping[str, ast.ClassDef]) -> Iterator[ast.ClassDef]:
    """A class and those of its ancestors that are in the file, nearest first."""
    seen: list[str] = []
    waiting = [name]
    while waiting:
        current = waiting.pop(0)
        if current in classes and current not in seen:
            seen.append(current)
            yield classes[current]
            waiting.extend(base.id for base in classes[current].bases if isinstance(base, ast.Name))


def _modalities(name: str, classes: Mapping[str, ast.ClassDef]) -> frozenset[str]:
    """What a class says it reads; if it does not say, what its forward takes."""
    for cls in _lineage(name, classes):
        for statement in cls.body:
            match statement:
                case ast.Assign(targets=[ast.Name(id="input_modalities")], value=value):
                    declared = ast.literal_eval(value)
                    return frozenset([declared] if isinstance(declared, str) else declared)
    return frozenset(MODALITY_OF_PARAMETER[p] for p in _parameters(name, classes) if p in MODALITY_OF_PARAMETER)


def _parameters(name: str, classes: Mapping[str, ast.ClassDef]) -> frozenset[str]:
    for cls in _lineage(name, classes):
        for statement in cls.body:
            if isinstance(statement, ast.FunctionDef) and statement.name == "forward":
                return frozenset(argument.arg for argument in statement.args.args)
    return frozenset()


def _family(
    modalities: tuple[str, ...], tasks: Collection[str], public: Iterable[str], classes: Mapping[str, ast.ClassDef]
) -> str:
    found = set(modalities)
    speaks = any(map(SPEECH_TASKS.search, tasks)) and not any(map(LANGUAGE_TASKS.search, tasks))
    if found == {"time"}:
        return "time series"
    if found == {"text"} and not speaks:
        takes_target = any("decoder_input_ids" in _parameters(name, classes) for name in public)
        return f"text {_structure(tasks, takes_target)}"
    if found and found <= {"image", "video"}:
        return "vision"
    if found == {"audio"} or (found and found <= {"audio", "text"} and speaks):
        return "audio"
    return "multimodal" if found else "other"


def _structure(tasks: Collection[str], takes_target: bool) -> str:
    if takes_target or "FOR_SEQ_TO_SEQ_CAUSAL_LM" in tasks:
        return "encoder-decoder"
    return "decoder" if "FOR_CAUSAL_LM" in tasks and "FOR_MASKED_LM" not in tasks else "encoder"
