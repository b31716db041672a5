"""Adapters on the Hub: they are uploaded and fetched by the real client, from a small Hub on this machine."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import HfApi, ModelCard, constants
from transformers import BertForSequenceClassification, BertModel
from transformers.utils import hub as transformers_hub

import generated
from generated.core.composition import Fuse, Stack
from generated.core.configuration import SeqBnConfig
from generated.core.errors import AdapterFileError, UnknownAdapterError
from generated.core.hub import fetched
from tests_adapters.core.hub_server import Hub, running_hub
from tests_adapters.core.zoo import (
    add_random,
    assert_identical,
    build,
    build_adapted,
    call,
    fresh,
    inputs_for,
)


INPUTS = inputs_for("bert")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """The client knows no other Hub."""
    with running_hub() as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.address)
        template = running.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(transformers_hub, "_hf_api", None)  # transformers keeps one client
        yield running


def card_of(hub: Hub, name: str, branch: str = "main") -> ModelCard:
    return ModelCard(hub.repositories[name].branches[branch]["README.md"].decode())


def test_there_and_back(hub: Hub) -> None:
    saved, loaded = (
        build_adapted("bert", "lora", BertForSequenceClassification),
        fresh("bert", BertForSequenceClassification),
    )
    saved.config.name_or_path = "bert-base-uncased"
    result = saved.push_adapter_to_hub("me/task", "lora", datasets_tag="sst2", token="hf_secret", private=True)
    assert result.oid == hub.repositories["me/task"].sha("main")
    assert hub.tokens == {"hf_secret"}
    assert hub.repositories["me/task"].private
    assert hub.repositories["me/task"].branches["main"].keys() - {".gitattributes"} == {
        "README.md",
        "adapter.safetensors",
        "adapter_config.json",
        "head_config.json",
        "model_head.safetensors",
    }
    with torch.no_grad():
        loaded.classifier.weight.zero_()
    assert loaded.load_adapter("me/task", set_active=True) == "lora"
    assert_identical(call(loaded, INPUTS), call(saved, INPUTS))


def test_page(hub: Hub) -> None:
    model = generated.BertAdapterModel(build("bert").config)
    model.config.name_or_path = "bert-base-uncased"
    model.add_adapter("task", config="lora")
    model.add_classification_head("task")
    texts = {"language": "en", "license": "mit", "tags": ["more"], "metrics": ["f1"], "results": "Good: {f1}."}
    model.push_adapter_to_hub(
        "me/task", "task", adapterhub_tag="sentiment/sst-2", adapter_card_kwargs=texts, commit_message="First"
    )
    card = card_of(hub, "me/task")
    assert card.data.to_dict() == {
        "base_model": "bert-base-uncased",
        "language": "en",
        "library_name": "adapter-transformers",
        "license": "mit",
        "metrics": ["f1"],
        "tags": ["adapter-transformers", "adapterhub:sentiment/sst-2", "bert", "more"],
    }
    assert 'generated.AutoAdapterModel.from_pretrained("bert-base-uncased")'.replace('"', "'") in card.text
    assert "model.load_adapter('me/task', set_active=True)" in card.text
    assert "with a head for classification" in card.text
    assert "Good: {f1}." in card.text
    assert hub.repositories["me/task"].commits[-1]["summary"] == "First"


def test_a_page_that_is_there_stays(hub: Hub, tmp_path: Path) -> None:
    model = build_adapted("bert", "lora")
    model.push_adapter_to_hub("me/task", "lora")
    files = hub.repositories["me/task"].branches["main"]
    files["README.md"] = b"of people"
    model.push_adapter_to_hub("me/task", "lora", local_path=tmp_path / "local")
    assert files["README.md"] == b"of people"
    assert (tmp_path / "local" / "adapter.safetensors").exists()
    model.push_adapter_to_hub("me/task", "lora", overwrite_adapter_card=True)
    assert b"load_adapter" in files["README.md"]


def test_branches_and_proposals(hub: Hub) -> None:
    first, second = build_adapted("bert", "lora"), build_adapted("bert", "seq_bn")
    first.push_adapter_to_hub("me/task", "lora")
    second.push_adapter_to_hub("me/task", "seq_bn", revision="other", commit_description="More.")
    proposal = second.push_adapter_to_hub("me/task", "seq_bn", create_pr=True)
    assert proposal.pr_url.endswith("/discussions/1")
    assert hub.repositories["me/task"].branches.keys() == {"main", "other", "refs/pr/1"}
    model = fresh("bert")
    sha = hub.repositories["me/task"].sha("main")
    assert model.load_adapter("me/task") == model.load_adapter("me/task", version=sha) == "lora"
    assert model.load_adapter("me/task", revision="other") == "seq_bn"
    assert model.load_adapter("me/task", version="other", load_as="again") == "again"
    with pytest.raises(AdapterFileError, match="cannot be fetched"):
        model.load_adapter("me/task", version="nowhere")


def test_arguments_of_the_first_era(hub: Hub) -> None:
    model = build_adapted("bert", "lora")
    model.push_adapter_to_hub(
        repo_name="task", adapter_name="lora", organization="us", adapterhub_tag="nli/rte", use_auth_token="hf_old"
    )
    assert hub.repositories.keys() == {"us/task"}
    assert hub.tokens == {"hf_old"}
    for wrong in ({"repo_id": "me/x", "nonsense": 1}, {}, {"repo_id": "me/x", "adapter_card_kwargs": {"nonsense": 1}}):
        with pytest.raises(TypeError):
            model.push_adapter_to_hub(adapter_name="lora", **wrong)
    with pytest.raises(UnknownAdapterError):
        model.push_adapter_to_hub("me/x", "nobody")
    assert hub.repositories.keys() == {"us/task"}


def test_setups(hub: Hub) -> None:
    saved, loaded = fresh("bert"), fresh("bert")
    for name in ("a", "bb", "c"):
        add_random(saved, name, SeqBnConfig(reduction_factor=4))
    saved.add_adapter_fusion(["a", "bb"])
    setup = Stack("c", Fuse("a", "bb"))
    saved.push_adapter_setup_to_hub("me/setup", setup)
    saved.set_active_adapters(setup)
    assert loaded.load_adapter_setup("me/setup", set_active=True) == (setup, None)
    assert_identical(call(loaded, INPUTS), call(saved, INPUTS))
    assert "model.load_adapter_setup('me/setup', set_active=True)" in card_of(hub, "me/setup").text


def test_searching(hub: Hub) -> None:
    for name, base in (("one", "bert-base"), ("two", "roberta-base")):
        model = build_adapted("bert", "lora")
        model.config.name_or_path = base
        model.push_adapter_to_hub(f"me/{name}", "lora", adapterhub_tag="nli/rte")
        hub.repositories[f"me/{name}"].tags = card_of(hub, f"me/{name}").data.tags
    hub.repositories["me/plain"] = type(hub.repositories["me/one"])()
    assert [found.adapter_id for found in generated.list_adapters()] == ["me/one", "me/two"]
    assert [found.adapter_id for found in generated.list_adapters("roberta-base")] == ["me/two"]
    info = generated.get_adapter_info("me/one")
    assert (info.source, info.model_name, info.task, info.subtask, info.username) == (
        "hf",
        "bert-base",
        "nli",
        "rte",
        "me",
    )
    assert info.adapter_config["architecture"] == "lora"
    assert generated.get_adapter_info("me/nothing") is None
    assert generated.get_adapter_info("not a name") is None


def test_former_names_lead_to_the_repository(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    build_adapted("bert", "lora").push_adapter_to_hub("AdapterHub/bert_sst-2", "lora")
    with caplog.at_level("WARNING", logger="generated"):
        assert fresh("bert").load_adapter("@ukp/bert_sst-2") == "lora"
    assert "use 'AdapterHub/bert_sst-2'" in caplog.text


def test_weights_of_models_are_not_fetched(hub: Hub) -> None:
    build_adapted("bert", "lora").push_adapter_to_hub("me/task", "lora")
    hub.repositories["me/task"].branches["main"]["model.safetensors"] = b"much"
    with fetched("me/task") as folder:
        assert not (folder / "model.safetensors").exists()
        assert (folder / "adapter.safetensors").exists()


@pytest.mark.parametrize("how", ["save_pretrained", "push_to_hub"])
def test_whole_models_take_their_folders_along(how: str, hub: Hub, tmp_path: Path) -> None:
    model: Any = generated.BertAdapterModel(build("bert").config).eval()
    for name in ("a", "nested/bb"):
        add_random(model, name, "lora")
        model.add_classification_head(name)

    def push() -> None:
        if how == "save_pretrained":
            model.save_pretrained(tmp_path / "folder", push_to_hub=True, repo_id="me/model")
        else:
            model.push_to_hub("me/model")

    push()
    files = hub.repositories["me/model"].branches["main"]
    assert {"model.safetensors", "config.json", "adapters/nested/bb/adapter.safetensors"} < files.keys()
    assert "heads/a/head_config.json" in files
    model.delete_adapter("a")
    model.delete_head("a")
    push()
    assert not [name for name in files if "/a/" in name]
    assert "adapters/nested/bb/adapter.safetensors" in files


def test_whole_models_come_back(hub: Hub) -> None:
    model: Any = generated.BertAdapterModel(build("bert").config).eval()
    for name in ("a", "bb"):
        add_random(model, name, SeqBnConfig(reduction_factor=4))
    model.add_classification_head("bb")
    model.add_adapter_fusion(["a", "bb"])
    model.push_to_hub("me/model")
    loaded = generated.AutoAdapterModel.from_pretrained("me/model", attn_implementation="eager").eval()
    assert list(loaded.adapters_config.fusions) == ["a,bb"]
    for each in (model, loaded):
        each.set_active_adapters("bb")
    assert_identical(call(loaded, INPUTS), call(model, INPUTS))
    plain = generated.load_model("me/model", BertModel, attn_implementation="eager")
    assert list(plain.adapters_config) == ["a", "bb"]


@pytest.mark.parametrize("is_here", [True, False])
def test_whole_models_come_back_from_a_folder_below(is_here: bool, hub: Hub, tmp_path: Path) -> None:
    """With `subfolder`, of a folder and of a repository; by `load_model`, too."""
    model = build_adapted("bert", "lora")
    model.save_pretrained(tmp_path / "model" / "below")
    source = str(tmp_path / "model")
    if not is_here:
        HfApi().create_repo(repo_id="me/model")
        HfApi().upload_folder(repo_id="me/model", folder_path=source)
        source = "me/model"
    plain = generated.load_model(source, BertModel, subfolder="below", attn_implementation="eager").eval()
    flexible: Any = generated.BertAdapterModel.from_pretrained(source, subfolder="below", attn_implementation="eager")
    for each in (plain, flexible.eval()):
        each.set_active_adapters("lora")
        assert torch.equal(call(each, INPUTS)[0], call(model, INPUTS)[0])


def test_plain_models_are_pushed_as_before(hub: Hub) -> None:
    model = generated.init(BertModel(build("bert").config))
    model.push_to_hub("me/model")
    assert {"model.safetensors", "config.json"} <= hub.repositories["me/model"].branches["main"].keys()
