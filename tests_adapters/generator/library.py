"""What tests of the profile for `adapters` work on: a made-up copy of that library, and the transformers it pins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from adaptergen.upstream import Upstream
from tests_adapters.generator.case import CASES
from tests_adapters.generator.trees import AUTO_MAPPINGS, made_up_transformers, write_all


PACKAGE = {
    "__init__.py": """\
__version__ = "1.3.0"

_import_structure = {
    "composition": ["Stack"],
    "models.albert": ["AlbertAdapterModel"],
    "models.llama": ["LlamaAdapterModel"],
    "trainer": ["AdapterTrainer"],
}


if TYPE_CHECKING:
    from .composition import Stack
    from .models.albert import AlbertAdapterModel
    from .models.llama import LlamaAdapterModel
    from .trainer import AdapterTrainer
""",
    "model_mixin.py": "",
    "head_utils.py": """\
STATIC_TO_FLEX_HEAD_MAP = {
    # ALBERT
    "AlbertForTokenClassification": {
        "config": {
            "head_type": "tagging",
        },
        "layers": [None, "classifier"],
    },
}


def get_head_config_and_rename_list():
    pass
""",
    "models/__init__.py": """\
from .albert.mixin_albert import AlbertModelAdaptersMixin
from .llama.mixin_llama import (
    LlamaForQuestionAnsweringAdapterMixin,
    LlamaModelAdapterMixin,
)


# IMPORTANT: Only add classes to this mapping that are not copied into the adapters package
MODEL_MIXIN_MAPPING = {
    "AlbertModel": AlbertModelAdaptersMixin,
    "LlamaModel": LlamaModelAdapterMixin,
    "LlamaForQuestionAnswering": LlamaForQuestionAnsweringAdapterMixin,
}
""",
    "models/auto/adapter_model.py": """\
# Make sure that children are placed before parents!
ADAPTER_MODEL_MAPPING_NAMES = OrderedDict(
    [
        ("albert", "AlbertAdapterModel"),
        ("llama", "LlamaAdapterModel"),
    ]
)
""",
    "models/llama/__init__.py": "",
    "models/llama/modeling_llama.py": "class LlamaAttentionWithAdapters:\n    pass\n",
    "wrappers/configuration.py": """\
CONFIG_CLASS_KEYS_MAPPING = {
    "albert": {
        "classifier_dropout": "classifier_dropout_prob",
    },
    "roberta": {},
}
SUBMODEL_NAMES = {"clip": ["vision_config", "text_config"]}
""",
    "wrappers/interfaces.py": 'CUSTOM_INTERFACES = {\n    "qwen2": AdapterModelInterface(),\n}\n',
}
DOCS = {
    "docs/index.rst": """\
AdapterHub Documentation
========================

.. toctree::
   :caption: Supported Models

   model_overview
   classes/models/albert
   classes/models/llama

.. toctree::
   :caption: Contributing

   contributing
""",
    "docs/model_overview.md": """\
| Model                                   | (Bottleneck)<br> Adapters | Prefix<br> Tuning | Parallel<br> block | ReFT |
| --------------------------------------- | - | - | - | - |
| [ALBERT](classes/models/albert.html)    | ✅ | ✅ | ✅ | ✅ |
| [Llama](classes/models/llama.html)      | ✅ | ✅ | ✅ | ✅ |

(*) If the used encoder and decoder model class are supported.
""",
}


def made_up_checkout(root: Path, edited: Mapping[str, str] | None = None) -> Path:
    """The repository of the library, with two models; `edited` are files of the package that are not as released."""
    texts = {**PACKAGE, **(edited or {})}
    write_all(root, {**{f"src/adapters/{path}": text for path, text in texts.items()}, **DOCS})
    return root


def made_up_copy(root: Path) -> Path:
    """A folder with the package alone."""
    write_all(root, {f"adapters/{path}": text for path, text in PACKAGE.items()})
    return root


def pinned_transformers(folder: Path, case: str, version: str = "4.57.6") -> Upstream:
    """The transformers of the library, whose only model is a case; auto mappings have no file of their own there."""
    modeling = {path.name: path.read_text() for path in (CASES / case).glob("*.py")}
    upstream = made_up_transformers(folder, modeling)
    (upstream.root / "models/auto/auto_mappings.py").unlink()
    mappings = {"models/auto/modeling_auto.py": AUTO_MAPPINGS, "__init__.py": f'__version__ = "{version}"\n'}
    write_all(upstream.root, mappings)
    return Upstream(upstream.root)
