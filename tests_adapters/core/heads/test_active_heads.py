"""Several active heads: of parallel adapters, of parts of the batch, and which heads go with which adapters."""

from typing import Any

import pytest
import torch
from transformers import PreTrainedConfig, PreTrainedModel

from generated.core.composition import Average, BatchSplit, Fuse, Parallel, Stack
from generated.core.heads import MultiHeadOutput, parse_heads_from_composition
from generated.core.heads.errors import HeadNumberError, UnknownHeadError
from tests_adapters.core.heads import tiny
from tests_adapters.core.heads.examples import BATCH, CHOICES, example_inputs, example_prompts
from tests_adapters.core.heads.random_models import adapter_model, changed, randomize


SIZES = [1, 2]


def two_tasks(config: PreTrainedConfig, kind: str, **options: Any) -> PreTrainedModel:
    """A model with the adapters "a" and "b", and a head for each."""
    model = adapter_model(config)
    for seed, name in enumerate("ab"):
        model.add_adapter(name, config="seq_bn_inv" if kind.endswith("lm") else "lora")
        getattr(model, f"add_{kind}_head")(name, **options)
        randomize(model.heads[name], seed=seed)
        for modules in model.get_adapter(name).values():
            for module in modules.values():
                randomize(module, seed)
    return model.eval()


def alone(model: PreTrainedModel, name: str, inputs: dict[str, torch.Tensor]) -> Any:
    model.set_active_adapters(name)
    assert model.active_head == name
    return model(**inputs)


def rows(inputs: dict[str, torch.Tensor], start: int, end: int) -> dict[str, torch.Tensor]:
    return {name: tensor[start:end] for name, tensor in inputs.items()}


def assert_close(actual: Any, expected: Any) -> None:
    compared = {name for name, value in expected.items() if isinstance(value, torch.Tensor) and "hidden" not in name}
    assert compared & {"logits", "start_logits", "arc_preds"}
    for name in compared:
        torch.testing.assert_close(actual[name], expected[name], atol=1e-5, rtol=1e-5)


CASES = [
    pytest.param(tiny.BERT, "classification", "classification", {}, id="bert-classification"),
    pytest.param(tiny.BERT, "classification", "classification", {"use_pooler": True}, id="bert-pooled"),
    pytest.param(tiny.BERT, "multiple_choice", "multiple_choice", {"num_choices": CHOICES}, id="bert-multiple-choice"),
    pytest.param(tiny.BERT, "qa", "question_answering", {}, id="bert-qa"),
    pytest.param(tiny.BERT, "dependency_parsing", "dependency_parsing", {}, id="bert-parsing"),
    pytest.param(tiny.BERT, "masked_lm", "masked_lm", {}, id="bert-masked-lm"),
    pytest.param(tiny.GPT2, "classification", "classification", {}, id="gpt2-classification"),
    pytest.param(tiny.GPT2, "causal_lm", "causal_lm", {}, id="gpt2-causal-lm"),
    pytest.param(tiny.BART, "classification", "classification", {}, id="bart-classification"),
    pytest.param(tiny.T5, "seq2seq_lm", "seq2seq_lm", {}, id="t5-seq2seq-lm"),
    pytest.param(tiny.VIT, "image_classification", "image_classification", {}, id="vit-image-classification"),
]


@pytest.mark.parametrize(("config", "kind", "head_type", "options"), CASES)
def test_each_parallel_adapter_has_its_own_head(
    config: PreTrainedConfig, kind: str, head_type: str, options: dict[str, Any]
) -> None:
    model, inputs = two_tasks(config, kind, **options), example_inputs(head_type, config, 2)
    expected = [alone(model, name, inputs) for name in "ab"]

    model.set_active_adapters(Parallel("a", "b"))
    output = model(**inputs)

    assert model.active_head == ["a", "b"]
    assert isinstance(output, MultiHeadOutput)
    for part, single in zip(output, expected, strict=True):
        assert_close(part, single)
    torch.testing.assert_close(output.loss, expected[0].loss + expected[1].loss)


@pytest.mark.parametrize(("config", "kind", "head_type", "options"), CASES)
def test_each_part_of_the_batch_has_its_own_head(
    config: PreTrainedConfig, kind: str, head_type: str, options: dict[str, Any]
) -> None:
    model, inputs = two_tasks(config, kind, **options), example_inputs(head_type, config, 2)
    expected = [alone(model, "a", rows(inputs, 0, 1)), alone(model, "b", rows(inputs, 1, 3))]

    model.set_active_adapters(BatchSplit("a", "b", batch_sizes=SIZES))
    output = model(**inputs)

    assert model.active_head == BatchSplit("a", "b", batch_sizes=SIZES)
    for part, single in zip(output, expected, strict=True):
        assert_close(part, single)
    torch.testing.assert_close(output.loss, expected[0].loss + expected[1].loss)


def test_parallel_adapters_may_share_a_head() -> None:
    model, inputs = two_tasks(tiny.BERT, "classification"), example_inputs("classification", tiny.BERT, 2)
    model.set_active_adapters("b")
    expected = model(**inputs, head="a")

    model.set_active_adapters(Parallel("a", "b"))
    model.active_head = ["a", "a"]

    assert_close(model(**inputs)[1], expected)


def test_a_batch_that_is_repeated_already_has_labels_for_each_part() -> None:
    model, inputs = two_tasks(tiny.GPT2, "classification"), example_inputs("classification", tiny.GPT2, 2)
    model.set_active_adapters(Parallel("a", "b"))
    expected = model(**inputs)

    twice = {name: tensor.repeat(2, *(1,) * (tensor.dim() - 1)) for name, tensor in inputs.items()}
    output = model(**twice, adapter_input_parallelized=True)

    assert torch.equal(output.loss, expected.loss)
    assert torch.equal(output.logits, expected.logits)


@pytest.mark.parametrize("heads", ["a", ["a"], ["a", "b", "a"], BatchSplit("a", "b", batch_sizes=SIZES)])
def test_parallel_adapters_need_one_head_each(heads: Any) -> None:
    model, inputs = two_tasks(tiny.BERT, "classification"), example_inputs("classification", tiny.BERT, 2)
    model.set_active_adapters(Parallel("a", "b"))
    model.active_head = heads

    with pytest.raises(HeadNumberError, match="2 parallel adapters are active"):
        model(**inputs)


def test_parallel_heads_need_parallel_adapters() -> None:
    model, inputs = two_tasks(tiny.BERT, "classification"), example_inputs("classification", tiny.BERT, 2)
    model.active_head = Parallel("a", "b")

    with pytest.raises(HeadNumberError, match="no parallel adapters are active"):
        model(**inputs)


def test_without_heads_parallel_adapters_give_the_repeated_batch() -> None:
    model, inputs = two_tasks(tiny.BERT, "classification"), example_inputs("classification", tiny.BERT, 2)
    inputs.pop("labels")
    model.set_active_adapters(Parallel("a", "b"))
    model.active_head = None

    assert model(**inputs).last_hidden_state.shape[0] == 2 * BATCH


@pytest.mark.parametrize("use_cache", [True, False], ids=["cached", "uncached"])
@pytest.mark.parametrize(
    ("config", "kind"), [(tiny.GPT2, "causal_lm"), (tiny.T5, "seq2seq_lm"), (tiny.LLAMA, "causal_lm")]
)
def test_parallel_adapters_write_together(config: PreTrainedConfig, kind: str, use_cache: bool) -> None:
    model, prompts = two_tasks(config, kind), example_prompts(config)
    options = {"max_new_tokens": 4, "min_new_tokens": 4, "do_sample": False, "use_cache": use_cache}
    options |= {"output_logits": True, "return_dict_in_generate": True}

    def write() -> tuple[torch.Tensor, torch.Tensor]:
        written = model.generate(**prompts, **options)
        return written.sequences, torch.stack(written.logits, dim=1)

    expected = []
    for name in "ab":
        model.set_active_adapters(name)
        expected.append(write())
    model.set_active_adapters(Parallel("a", "b"))
    sequences, logits = write()

    assert sequences.tolist() == torch.cat([tokens for tokens, _ in expected]).tolist()
    torch.testing.assert_close(logits, torch.cat([scores for _, scores in expected]), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("beams", [1, 3])
def test_parts_of_the_batch_write_together(beams: int) -> None:
    model, prompts = two_tasks(tiny.GPT2, "causal_lm"), example_prompts(tiny.GPT2)
    options = {"max_new_tokens": 4, "min_new_tokens": 4, "do_sample": False, "num_beams": beams}
    expected = []
    for name, (start, end) in (("a", (0, 1)), ("b", (1, 3))):
        model.set_active_adapters(name)
        expected += model.generate(**rows(prompts, start, end), **options).tolist()

    model.set_active_adapters(BatchSplit("a", "b", batch_sizes=SIZES))

    assert model.generate(**prompts, **options).tolist() == expected


def test_each_head_is_trained_by_its_own_part() -> None:
    model, inputs = two_tasks(tiny.BERT, "classification"), example_inputs("classification", tiny.BERT, 2)
    model.train_adapter(BatchSplit("a", "b", batch_sizes=SIZES))
    model.eval()

    model(**inputs)[1].loss.backward()

    trained = {key for key, value in model.named_parameters() if value.grad is not None and value.grad.any()}
    assert any(key.startswith("heads.b.") for key in trained)
    assert any(".loras.b." in key for key in trained)
    assert not any(key.startswith("heads.a.") or ".loras.a." in key for key in trained)


def test_compiled_into_one_graph() -> None:
    model, inputs = two_tasks(tiny.BERT, "classification"), example_inputs("classification", tiny.BERT, 2)
    model.set_active_adapters(Parallel("a", "b"))
    torch._dynamo.reset()

    compiled = torch.compile(model, fullgraph=True, backend="eager")(**inputs)

    assert torch.equal(compiled[1].logits, model(**inputs)[1].logits)
    assert torch.equal(compiled.loss, model(**inputs).loss)


@pytest.mark.parametrize(
    ("setup", "heads"),
    [
        (None, None),
        ("a", "a"),
        (Stack("a"), "a"),
        (Stack("a", "b"), "b"),
        (Stack("a", Stack("b", "c")), "c"),
        (Fuse("a", "b"), None),
        (Average("a", "b"), None),
        (Parallel("a", Stack("b", "c")), ["a", "c"]),
        (Stack("a", Parallel("b", "c")), ["b", "c"]),
        (BatchSplit("a", Stack("b", "c"), batch_sizes=[1, 2]), BatchSplit("a", "c", batch_sizes=[1, 2])),
    ],
)
def test_heads_that_go_with_a_setup(setup: Any, heads: Any) -> None:
    assert parse_heads_from_composition(setup) == heads
    assert parse_heads_from_composition(setup, ["a", "b", "c"]) == heads
    assert parse_heads_from_composition(setup, []) is None


def test_heads_stay_where_not_all_adapters_have_one() -> None:
    model = two_tasks(tiny.BERT, "tagging")
    model.add_adapter("c")
    model.set_active_adapters("a")

    model.set_active_adapters(Parallel("b", "c"))
    assert model.active_head == "a"

    model.set_active_adapters(None)
    assert model.active_head == "a"


def test_what_cannot_be_active() -> None:
    model = two_tasks(tiny.BERT, "tagging")
    with pytest.raises(UnknownHeadError, match="no prediction head 'c'"):
        model.active_head = BatchSplit("a", "c", batch_sizes=SIZES)
    with pytest.raises(TypeError, match="heads do not nest"):
        model.active_head = Parallel("a", Stack("b"))
    assert model.active_head == "b"


def test_a_divided_batch_has_no_head_when_one_of_them_goes() -> None:
    model = two_tasks(tiny.BERT, "tagging")
    model.active_head = BatchSplit("a", "b", batch_sizes=SIZES)

    model.delete_head("a")

    assert model.active_head is None


def test_a_batch_of_another_size_is_refused() -> None:
    config = changed(tiny.BERT)
    model, inputs = two_tasks(config, "tagging"), example_inputs("tagging", config, 2)
    model.active_head = BatchSplit("a", "b", batch_sizes=[2, 3])

    with pytest.raises(ValueError, match="splits a batch of 5"):
        model(**inputs)
