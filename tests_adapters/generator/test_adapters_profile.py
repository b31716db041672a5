"""Is a model written for the library `adapters` as its maintainers would write it, and nothing else of theirs touched?

`adapters_profile.diff` is everything that is written for one case; `pytest --write-goldens` writes it anew.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from adaptergen.cli import main
from adaptergen.profiles.adapters_library.registries import Entry, with_entry, with_import
from adaptergen.profiles.adapters_library.tiny import small_arguments
from adaptergen.source import parse_source
from tests_adapters.generator.case import CASES
from tests_adapters.generator.library import PACKAGE, made_up_checkout, made_up_copy, pinned_transformers
from tests_adapters.generator.projects import git
from tests_adapters.generator.trees import fingerprint, write_all


GOLDEN = CASES / "written_for_457" / "adapters_profile.diff"
REGISTRIES = (
    "__init__.py",
    "head_utils.py",
    "models/__init__.py",
    "models/auto/adapter_model.py",
    "wrappers/configuration.py",
)


def add(into: Path, tree: Path, *arguments: str) -> Result:
    """The command in this process; a traceback fails the test."""
    given = ["add-model", "case", "--profile", "adapters", "--into", str(into), "--source-tree", str(tree), *arguments]
    return CliRunner().invoke(main, given, catch_exceptions=False)


def added(into: Path, tree: Path, *arguments: str) -> str:
    result = add(into, tree, *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def refused(into: Path, tree: Path, *arguments: str) -> str:
    """What was said when nothing could be written; nothing was."""
    before = fingerprint(into)
    result = add(into, tree, *arguments)
    assert result.exit_code == 1
    assert fingerprint(into) == before
    return result.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return made_up_checkout(tmp_path / "adapters-checkout")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return pinned_transformers(tmp_path / "pinned", "written_for_457").root


def of_case(tmp_path: Path, case: str) -> Path:
    return pinned_transformers(tmp_path / case, case).root


def test_everything_that_is_written(checkout: Path, tree: Path, write_goldens: bool) -> None:
    diff = added(checkout, tree, "--dry-run")
    if write_goldens:
        GOLDEN.write_text(diff)

    assert diff == GOLDEN.read_text()


def test_the_diff_is_what_is_written(checkout: Path, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "case.diff").write_text(added(checkout, tree, "--dry-run"))
    git(checkout, "init", "--quiet")
    git(checkout, "apply", "../case.diff")

    assert added(checkout, tree) == "nothing to change\n"


def test_a_second_run_changes_nothing(checkout: Path, tree: Path) -> None:
    added(checkout, tree)
    before = fingerprint(checkout)

    assert added(checkout, tree) == "nothing to change\n"
    assert fingerprint(checkout) == before


def test_lines_of_others_stay(checkout: Path, tree: Path) -> None:
    added(checkout, tree)

    for path in (*(f"src/adapters/{registry}" for registry in REGISTRIES), "docs/index.rst", "docs/model_overview.md"):
        lines = (checkout / path).read_text().splitlines()
        before = (made_up_checkout(checkout.parent / "other") / path).read_text().splitlines()
        kept = iter(lines)
        assert all(line in kept for line in before), path  # in their order, with others between them
        assert len(lines) > len(before), path


def test_python_is_valid_and_formatted(checkout: Path, tree: Path) -> None:
    added(checkout, tree)
    written = [*checkout.glob("src/adapters/m*/**/*.py"), *checkout.glob("tests/**/*.py")]
    command = [sys.executable, "-m", "ruff"]

    for path in written:
        ast.parse(path.read_text())
    check = [*command, "check", "--isolated", "--line-length", "119", "--select", "E,F,W", *map(str, written)]
    names = "F821"  # of the registries, which are made up
    assert subprocess.run([*check, "--ignore", names], capture_output=True, text=True, check=False).returncode == 0
    form = [*command, "format", "--isolated", "--line-length", "119", "--check", *map(str, written)]
    assert subprocess.run(form, capture_output=True, text=True, check=False).returncode == 0


def test_a_package_alone_has_no_lists_of_pages(tmp_path: Path, tree: Path) -> None:
    copy = made_up_copy(tmp_path / "copy")
    written = added(copy, tree).splitlines()

    assert "create  adapters/models/case/modeling_case.py" in written
    assert "create  docs/classes/models/case.rst" in written
    assert not [line for line in written if "index.rst" in line or "model_overview" in line]


def test_json_lists_the_changes(checkout: Path, tree: Path) -> None:
    told = json.loads(added(checkout, tree, "--json"))

    assert told["written"] is True
    assert told["problems"] == []
    assert {"path": "tests/test_methods/test_on_case.py", "change": "create"} in told["changes"]


def test_a_model_that_is_there_is_refused(checkout: Path, tree: Path) -> None:
    write_all(checkout, {"src/adapters/models/case/modeling_case.py": "class CaseWithAdapters:\n    pass\n"})

    assert refused(checkout, tree) == (
        "src/adapters/models/case/modeling_case.py: error[present]: adapters has case already, and it is not what "
        "would be written\n"
        "  fix: give a copy of adapters without it: what people wrote there is never overwritten\n"
    )


def test_an_edited_file_of_the_model_is_refused(checkout: Path, tree: Path) -> None:
    added(checkout, tree)
    mixin = checkout / "src/adapters/models/case/mixin_case.py"
    mixin.write_text(f"{mixin.read_text()}\nMINE = 1\n")

    assert "mixin_case.py: error[present]" in refused(checkout, tree)
    assert "error[present]" in refused(checkout, tree, "--force")


def test_a_model_with_an_interface_is_refused(checkout: Path, tree: Path) -> None:
    interfaces = 'CUSTOM_INTERFACES = {\n    "case": AdapterModelInterface(),\n}\n'
    write_all(checkout, {"src/adapters/wrappers/interfaces.py": interfaces})

    assert "error[present]: adapters has an interface for case" in refused(checkout, tree)


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("head_utils.py", "MAP = {}\n", "head_utils.py: error[no-registry]: the table STATIC_TO_FLEX_HEAD_MAP is not"),
        ("models/__init__.py", "MODEL_MIXIN_MAPPING = {}\n", "error[no-registry]: its relative imports are not there"),
        ("models/auto/adapter_model.py", "x = (\n", "adapter_model.py:1: error[not-python]"),
        (
            "models/auto/adapter_model.py",
            'ADAPTER_MODEL_MAPPING_NAMES = OrderedDict(\n    [\n        ("case", "OtherModel"),\n    ]\n)\n',
            "adapter_model.py:3: error[entry-taken]: ADAPTER_MODEL_MAPPING_NAMES has another entry 'case'",
        ),
    ],
)
def test_a_library_without_the_places_is_refused(tmp_path: Path, tree: Path, path: str, text: str, said: str) -> None:
    assert said in refused(made_up_checkout(tmp_path / "edited", {path: text}), tree)


def test_other_versions_are_refused(tmp_path: Path, tree: Path) -> None:
    newer = {"__init__.py": PACKAGE["__init__.py"].replace("1.3.0", "2.0.0")}
    assert "error[wrong-adapters]: adapters 2.0.0" in refused(made_up_checkout(tmp_path / "newer", newer), tree)

    other = pinned_transformers(tmp_path / "other", "written_for_457", "5.23.0").root
    said = refused(made_up_checkout(tmp_path / "checkout"), other)
    assert "error[wrong-transformers]: transformers 5.23.0 is not what adapters >=1.3,<1.4 runs on: " in said
    assert "--source-tree" in said


def test_what_is_no_copy_of_the_library_is_refused(tmp_path: Path, tree: Path) -> None:
    (tmp_path / "empty").mkdir()

    assert "error[no-adapters]: the library adapters is not there" in refused(tmp_path / "empty", tree)
    installed = made_up_copy(tmp_path / "site-packages")
    assert "error[installed-adapters]: this is what an environment runs, not a copy" in refused(installed, tree)


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("sandwich_norms", "stands between sub-layer and addition, where BottleneckLayer takes no norm"),
        ("encoder_decoder", "it has 2 stacks of layers, and this profile writes models with one"),
        ("two_towers", "2 stacks of layers"),
        ("models_inside", "is a model of another architecture"),
        ("low_rank_keys", "prefixes of adapters do not know values of another width than keys"),
        ("scores_without_mask", "prefixes of adapters do not know states that are (batch · heads, length, width)"),
        ("mixers_between", "has no projection of role q, and LoRA there would do nothing"),
        ("flat_heads", "no prefix tuning: "),
        ("fused_grouped", "LoRAMergedLinear cannot split"),
    ],
)
def test_parts_without_counterpart_are_refused(checkout: Path, tmp_path: Path, case: str, said: str) -> None:
    told = refused(checkout, of_case(tmp_path, case))

    assert said in told
    assert "error[profile-limit]: adapters cannot take Case: " in told
    assert "fix: give it to a project of adaptergen's own: `adaptergen add-model case`" in told


def test_two_branches_of_one_addition_are_two_calls(checkout: Path, tmp_path: Path) -> None:
    added(checkout, of_case(tmp_path, "parallel_residual"))

    assert """
        # >>> START AH Changes <<<
        hidden_states = self.output_adapters(
            feed_forward_hidden_states, self.attention_adapters(attn_output, residual, None), None
        )
        # >>> END AH Changes <<<
""" in (checkout / "src/adapters/models/case/modeling_case.py").read_text()


def test_a_norm_after_the_addition_goes_into_the_call(checkout: Path, tmp_path: Path) -> None:
    """Each class gives its own norm."""
    added(checkout, of_case(tmp_path, "post_norm_around"))
    code = (checkout / "src/adapters/models/case/modeling_case.py").read_text()

    calls = [line.strip() for line in code.splitlines() if "bottleneck_layer_forward(" in line or "_adapters(" in line]
    assert len(calls) == 2
    assert all("self." in call.rpartition(", ")[2] for call in calls), calls


def edited(tree: Path, *replacements: tuple[str, str]) -> Path:
    """The transformers of the case with other text in its modeling file."""
    path = tree / "models" / "case" / "modeling_case.py"
    text = path.read_text()
    for old, new in replacements:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text)
    return tree


VARIANT = """
class Case{kind}Attention(CaseAttention):
    def forward(self, hidden_states, attention_mask=None, layer_past=None, cache_position=None):
        return super().forward(hidden_states, attention_mask, layer_past, cache_position)


CASE_ATTENTION_CLASSES = {{"eager": CaseAttention, "{name}": Case{kind}Attention}}


class CaseMLP(nn.Module):"""


def with_variant(tree: Path, kind: str, name: str) -> Path:
    return edited(tree, ("class CaseMLP(nn.Module):", VARIANT.format(kind=kind, name=name).lstrip("\n")))


def test_another_class_for_an_implementation_is_refused(checkout: Path, tree: Path) -> None:
    told = refused(checkout, with_variant(tree, "Sdpa", "sdpa"))

    assert "adapters cannot take Case: CaseSdpaAttention attends for sdpa, and has no place for prefixes" in told


def test_flash_attention_may_have_a_class_of_its_own(checkout: Path, tree: Path) -> None:
    assert "create" in added(checkout, with_variant(tree, "Flash", "flash_attention_2"))


ATTENTION_MADE = "        self.attn = CaseAttention(config, layer_id)\n"


def test_a_module_that_only_some_layers_have_is_refused(checkout: Path, tree: Path) -> None:
    sometimes = f"        if layer_id % 2:\n    {ATTENTION_MADE}"

    assert "not every CaseBlock has attn" in refused(checkout, edited(tree, (ATTENTION_MADE, sometimes)))


@pytest.mark.parametrize("made", ["        self.mlp = CaseMLP(config)\n", ATTENTION_MADE])
def test_a_module_that_is_made_in_every_branch_is_there(checkout: Path, tree: Path, made: str) -> None:
    either = f"        if layer_id == 0:\n    {made}        elif layer_id == 1:\n    {made}"
    always = f"{either}        else:\n    {made}"

    assert "create" in added(checkout, edited(tree, (made, always)))


def test_rows_of_all_examples_are_kept_apart(checkout: Path, tree: Path) -> None:
    """Upstream flattens what a feed-forward takes, and brings the sum back into shape."""
    norm = "        residual = hidden_states\n        hidden_states = self.ln_2(hidden_states)\n"
    flat = (
        "        hidden_states_shape = hidden_states.shape\n"
        "        hidden_states = hidden_states.reshape(-1, hidden_states.size(-1))\n"
    )
    added(
        checkout,
        edited(
            tree,
            (norm, f"{flat}{norm}"),
            (
                "= residual + feed_forward_hidden_states",
                "= (residual + feed_forward_hidden_states).view(hidden_states_shape)",
            ),
        ),
    )

    assert """
        hidden_states_shape = hidden_states.shape
        # >>> START AH Changes <<<
        # Removed: hidden_states = hidden_states.reshape(-1, hidden_states.size(-1))
        # >>> END AH Changes <<<
        residual = hidden_states
        hidden_states = self.ln_2(hidden_states)
        feed_forward_hidden_states = self.mlp(hidden_states)
        # residual connection
        # >>> START AH Changes <<<
        hidden_states = self.output_adapters(feed_forward_hidden_states, residual, None).view(hidden_states_shape)
        # >>> END AH Changes <<<
""" in (checkout / "src/adapters/models/case/modeling_case.py").read_text()


def test_heads_of_checkpoints_that_call_the_base_otherwise_are_left_out(checkout: Path, tree: Path) -> None:
    head = "class CaseForTokenClassification(CasePreTrainedModel):\n"
    added(checkout, edited(tree, (head, f'{head}    base_model_prefix = "model"\n\n')))
    table = (checkout / "src/adapters/head_utils.py").read_text()

    assert "CaseForCausalLM" in table
    assert "CaseForTokenClassification" not in table


def test_another_interrupted_run_is_taken_back(checkout: Path, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is half-written, whatever stops the command."""
    before = fingerprint(checkout)
    moved: list[object] = []

    def failing(self: Path, target: Path) -> Path:
        if checkout in target.parents:
            moved.append(target)
        if len(moved) == 5:
            raise OSError(28, "No space left on device", str(target))
        return original(self, target)

    original = Path.replace
    monkeypatch.setattr(Path, "replace", failing)
    result = add(checkout, tree)
    monkeypatch.undo()

    assert result.exit_code == 1
    assert "nothing was changed" in result.stderr
    assert fingerprint(checkout) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["--profile", "adapters"],
        ["--into", "."],
        ["--source-tree", "."],
        ["--profile", "adapters", "--into", ".", "--source", __file__],
        ["--profile", "peft", "--into", "."],
    ],
)
def test_wrong_usage(arguments: list[str]) -> None:
    assert CliRunner().invoke(main, ["add-model", "case", *arguments]).exit_code == 2


def test_entries_sort_or_stand_last() -> None:
    text = 'A = {\n    "a": 1,\n    "c": 3,\n}\nB = 2\n'

    assert with_entry(text, "", Entry("A", "b", ('"b": 2,',))) == text.replace('    "c"', '    "b": 2,\n    "c"')
    last = with_entry(text, "", Entry("A", "b", ('"b": 2,',), sorts=False, title="B"))
    assert last == text.replace("}\n", '    # B\n    "b": 2,\n}\n')
    assert with_entry(last, "", Entry("A", "b", ('"b": 2,',))) == last


def test_long_imports_are_broken() -> None:
    names = [f"Name{'x' * 60}", f"Other{'x' * 60}"]
    text = with_import("from .a import A\nfrom .z import Z\n", "", "m", names)

    assert text == f"from .a import A\nfrom .m import (\n    {names[0]},\n    {names[1]},\n)\nfrom .z import Z\n"


def test_configurations_are_made_small_from_their_parameters() -> None:
    text = (CASES / "written_for_457" / "configuration_case.py").read_text()
    configuration = parse_source(
        text, name="transformers.models.case.configuration_case", path="configuration_case.py"
    )

    assert small_arguments(configuration, "CaseConfig") == {
        "hidden_size": 32,
        "num_layers": 4,
        "attention_types": [[["global", "local"], 2]],
        "num_heads": 4,
        "intermediate_size": 64,
        "pad_token_id": 999,
    }
    assert small_arguments(None, "CaseConfig") == {"vocab_size": 5000, "pad_token_id": 0}
