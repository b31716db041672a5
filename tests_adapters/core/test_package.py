"""What importing the package does, and what it does not."""

import subprocess
import sys

import pytest

import generated


WITHOUT_THE_TOOL = """
import sys
sys.modules.update(dict.fromkeys(["click", "jinja2", "libcst"]))  # they are not found, and not imported
"""
USES_AN_ADAPTER = """
import torch
from transformers import BertConfig, BertModel
import generated

sizes = dict(vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48)
model = generated.init(BertModel(BertConfig(**sizes)))
model.add_adapter("task", config="seq_bn")
model.train_adapter("task")
model(torch.arange(10)[None])[0].sum().backward()
assert all(parameter.grad is not None for parameter in model.parameters() if parameter.requires_grad)
"""
ASKS_FOR_ANOTHER_ARCHITECTURE = """
from transformers import StableLmConfig, StableLmModel
import generated

sizes = dict(vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4)
try:
    generated.init(StableLmModel(StableLmConfig(**sizes, intermediate_size=48)))
except generated.core.errors.UnsupportedModelError as error:
    print(error)
"""


def without_the_tool(code: str) -> subprocess.CompletedProcess[str]:
    """Code run where nothing is installed that only adaptergen needs."""
    program = [sys.executable, "-c", WITHOUT_THE_TOOL + code]
    return subprocess.run(program, capture_output=True, text=True, check=True)


def test_adapters_need_nothing_of_the_tool() -> None:
    without_the_tool(USES_AN_ADAPTER)


def test_architectures_that_the_tool_would_be_needed_for() -> None:
    done = without_the_tool(ASKS_FOR_ANOTHER_ARCHITECTURE)
    assert "no adapters are generated in memory by adaptergen: import of libcst" in done.stderr
    assert done.stdout.startswith("no adapters were generated for StableLmModel (")
    assert "run `adaptergen add-model stablelm`, which needs the package adaptergen" in done.stdout


def loaded_after(code: str) -> set[str]:
    """Names of the modules that are loaded after running some code in a fresh interpreter."""
    program = f"import sys\n{code}\nprint(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_nothing_that_takes_long_is_imported_before_it_is_used() -> None:
    """`import transformers` imports none of it either, where `PreTrainedModel` alone takes twice as long."""
    modules = loaded_after("import generated") - loaded_after("import torch, transformers")
    assert {module for module in modules if module.startswith("generated")} == {
        "generated",
        "generated.core",
        "generated.core.errors",
        "generated.core.providers",
        "generated.core.releases",
        "generated.core.version",
        "generated.models",
    }
    assert not {module for module in modules if module.partition(".")[0] in ("torch", "transformers", "accelerate")}


def test_no_architecture_is_imported_before_it_is_used() -> None:
    modules = loaded_after("import generated\ngenerated.init")
    assert "generated.core.init" in modules
    assert not {module for module in modules if module.startswith("generated.models.")}
    modeling = {module for module in modules if ".modeling_" in module and module.startswith("transformers.models.")}
    assert modeling <= {"transformers.models.auto.modeling_auto"}
    assert not {module for module in modules if module.partition(".")[0] in ("adaptergen", "libcst")}


def test_only_the_named_architecture_is_imported() -> None:
    modules = loaded_after("from generated import BertAdapterModel")
    assert {module.split(".")[2] for module in modules if module.startswith("generated.models.")} == {
        "bert",
        "head_conversions",
    }


def test_adapter_models_by_name() -> None:
    assert generated.GPTNeoAdapterModel.__name__ == "GPTNeoAdapterModel"
    assert "BertAdapterModel" in dir(generated)
    assert "init" in dir(generated)
    with pytest.raises(AttributeError, match="no attribute 'WildAdapterModel'"):
        _ = generated.WildAdapterModel


def test_everything_in_all_exists() -> None:
    assert all(hasattr(generated, name) for name in generated.__all__)
    assert set(generated.__all__) <= set(dir(generated))


def test_nothing_else_is_offered() -> None:
    assert not {"importlib", "warn_of_former_name", "annotations"} & set(generated.__all__)
    for name in ("warn_of_former_name", "__wrapped__", "Wild"):
        with pytest.raises(AttributeError, match=f"module 'generated' has no attribute '{name}'"):
            getattr(generated, name)


def test_modules_that_are_imported_are_attributes() -> None:
    program = "import generated\nprint(generated.models.ADAPTER_MODEL_MAPPING_NAMES['bert'], generated.core.__name__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["BertAdapterModel", "generated.core"]
