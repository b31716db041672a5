"""Can anything be trained through a forward, or does it keep no gradients?"""

from __future__ import annotations

import re

import libcst as cst

from adaptergen.source import SourceModule


WITHOUT = r"torch\.(inference_mode|no_grad)(\(\))?"  # decorators


def keeps_no_gradients(source: SourceModule, forward: cst.FunctionDef) -> bool:
    """Is it meant for inference alone, whoever calls it?"""
    return any(re.fullmatch(WITHOUT, source.code(each.decorator)) for each in forward.decorators)
