"""Is an architecture called as upstream writes its name, and not as something else that upstream speaks of?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adaptergen.pipeline import integrate
from tests_adapters.generator.case import CASES
from tests_adapters.generator.trees import made_up_transformers


@pytest.mark.parametrize(
    ("modeling", "configuration", "title"),
    [
        ("PyTorch CaSe model.", "CASE model configuration", "CaSe"),
        ("PyTorch OpenAI CA-SE model, for text", "Case configuration", "CA-SE"),
        ("PyTorch CaseModel model, ported from C++.", "CASE model configuration", "CASE"),  # a class
        ("PyTorch BERT model specific for cases.", "CASE configuration", "CASE"),  # another architecture
        ("", "somebody model configuration", "Case"),
        ("", "", "Case"),
    ],
)
def test_titles(tmp_path: Path, modeling: str, configuration: str, title: str) -> None:
    files = {"modeling_case.py": modeling, "configuration_case.py": configuration}
    texts = {
        name: re.sub(r'^""".*?"""', f'"""{docstring}"""' if docstring else "", (CASES / "pre_norm" / name).read_text())
        for name, docstring in files.items()
    }
    upstream = made_up_transformers(tmp_path, texts)
    assert integrate(upstream.find("case"), upstream).plan.title == title
