"""Does update say what became of each architecture, write what it can, and leave alone what needs a person?"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

from adaptergen.plan import TermHook
from adaptergen.plan_differences import Difference
from adaptergen.update_report import as_json
from adaptergen.updating import Fate, Update
from tests_adapters.generator.projects import run, two_models
from tests_adapters.generator.test_update_and_remove import PLAN, edit
from tests_adapters.generator.trees import fingerprint


MODELING = "transformers/models/case/modeling_case.py"
ADDITION = "hidden_states = residual + hidden_states\n        return hidden_states"
RENAMED = "outputs = residual + hidden_states\n        return outputs"
BY_HAND = 'slot = "output_adapters"\nby = "hand"\nbecause = "hidden_states is'


def decide_by_hand(project: Path) -> None:
    """A person has decided on the addition behind the feed-forward."""
    edit(project / PLAN, 'slot = "output_adapters"\nbecause = "hidden_states is', BY_HAND)


def test_what_is_replanned_is_told_entry_by_entry(two: Path, site: Path) -> None:
    edit(site / MODELING, ADDITION, f"# another line\n        {RENAMED}")
    result = run(two, "update", "--all", "--no-verify")

    assert result.exit_code == 0
    assert result.stdout.splitlines()[-6:] == [
        "replanned: case (7 of its entries at other lines)",
        "  changed: addition CaseLayer.output_adapters (modeling_case.py:89 -> modeling_case.py:90)",
        "    statement: 'hidden_states = residual + hidden_states' -> 'outputs = residual + hidden_states'",
        "    nth: 1 -> 0",
        "    because: hidden_states is the feed-forward output, residual its input (pre-LN)",
        "2 models: 1 unchanged, 1 replanned",
    ]


def test_a_hand_entry_is_found_again_where_its_statement_is_now(two: Path, site: Path) -> None:
    decide_by_hand(two)
    edit(site / MODELING, "import torch\n", "import torch\n\n\n# more\n")
    result = run(two, "update", "case", "--no-verify")

    assert result.exit_code == 0
    assert "  by hand: addition CaseLayer.output_adapters (modeling_case.py:92)\n" in result.stdout
    assert 'at = "modeling_case.py:92"' in (two / PLAN).read_text()


def test_what_needs_a_person_stays_and_the_others_are_written(two: Path, site: Path, tmp_path: Path) -> None:
    decide_by_hand(two)
    before = fingerprint(two)
    edit(site / MODELING, ADDITION, RENAMED)
    other = site / "transformers/models/my_case/modeling_my_case.py"
    edit(other, "hidden_states = self.mlp(", "hidden_states = self.mlp( ")
    result = run(two, "update", "--all", "--no-verify", "--pr-body", str(tmp_path / "body.md"))

    assert result.exit_code == 1
    assert result.stdout.splitlines()[-3:] == [
        "needs a person: case",
        "regenerated: my_case",
        "2 models: 1 regenerated, 1 needs a person",
    ]
    assert result.stderr == (
        "transformers/models/case/modeling_case.py:80: error[anchor-gone]: CaseLayer.forward has no statement "
        "`hidden_states = residual + hidden_states` (occurrence 1); nearest: `hidden_states = residual + "
        "hidden_states` (line 84), `outputs = residual + hidden_states` (line 89), "
        "`hidden_states = self.mlp(hidden_states)` (line 88)\n"
        "  fix: run `adaptergen plan NAME` and compare, then `adaptergen update NAME`\n"
    )
    changed = {path for path, digest in fingerprint(two).items() if before.get(path) != digest}
    assert changed == {"generated/models/my_case/modeling_my_case.py", "generated/models/my_case/plan.toml"}
    body = (tmp_path / "body.md").read_text()
    assert body.startswith("# Follow transformers 5.23.0\n\n2 models: 1 regenerated, 1 needs a person.\n")
    assert "- [ ] **case**: CaseLayer.forward has no statement" in body
    assert "\n- my_case\n" in body


def test_machines_get_the_same(two: Path, site: Path) -> None:
    edit(site / MODELING, ADDITION, RENAMED)
    told = json.loads(run(two, "update", "--all", "--no-verify", "--json").stdout)

    assert told["problems"] == []
    assert told["models"]["my_case"] == {"fate": "unchanged", "moved": 0, "differences": [], "by_hand": []}
    (difference,) = told["models"]["case"]["differences"]
    assert difference["kind"] == "changed"
    assert difference["changes"]["nth"] == {"was": 1, "is": 0}


def test_machines_get_decisions_inside_of_others() -> None:
    term = TermHook(method="forward", statement="scores += bias", nth=0, term="bias")
    changed = Difference("changed", "prefixes", changes={"terms": ((), (term,)), "mask": ("mask", "")})
    update = Update(SimpleNamespace(name="case"), Fate.REPLANNED, differences=(changed,))
    told = json.loads(json.dumps(as_json([update])))

    assert told["case"]["differences"][0]["changes"] == {
        "terms": {"was": [], "is": [{"method": "forward", "statement": "scores += bias", "nth": 0, "term": "bias"}]},
        "mask": {"was": "mask", "is": ""},
    }


def test_another_transformers_is_read_and_not_run(two: Path, tmp_path: Path) -> None:
    tree = two_models(tmp_path / "other").root
    edit(tree / "__init__.py", "5.23.0", "5.24.0")
    edit(tree / "models/case/modeling_case.py", ADDITION, RENAMED)
    result = run(two, "update", "--all", "--source-tree", str(tree))

    assert result.exit_code == 0
    assert result.stdout.endswith("2 models: 1 unchanged, 1 replanned\n")
    assert 'transformers = "5.24.0"' in (two / PLAN).read_text()


def test_an_update_of_nothing_new_says_so(two: Path) -> None:
    assert run(two, "update", "--all", "--no-verify").stdout == "nothing to change\n2 models: 2 unchanged\n"


def test_a_description_that_cannot_be_written_is_an_error_before_anything_is(
    two: Path, site: Path, tmp_path: Path
) -> None:
    edit(site / MODELING, ADDITION, RENAMED)
    before = fingerprint(two)
    result = run(two, "update", "--all", "--no-verify", "--pr-body", str(tmp_path / "nowhere" / "body.md"))

    assert result.exit_code == 1
    assert "error[not-written]: cannot be written: No such file or directory\n" in result.stderr
    assert fingerprint(two) == before


def test_another_title_is_regenerated(two: Path, site: Path) -> None:
    configuration = site / "transformers/models/case/configuration_case.py"
    configuration.write_text('"""CASE model configuration"""\n' + configuration.read_text())
    edit(site / MODELING, '"""Case model:', '"""Model:')
    run(two, "update", "--all", "--no-verify")
    edit(configuration, "CASE", "CAse")
    result = run(two, "update", "--all", "--no-verify")

    assert result.stdout.splitlines()[-2:] == ["regenerated: case", "2 models: 1 unchanged, 1 regenerated"]
    assert 'title = "CAse"' in (two / PLAN).read_text()
