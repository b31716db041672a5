"""What tests of the generator work on: a made-up transformers, a project to write into, the state of a folder."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from adaptergen.rendering.regions import REGIONS
from adaptergen.upstream import Upstream


VERSION = "5.23.0"
AUTO_MAPPINGS = """\
CONFIG_MAPPING_NAMES = {"case": "CaseConfig"}
MODEL_MAPPING_NAMES = {"case": "CaseModel"}
MODEL_FOR_CAUSAL_LM_MAPPING_NAMES = {"case": "CaseForCausalLM"}
MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES = {"case": "CaseForConditionalGeneration"}
MODEL_FOR_MASKED_LM_MAPPING_NAMES = {"case": "CaseForMaskedLM"}
MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES = {"case": "CaseForTokenClassification"}
MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES = {"case": "CaseForSequenceClassification"}
"""
MARKERS = {"py": "# {}\n", "rst": ".. {}\n", "md": "<!-- {} -->\n"}
PYPROJECT = '[tool.adaptergen]\npackage = "generated"\ntests = "tests_adapters"\ndocs = "adapter_docs"\n'


def made_up_transformers(folder: Path, modeling: Mapping[str, str]) -> Upstream:
    """A transformers package below the folder whose only model, `case`, has these files (name → text)."""
    root = folder / "transformers"
    write_all(
        root,
        {
            "__init__.py": f'__version__ = "{VERSION}"\n',
            "models/auto/auto_mappings.py": AUTO_MAPPINGS,
            "models/auto/configuration_auto.py": "",
            "models/auto/modeling_auto.py": "",
            **{f"models/case/{name}": text for name, text in modeling.items()},
        },
    )
    return Upstream(root)


def make_project(root: Path, pyproject: str = PYPROJECT) -> Path:
    """A project without models: its settings, and every file that has regions, with nothing in them."""
    texts = {"pyproject.toml": pyproject}
    for region in REGIONS:
        marker = MARKERS[region.path.rpartition(".")[2]]
        empty = "".join(marker.format(f"adaptergen: {edge} {region.name}") for edge in ("begin", "end"))
        texts[region.path] = texts.get(region.path, "") + empty
    write_all(root, texts)
    return root


def write_all(root: Path, texts: Mapping[str, str]) -> None:
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(text.encode())


def copied(source: Path, target: Path) -> Path:
    shutil.copytree(source, target, symlinks=True)
    return target


def fingerprint(root: Path) -> dict[str, str]:
    """Path → digest of every file below the folder; folders without files count, too."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(root.rglob("*"))
        if "__pycache__" not in path.parts and ".git" not in path.relative_to(root).parts
    }
