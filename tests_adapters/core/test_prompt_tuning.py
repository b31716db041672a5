"""Prompts: where they stand, that heads do not see them, and that generated text does not depend on the cache."""

import copy
import pickle

import pytest
import torch
import transformers as hf
from torch import Tensor, nn

import generated
from generated import AutoAdapterModel, LoReftConfig, Parallel, PromptTuningConfig, SeqBnInvConfig, Stack
from generated.core.composition import BatchSplit, Route
from generated.core.errors import AdapterConfigError, UnsupportedCompositionError, UnsupportedMethodError
from generated.core.layers.prompt_room import PromptRoom
from tests_adapters.core.zoo import (
    CONFIGS,
    LANGUAGE_MODELS,
    VOCABULARY,
    add_random,
    assert_identical,
    build,
    call,
    fresh,
    inputs_for,
    tree,
)


LENGTH = 3
PREFIX = PromptTuningConfig(prompt_length=LENGTH)
AFTER_BOS = PromptTuningConfig(prompt_length=LENGTH, combine="prefix_after_bos")
TOKENS = torch.randint(3, VOCABULARY, (2, 7), generator=torch.Generator().manual_seed(3))
LEFT = torch.tensor([[1, 1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1, 1]])
CLOSE = {"atol": 1e-4, "rtol": 1e-4}

each_combination = pytest.mark.parametrize("config", [PREFIX, AFTER_BOS], ids=["prefix", "after-bos"])
each_decoder = pytest.mark.parametrize("architecture", ["gpt2", "gpt_neo", "llama"])


def prompt_of(model: nn.Module, name: str = "a") -> Tensor:
    return model.base_model.prompt_tuning.prompt_tunings[name].prompt_embedding.weight


def decoder(architecture: str) -> hf.PreTrainedModel:
    """A language model that writes; BERT can be one."""
    if architecture != "bert":
        return generated.init(build(architecture, LANGUAGE_MODELS[architecture]))
    configuration = CONFIGS["bert"]()
    configuration.is_decoder = True
    return generated.init(hf.BertLMHeadModel._from_config(configuration).eval())


def test_room() -> None:
    tensor, prompt = torch.tensor([[1, 2, 3]]), torch.tensor([[8, 9]])
    front, behind = PromptRoom(2, follows_bos=False), PromptRoom(2, follows_bos=True)
    assert front.insert(tensor, prompt).tolist() == [[8, 9, 1, 2, 3]]
    assert behind.insert(tensor, prompt).tolist() == [[1, 8, 9, 2, 3]]
    assert front.remove(front.insert(tensor, prompt)).tolist() == tensor.tolist()
    assert behind.remove(behind.insert(tensor, prompt)).tolist() == tensor.tolist()
    positions = {"position_ids": torch.tensor([[0, 1, 2]]), "token_type_ids": torch.tensor([[5, 6, 6]])}
    for room in (front, behind):
        assert room.moved(positions, is_first=True)["position_ids"].tolist() == [[0, 1, 2, 3, 4]]
        assert room.moved(positions, is_first=False)["position_ids"].tolist() == [[2, 3, 4]]
    assert front.moved(positions, is_first=True)["token_type_ids"].tolist() == [[5, 5, 5, 6, 6]]
    languages = {"langs": torch.tensor([[4, 4, 7]]), "lengths": torch.tensor([3])}
    assert {name: value.tolist() for name, value in front.moved(languages, is_first=True).items()} == {
        "langs": [[4, 4, 4, 4, 7]],
        "lengths": [5],
    }


@each_combination
@pytest.mark.parametrize("architecture", ["bert", "distilbert"])
def test_prompt_stands_among_the_embeddings(architecture: str, config: PromptTuningConfig) -> None:
    """The layers get what they would get of a model whose embedding module returned the prompt, too."""
    model, plain, inputs = fresh(architecture), build(architecture), inputs_for(architecture)
    add_random(model, "a", config)
    room = PromptRoom(LENGTH, config is AFTER_BOS)
    prompt = prompt_of(model).detach().expand(2, -1, -1)
    plain.embeddings.register_forward_hook(lambda module, args, output: room.insert(output, prompt))
    mask = room.insert(inputs["attention_mask"], torch.ones(2, LENGTH, dtype=torch.long))
    expected = call(plain, inputs | {"attention_mask": mask})
    assert expected[0].shape[1] == 7 + LENGTH
    assert_identical(call(model, inputs), expected)
    assert_identical(call(model, {"input_ids": TOKENS}), call(plain, {"input_ids": TOKENS}))


@each_decoder
@each_combination
def test_prompt_stands_among_the_words(architecture: str, config: PromptTuningConfig) -> None:
    """As if it were text: positions are those of the longer sequence."""
    model, plain = fresh(architecture), build(architecture)
    add_random(model, "a", config)
    room = PromptRoom(LENGTH, config is AFTER_BOS)
    embedded = room.insert(plain.get_input_embeddings()(TOKENS), prompt_of(model).detach().expand(2, -1, -1))
    with torch.no_grad():
        expected = plain(inputs_embeds=embedded).last_hidden_state
        assert torch.equal(model(TOKENS).last_hidden_state, expected)
        ids = torch.arange(7).expand(2, -1)
        assert torch.equal(model(TOKENS, position_ids=ids).last_hidden_state, expected)
        words = model.get_input_embeddings()(TOKENS)
        assert torch.equal(model(inputs_embeds=words).last_hidden_state, expected)


@pytest.mark.parametrize("architecture", ["bert", "gpt2", "gpt_neo", "llama"])
def test_generation_with_and_without_cache(architecture: str) -> None:
    """A padded row gives what it gives alone, and steps by hand give what `generate` gives."""
    model = decoder(architecture)
    add_random(model, "a", PREFIX)
    options = {
        "max_new_tokens": 4,
        "do_sample": False,
        "eos_token_id": None,
        "return_dict_in_generate": True,
        "output_scores": True,
    }
    cached, uncached = (
        model.generate(TOKENS, attention_mask=LEFT, use_cache=use_cache, **options) for use_cache in (True, False)
    )
    torch.testing.assert_close(torch.stack(cached.scores), torch.stack(uncached.scores), **CLOSE)
    alone = model.generate(TOKENS[:1], attention_mask=LEFT[:1], **options)
    torch.testing.assert_close(torch.stack(cached.scores)[:, :1], torch.stack(alone.scores), **CLOSE)
    again = model(cached.sequences[:1, :-1]).logits[:, 6:]
    torch.testing.assert_close(torch.stack(cached.scores, dim=1)[:1], again, **CLOSE)


def test_cache_of_fixed_size_is_refused() -> None:
    model = generated.init(build("llama", hf.LlamaForCausalLM))
    add_random(model, "a", PREFIX)
    with pytest.raises(UnsupportedMethodError, match="fixed size"):
        model.generate(TOKENS, attention_mask=LEFT, max_new_tokens=2, cache_implementation="static")


def test_heads_see_the_input_alone() -> None:
    """Fixed heads: shapes, losses and spans are those of the input."""
    labels = torch.randint(0, 2, (2, 7), generator=torch.Generator().manual_seed(0))
    for cls in (hf.BertForTokenClassification, hf.BertForMaskedLM, hf.DistilBertForTokenClassification):
        model = generated.init(build("distilbert" if "Distil" in cls.__name__ else "bert", cls))
        add_random(model, "a", PREFIX)
        output = model(TOKENS, labels=labels, output_hidden_states=True)
        assert output.logits.shape[1] == output.hidden_states[-1].shape[1] == 7
        full = model.base_model(TOKENS).last_hidden_state
        assert torch.equal(output.hidden_states[-1], full[:, LENGTH:])
        assert output.loss.isfinite()
    model = generated.init(build("gpt2", hf.GPT2ForSequenceClassification))
    add_random(model, "a", PREFIX)
    model.config.pad_token_id = 0
    both, first = model(TOKENS).logits, model(TOKENS[:1]).logits
    torch.testing.assert_close(both[:1], first, **CLOSE)
    (tuples,) = (model.base_model(TOKENS, return_dict=False)[0],)
    assert tuples.shape[1] == 7 + LENGTH


@each_combination
def test_a_head_that_calls_what_runs_the_layers_by_itself(config: PromptTuningConfig) -> None:
    """The forward of `OPTForCausalLM` never calls `OPTModel`."""
    sizes = {"hidden_size": 32, "word_embed_proj_dim": 32, "ffn_dim": 48, "num_attention_heads": 4}
    model = generated.init(hf.OPTForCausalLM(hf.OPTConfig(vocab_size=VOCABULARY, num_hidden_layers=2, **sizes)).eval())
    before = tree(model)
    without = model(TOKENS).logits
    add_random(model, "a", config)
    states = PromptRoom(LENGTH, config is AFTER_BOS).remove(model.base_model(TOKENS).last_hidden_state)
    with_prompt = model(TOKENS, labels=TOKENS)
    torch.testing.assert_close(with_prompt.logits, model.lm_head(states), **CLOSE)
    assert not torch.allclose(with_prompt.logits, without, atol=1e-3)
    with_prompt.loss.backward()
    assert prompt_of(model).grad.any()
    model.delete_adapter("a")
    assert tree(model) == before


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "gpt2", "llama"])
@each_combination
def test_flexible_heads_see_the_input_alone(architecture: str, config: PromptTuningConfig) -> None:
    model = AutoAdapterModel.from_config(CONFIGS[architecture]()).eval()
    model.add_adapter("a", config=config, set_active=True)
    model.add_tagging_head("tags", num_labels=3)
    model.add_qa_head("answers")
    model.add_classification_head("class", num_labels=2)
    labels = torch.randint(0, 3, (2, 7), generator=torch.Generator().manual_seed(0))
    model.active_head = "tags"
    assert model(TOKENS, labels=labels).logits.shape == (2, 7, 3)
    model.active_head = "answers"
    ends = torch.tensor([6, 5])
    output = model(TOKENS, start_positions=ends - 1, end_positions=ends)
    assert output.start_logits.shape == (2, 7)
    assert output.loss.isfinite()
    model.active_head = "class"
    output = model.base_model(TOKENS)
    sentence = output.last_hidden_state[:, 0 if config is AFTER_BOS else LENGTH]
    if architecture == "distilbert":
        expected = model.heads["class"](output, cls_output=sentence, return_dict=True).logits
        torch.testing.assert_close(model(TOKENS).logits, expected)


def test_images() -> None:
    model = AutoAdapterModel.from_config(CONFIGS["vit"]()).eval()
    model.add_adapter("a", config=PREFIX, set_active=True)
    assert model.base_model(**inputs_for("vit")).last_hidden_state.shape[1] == 5 + LENGTH
    static = generated.init(build("vit", hf.ViTForMaskedImageModeling))
    add_random(static, "a", PREFIX)
    assert static(**inputs_for("vit")).reconstruction.shape == (2, 3, 8, 8)


def test_text_to_start_from() -> None:
    model = fresh("bert")
    config = PromptTuningConfig(prompt_length=5, prompt_init="from_string", prompt_init_text="good or bad")
    model.add_adapter("a", config=config, tokenizer=lambda text: {"input_ids": [4, 9][: text.count("o")]})
    expected = model.get_input_embeddings()(torch.tensor([4, 9, 4, 9, 4]))
    assert torch.equal(prompt_of(model), expected)
    assert "a" in model.adapters_config
    with pytest.raises(AdapterConfigError, match="tokenizer="):
        model.add_adapter("b", config=config)
    with pytest.raises(AdapterConfigError, match="makes nothing"):
        model.add_adapter("b", config=config, tokenizer=lambda text: {"input_ids": []})
    with pytest.raises(AdapterConfigError, match="embeddings of words"):
        fresh("vit").add_adapter("b", config=config)
    assert list(model.adapters_config) == ["a"]


def test_text_is_not_read_again(tmp_path) -> None:
    model, again = fresh("bert"), fresh("bert")
    config = PromptTuningConfig(prompt_length=2, prompt_init="from_string", prompt_init_text="good")
    model.add_adapter("a", config=config, tokenizer=lambda text: {"input_ids": [4]})
    model.save_adapter(tmp_path, "a")
    again.load_adapter(tmp_path, load_as="renamed")
    assert torch.equal(prompt_of(again, "renamed"), prompt_of(model))
    assert again.adapters_config["renamed"] == config


def test_random_start() -> None:
    model = fresh("bert")
    seeded = PREFIX.replace(random_uniform_scale=2.0, init_weights_seed=3, prompt_length=50)
    for name in ("a", "b"):
        model.add_adapter(name, config=seeded)
    assert torch.equal(prompt_of(model, "a"), prompt_of(model, "b"))
    assert 1.5 < prompt_of(model).abs().max() <= 2
    assert seeded.to_dict()["random_uniform_scale"] == 2
    assert "random_uniform_scale" not in PREFIX.to_dict()


@pytest.mark.parametrize(
    "wrong", [{"prompt_length": 0}, {"combine": "suffix"}, {"prompt_init": "zeros"}, {"prompt_init": "from_string"}]
)
def test_wrong_values(wrong: dict[str, object]) -> None:
    with pytest.raises(AdapterConfigError):
        PromptTuningConfig(**wrong)


def test_where_prompts_cannot_be() -> None:
    for architecture in ("bart", "t5"):
        with pytest.raises(UnsupportedMethodError, match="encoder by itself"):
            fresh(architecture).add_adapter("a", config=PREFIX)
    model = fresh("bert")
    add_random(model, "a", PREFIX)
    with pytest.raises(UnsupportedMethodError, match="queries"):
        model(TOKENS, attention_mask=torch.ones(2, 7, 7))


def test_a_model_that_does_not_say_what_embeds_its_input(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(model: nn.Module) -> nn.Module:
        raise NotImplementedError

    model = generated.init(build("bert"))
    monkeypatch.setattr(type(model), "get_input_embeddings", unknown)
    with pytest.raises(UnsupportedMethodError, match="which of its modules embeds the input"):
        model.add_adapter("a", config=PREFIX)


@pytest.mark.parametrize("architecture", ["bert", "gpt2"])
def test_blocks(architecture: str) -> None:
    model = fresh(architecture)
    for name in ("a", "bb"):
        add_random(model, name, PREFIX)
    alone = {}
    for name in ("a", "bb"):
        model.set_active_adapters(name)
        alone[name] = call(model, {"input_ids": TOKENS})[0]
    model.set_active_adapters(BatchSplit("a", "bb", batch_sizes=[1, 1]))
    torch.testing.assert_close(
        call(model, {"input_ids": TOKENS})[0], torch.stack([alone["a"][0], alone["bb"][1]]), **CLOSE
    )
    model.set_active_adapters(Parallel("a", "bb"))
    torch.testing.assert_close(call(model, {"input_ids": TOKENS})[0], torch.cat([alone["a"], alone["bb"]]), **CLOSE)
    model.set_active_adapters(Stack("a", "bb"))
    assert call(model, {"input_ids": TOKENS})[0].shape[1] == 7 + 2 * LENGTH
    add_random(model, "ccc", PREFIX.replace(prompt_length=2))
    add_random(model, "dddd", AFTER_BOS)
    for wrong, reason in (
        (Parallel("a", "ccc"), "one length"),
        (Stack("a", "dddd"), "behind"),
        (Route("a", "bb"), "can do"),
    ):
        with pytest.raises(UnsupportedCompositionError, match=reason):
            model.set_active_adapters(wrong)


def test_invertible_adapters_change_the_input_alone() -> None:
    """Whichever came first."""
    outputs = []
    for first, second in (("prompt", "lang"), ("lang", "prompt")):
        model = fresh("bert")
        configs = {"prompt": PREFIX, "lang": SeqBnInvConfig(reduction_factor=8)}
        for name in (first, second):
            add_random(model, name, configs[name])
        model.set_active_adapters(Stack("lang", "prompt"))
        outputs.append(call(model, inputs_for("bert")))
    assert_identical(*outputs)


@pytest.mark.parametrize("architecture", ["bert", "llama"])
def test_reft_counts_the_prompt(architecture: str) -> None:
    """With padding, and with a cache that holds both."""
    model = generated.init(build(architecture, LANGUAGE_MODELS[architecture]))
    add_random(model, "a", PREFIX)
    add_random(model, "b", LoReftConfig(prefix_positions=LENGTH + 1, suffix_positions=1, r=2))
    model.set_active_adapters(Stack("a", "b"))
    right = LEFT.flip(1)
    both = model(TOKENS, attention_mask=right).logits
    torch.testing.assert_close(both[1:, :5], model(TOKENS[1:, :5]).logits, **CLOSE)
    if architecture == "llama":
        options = {"max_new_tokens": 3, "do_sample": False, "eos_token_id": None}
        texts = [model.generate(TOKENS, attention_mask=LEFT, use_cache=on, **options) for on in (True, False)]
        assert torch.equal(*texts)


@pytest.mark.parametrize("architecture", ["bert", pytest.param("llama", marks=pytest.mark.slow)])
def test_one_graph(architecture: str) -> None:
    torch._dynamo.reset()
    model = generated.init(build(architecture, LANGUAGE_MODELS[architecture]))
    add_random(model, "a", PREFIX)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    inputs = inputs_for(architecture)
    for got, expected in zip(call(compiled, inputs), call(model, inputs), strict=True):
        torch.testing.assert_close(got, expected)
    torch._dynamo.reset()


def test_no_trace_is_left() -> None:
    for architecture in ("bert", "llama"):
        model = fresh(architecture)
        before = tree(model)
        add_random(model, "a", PREFIX)
        expected = call(model, inputs_for(architecture))
        model = pickle.loads(pickle.dumps(copy.deepcopy(model)))
        assert_identical(call(model, inputs_for(architecture)), expected)
        model.delete_adapter("a")
        assert tree(model) == before


def test_embeddings_that_look_at_the_mask() -> None:
    """DeBERTa's embeddings zero padding, and its model makes a missing mask by itself."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = hf.DebertaV2Config(vocab_size=VOCABULARY, relative_attention=True, pos_att_type="c2p|p2c", **sizes)
    model = generated.init(hf.DebertaV2Model(config).eval())
    model.add_adapter("a", config=PREFIX, set_active=True)

    without = model(TOKENS).last_hidden_state
    assert without.shape[1] == TOKENS.shape[1] + LENGTH
    assert torch.equal(model(TOKENS, attention_mask=torch.ones_like(TOKENS)).last_hidden_state, without)
    padded = model(TOKENS, attention_mask=LEFT.flip(-1)).last_hidden_state
    alone = model(TOKENS[1:, :5], attention_mask=torch.ones(1, 5, dtype=torch.long)).last_hidden_state
    torch.testing.assert_close(padded[1:, : 5 + LENGTH], alone, **CLOSE)

    model.delete_adapter("a")
    assert not model.embeddings._forward_pre_hooks
    assert not model.embeddings._forward_hooks
