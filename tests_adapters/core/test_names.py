"""Code written for adapter-transformers 3.2.1 or for adapters 1.3.0 finds the names that it imports."""

import importlib
from pathlib import Path

import pytest
from transformers import (
    BartForConditionalGeneration,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    PreTrainedConfig,
)

import generated
from generated.layer import AdapterLayer, BottleneckLayer, LoRALinear, PrefixTuningLayer, PrefixTuningShim
from generated.models import ADAPTER_MODEL_MAPPING_NAMES
from tests_adapters.core.zoo import assert_identical, build, build_adapted, call, inputs_for


# The public names of both, by the module that code may import them from instead.
NAMES = {
    "composition": """
        AdapterCompositionBlock BatchSplit Fuse MultiTask Parallel Split Stack parse_composition validate_composition
    """,
    "configuration": """
        ADAPTER_CONFIG_MAP ADAPTERFUSION_CONFIG_MAP DEFAULT_ADAPTER_CONFIG DEFAULT_ADAPTERFUSION_CONFIG AdapterConfig
        AdapterConfigBase AdapterFusionConfig AdapterPlusConfig BnConfig CompacterConfig CompacterPlusPlusConfig
        ConfigUnion DiReftConfig DoRAConfig DoubleSeqBnConfig DoubleSeqBnInvConfig DvoRAConfig
        DynamicAdapterFusionConfig HoulsbyConfig HoulsbyInvConfig IA3Config LoRAConfig LoReftConfig MAMConfig
        MTLLoRAConfig ModelAdaptersConfig MultiTaskConfig NoReftConfig ParBnConfig ParallelConfig PfeifferConfig
        PfeifferInvConfig PrefixTuningConfig PromptTuningConfig ReftConfig SeqBnConfig SeqBnInvConfig
        StaticAdapterFusionConfig UniPELTConfig VeraConfig
    """,
    "context": "AdapterSetup ForwardContext",
    "heads": """
        BertStyleMaskedLMHead BiaffineParsingHead CausalLMHead ClassificationHead DependencyParsingOutput
        ModelWithFlexibleHeadsAdaptersMixin MultiHeadOutput MultiLabelClassificationHead MultipleChoiceHead
        PredictionHead QuestionAnsweringHead Seq2SeqLMHead TaggingHead
    """,
    "interface": "AdapterMethod AdapterModelInterface",
    "layer": "AdapterLayer AdapterLayerBase ComposableAdapterLayerBase",
    "model_mixin": """
        EmbeddingAdaptersMixin InvertibleAdaptersMixin InvertibleAdaptersWrapperMixin ModelAdaptersMixin
        ModelWithHeadsAdaptersMixin
    """,
    "models.auto": "ADAPTER_MODEL_MAPPING MODEL_WITH_HEADS_MAPPING AutoAdapterModel AutoModelWithHeads",
    "trainer": "AdapterTrainer Seq2SeqAdapterTrainer",
    "training": "AdapterArguments setup_adapter_training",
    "utils": "ADAPTER_CACHE AdapterInfo AdapterType get_adapter_config_hash get_adapter_info list_adapters",
    "wrappers": "init init_adapters_config load_model",
}

MODELS = """
    AlbertAdapterModel BartAdapterModel BeitAdapterModel BertAdapterModel BertGenerationAdapterModel CLIPAdapterModel
    DebertaAdapterModel DebertaV2AdapterModel DistilBertAdapterModel ElectraAdapterModel GPT2AdapterModel
    GPTJAdapterModel LlamaAdapterModel MBartAdapterModel MT5AdapterModel MistralAdapterModel PLBartAdapterModel
    RobertaAdapterModel T5AdapterModel ViTAdapterModel WhisperAdapterModel XLMRobertaAdapterModel XmodAdapterModel
"""

# Methods and properties of models: of every model, of those with a head, and of those with heads by name.
MODEL_METHODS = """
    active_adapters active_embeddings adapter_fusion_to adapter_summary adapter_to add_adapter add_adapter_fusion
    add_embeddings add_fusion apply_to_adapter_layers average_adapter delete_adapter delete_adapter_fusion
    delete_embeddings eject_prefix_tuning freeze_embeddings freeze_model get_adapter get_fusion_regularization_loss
    get_invertible_adapter get_layer has_adapters has_parallel_adapters invertible_adapters_forward iter_layers
    load_adapter load_adapter_fusion load_adapter_setup load_embeddings merge_adapter push_adapter_setup_to_hub
    push_adapter_to_hub reset_adapter save_adapter save_adapter_fusion save_adapter_setup
    save_all_adapter_fusions save_all_adapters save_embeddings save_pretrained set_active_adapters
    set_active_embeddings share_parameters supports_adapter train_adapter train_adapter_fusion train_fusion
    unshare_parameters
"""
HEAD_METHODS = "get_labels get_labels_dict load_head save_head"
FLEXIBLE_HEAD_METHODS = """
    active_head add_classification_head add_custom_head add_prediction_head add_prediction_head_from_config
    average_head delete_head forward_head get_output_embeddings get_prediction_heads_config
    register_custom_head save_all_heads set_output_embeddings tie_weights
"""

# What people write who add an architecture by hand; here generated modules say it.
OF_INTEGRATIONS = """
    add_invertible_adapter apply_to_basemodel_childs delete_invertible_adapter enable_invertible_adapters
    forward_context init_adapters iter_attentions iter_layer_ffns post_embedding_forward set_shared_parameters
"""

# What is not there, and why.
ABSENT = {
    "ForwardContext": "state of a forward travels explicitly; nothing has to be wrapped in a context",
    "AdapterMethod": "names of methods for interfaces, see AdapterModelInterface",
    "AdapterModelInterface": "what an interface says is read from the source by `adaptergen add-model`",
    "ADAPTER_CACHE": "downloads are in the cache of huggingface_hub",
    "init_adapters_config": "`generated.init` leaves the configuration of a model alone",
}

MODULES_WITHOUT_COUNTERPART = {
    "interface": "see AdapterModelInterface",
    "models.auto": "`generated` has these names itself",
    "utils": "`generated` has these names itself",
}

EVERY_NAME = [(module, name) for module, names in NAMES.items() for name in names.split()]


@pytest.mark.parametrize(("module", "name"), EVERY_NAME)
def test_names_of_both_generations(module: str, name: str) -> None:
    assert hasattr(generated, name) == (name not in ABSENT)
    if name in ABSENT or module in MODULES_WITHOUT_COUNTERPART:
        return
    assert name in generated.__all__
    assert getattr(importlib.import_module(f"generated.{module}"), name) is getattr(generated, name)


EVERY_METHOD = [
    (cls, name)
    for cls, names in (
        (BertModel, MODEL_METHODS),
        (BertForSequenceClassification, f"{MODEL_METHODS} {HEAD_METHODS}"),
        (generated.BertAdapterModel, f"{MODEL_METHODS} {HEAD_METHODS} {FLEXIBLE_HEAD_METHODS}"),
    )
    for name in names.split()
]


@pytest.mark.parametrize(("cls", "name"), EVERY_METHOD)
def test_methods_of_both_generations(cls: type, name: str) -> None:
    model = generated.init(build("bert", cls))
    assert hasattr(type(model), name)
    assert not any(hasattr(model, name) for name in OF_INTEGRATIONS.split())


def test_every_place_of_every_layer() -> None:
    model = build_adapted("bart", "double_seq_bn", BartForConditionalGeneration)
    seen = []
    model.apply_to_adapter_layers(lambda index, place: seen.append((index, place.container.place.location)))
    attention_and_output = ["mh_adapter", "output_adapter"]
    assert seen[:4] == [(index, location) for index in (0, 1) for location in attention_and_output]
    assert {location for index, location in seen if index >= 2} == {*attention_and_output, "cross_adapter"}
    assert model.get_layer(2) is model.model.decoder.layers[0]
    with pytest.raises(IndexError):
        model.get_layer(4)


def test_is_the_batch_repeated() -> None:
    model = build_adapted("bert", "lora")
    model.add_adapter("other")
    assert not model.has_parallel_adapters
    model.set_active_adapters(generated.Parallel("lora", "other"))
    assert model.has_parallel_adapters


def test_labels_of_a_fixed_head() -> None:
    model = generated.init(build("bert", BertForSequenceClassification, id2label={0: "no", 1: "yes"}))
    assert model.get_labels_dict() == {0: "no", 1: "yes"}
    assert model.get_labels() == ["no", "yes"]


def test_support_by_name_of_a_method() -> None:
    model = generated.init(build("bert"))
    assert all(model.supports_adapter(name) for name in ("bottleneck", "invertible", "lora", "prefix_tuning"))
    assert not model.supports_adapter("wild")


def test_models_of_both_generations() -> None:
    """An architecture without integration is generated by `adaptergen add-model`."""
    integrated = set(ADAPTER_MODEL_MAPPING_NAMES.values()) & set(MODELS.split())
    assert {"BertAdapterModel", "GPT2AdapterModel", "T5AdapterModel", "ViTAdapterModel"} <= integrated
    assert integrated <= set(dir(generated))


def test_mapping_of_adapter_models() -> None:
    assert generated.ADAPTER_MODEL_MAPPING[BertConfig] is generated.BertAdapterModel
    assert BertConfig in list(generated.ADAPTER_MODEL_MAPPING.keys())
    assert len(list(generated.MODEL_WITH_HEADS_MAPPING)) == len(generated.MODEL_WITH_HEADS_MAPPING)
    assert PreTrainedConfig not in generated.ADAPTER_MODEL_MAPPING


def test_loading_a_model_with_its_adapters(tmp_path: Path) -> None:
    model = build_adapted("bert", "lora", BertForSequenceClassification)
    model.save_pretrained(tmp_path)
    loaded = generated.load_model(tmp_path, BertForSequenceClassification, attn_implementation="eager").eval()
    assert list(loaded.adapters_config) == ["lora"]
    loaded.set_active_adapters("lora")
    inputs = inputs_for("bert")
    assert_identical(call(loaded, inputs), call(model, inputs))
    model.delete_adapter("lora")
    (tmp_path / "plain").mkdir()
    model.save_pretrained(tmp_path / "plain")
    assert not generated.load_model(tmp_path / "plain", BertForSequenceClassification).has_adapters()


def test_layers_under_their_names_in_1_x() -> None:
    assert PrefixTuningLayer is PrefixTuningShim
    assert issubclass(AdapterLayer, BottleneckLayer)
    kinds = {"double_seq_bn": BottleneckLayer, "lora": LoRALinear, "prefix_tuning": PrefixTuningLayer}
    for method, kind in kinds.items():
        assert any(isinstance(module, kind) for module in build_adapted("bert", method).modules())
