"""Which fixed heads are flexible heads, too? Each case is the forward of one class with a head."""

from pathlib import Path

import pytest

from adaptergen.analysis import analyse
from adaptergen.facts import ModelFacts
from adaptergen.pipeline import integrate
from adaptergen.plan import HeadPlan
from adaptergen.planning.heads import head_plans, head_types
from adaptergen.rendering import Templates
from adaptergen.rendering.context import model_classes
from adaptergen.settings import Settings
from tests_adapters.generator.case import CASES, integration
from tests_adapters.generator.trees import made_up_transformers


ROOT = Path(__file__).parents[2]
BASE = (CASES / "post_norm_next" / "modeling_case.py").read_text()

HEAD = """

class Case{task}(CasePreTrainedModel):
    def __init__(self, config: CaseConfig):
        super().__init__(config)
        self.model = CaseModel(config)
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.activation = get_activation("gelu")
        self.other_activation = ACT2FN["relu"]
        self.any_activation = ACT2FN[config.hidden_act]
        self.unclear_activation = get_activation(pick(config))
        self.norm = nn.LayerNorm(config.hidden_size)
        self.scale = config.scale
        self.output = nn.Linear(config.hidden_size, config.size, bias=False)
        self.output_with_bias = nn.Linear(config.hidden_size, config.size)
        self.post_init()

    def forward(self, input_ids=None, attention_mask=None, **kwargs):
        hidden_states = self.model(input_ids, attention_mask, **kwargs).last_hidden_state
        return Output(logits={logits})
"""


def facts_of(tmp_path: Path, *heads: tuple[str, str]) -> ModelFacts:
    classes = "".join(HEAD.format(task=task, logits=logits) for task, logits in heads)
    upstream = made_up_transformers(tmp_path, {"modeling_case.py": BASE + classes})
    return analyse(upstream.find("case"), upstream.load)


def plan_of(tmp_path: Path, task: str, logits: str) -> HeadPlan:
    (plan,) = head_plans(facts_of(tmp_path, (task, logits)))
    return plan


@pytest.mark.parametrize(
    ("task", "logits", "activation", "modules"),
    [
        ("ForMaskedLM", "self.output(hidden_states)", None, ("output",)),
        ("ForMaskedLM", "self.output(hidden_states * self.scale)", None, ("output",)),
        ("ForMaskedLM", "self.output(hidden_states) / self.scale", None, ("output",)),
        ("ForMaskedLM", "torch.tanh(self.output(hidden_states) / self.scale) * self.scale", None, ("output",)),
        (
            "ForMaskedLM",
            "self.output(self.norm(self.activation(self.dense(hidden_states))))",
            "gelu",
            ("dense", "", "norm", "output"),
        ),
        (
            "ForMaskedLM",
            "self.output(self.norm(self.any_activation(self.dense(hidden_states))))",
            {"from_config": ("hidden_act",)},
            ("dense", "", "norm", "output"),
        ),
        ("ForTokenClassification", "self.output_with_bias(hidden_states)", None, ("", "output_with_bias")),
        (
            "ForSequenceClassification",
            "self.output(self.other_activation(self.dense(hidden_states[:, 0])))",
            "relu",
            ("", "dense", "", "", "output"),
        ),
    ],
)
def test_the_same_as_a_flexible_head(
    task: str, logits: str, activation: object, modules: tuple[str, ...], tmp_path: Path
) -> None:
    plan = plan_of(tmp_path, task, logits)

    assert plan.head_type
    assert plan.config.get("activation_function") == activation
    assert plan.modules == modules


@pytest.mark.parametrize(
    ("task", "logits", "reason"),
    [
        (
            "ForTokenClassification",
            "self.output(self.norm(self.activation(self.dense(hidden_states))))",
            "no tagging head goes through linear, activation, norm, linear",
        ),
        (
            "ForMaskedLM",
            "self.output(self.activation(self.norm(self.dense(hidden_states))))",
            "no masked_lm head goes through linear, norm, activation, linear",
        ),
        (
            "ForMaskedLM",
            "self.output_with_bias(hidden_states) * self.scale",
            "something is added before it is multiplied by self.config.scale",
        ),
        (
            "ForTokenClassification",
            "self.output(hidden_states * self.scale)",
            "its hidden states are multiplied by self.config.scale",
        ),
        (
            "ForTokenClassification",
            "torch.tanh(self.output(hidden_states) / self.scale) * self.scale",
            "its logits are bounded by self.config.scale",
        ),
        (
            "ForMaskedLM",
            "self.output(hidden_states * self.scale) / self.scale",
            "its hidden states are scaled more than once",
        ),
        (
            "ForMaskedLM",
            "torch.tanh(self.output(hidden_states) / 2.0) * self.scale",
            "its hidden states are scaled more than once",
        ),
        (
            "ForSequenceClassification",
            "self.output(hidden_states.mean(dim=1))",
            "how it makes one vector of a sequence is not what a flexible head does",
        ),
        (
            "ForMaskedLM",
            "self.output(self.unclear_activation(self.dense(hidden_states)))",
            "its activation function is not understood",
        ),
        (
            "ForNothingKnown",
            "self.output(hidden_states)",
            "the auto mappings of transformers do not say what it predicts",
        ),
    ],
)
def test_not_the_same(task: str, logits: str, reason: str, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, task, logits)

    assert not plan.head_type
    assert plan.because == reason


def test_heads_that_can_be_made_anew_need_no_fixed_head_that_equals_them(tmp_path: Path) -> None:
    """But words are scored as the architecture does it, or not at all."""
    through_norm = "self.output(self.activation(self.norm(self.dense(hidden_states))))"
    facts = facts_of(
        tmp_path,
        ("ForMaskedLM", through_norm),
        ("ForTokenClassification", through_norm),
        ("ForSequenceClassification", "self.output(hidden_states.mean(dim=1))"),
    )

    types = head_types(facts, head_plans(facts))

    assert types == ("classification", "dependency_parsing", "multilabel_classification", "tagging")


def test_a_base_class_that_writes_text_by_itself(tmp_path: Path) -> None:
    folder = CASES / "models_inside"
    files = {path.name: path.read_text() for path in folder.glob("*.py")}
    files["modeling_case.py"] = files["modeling_case.py"].replace(
        "class CaseModel(CasePreTrainedModel)", "class CaseModel(CasePreTrainedModel, GenerationMixin)"
    )
    upstream = made_up_transformers(tmp_path, files)
    plan = integrate(upstream.find("case"), upstream).plan

    assert plan.classes.writers == ("CaseModel",)
    assert [model.bases for model in model_classes(plan) if model.cls == "CaseModel"] == [
        ("WritingAdaptersMixin", "CaseModelAdaptersMixin", "CaseModel")
    ]


def test_the_base_model_has_a_name_where_upstream_gives_it_none() -> None:
    made = integration("words_replaced")
    texts = Templates(ROOT / "templates", Settings()).render(made.plan, made.borrowed, made.source.text)
    text = next(text for path, text in texts.items() if path.endswith("adapter_model.py"))

    assert 'base_model_prefix = "model"' in text
    assert "self.model = CaseModel(config)" in text
