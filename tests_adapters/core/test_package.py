"""What importing the package does, and what it does not."""

import subprocess
import sys

import pytest

import generated


def loaded_after(code: str) -> set[str]:
    """Names of the modules that are loaded after running some code in a fresh interpreter."""
    program = f"import sys\n{code}\nprint(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_no_architecture_is_imported_before_it_is_used() -> None:
    modules = loaded_after("import generated")
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
