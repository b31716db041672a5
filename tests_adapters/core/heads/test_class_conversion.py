"""The heads of every task-specific class of the eight first architectures, converted."""

from generated.models.bart.adapter_model import BartAdapterModel
from generated.models.bert.adapter_model import BertAdapterModel
from generated.models.distilbert.adapter_model import DistilBertAdapterModel
from generated.models.gpt2.adapter_model import GPT2AdapterModel
from generated.models.gpt_neo.adapter_model import GPTNeoAdapterModel
from generated.models.llama.adapter_model import LlamaAdapterModel
from generated.models.t5.adapter_model import T5AdapterModel
from generated.models.vit.adapter_model import ViTAdapterModel
from tests_adapters.core.heads import tiny
from tests_adapters.core.heads.conversion_suite import ClassConversionSuite


class TestBartClassConversion(ClassConversionSuite):
    adapter_model = BartAdapterModel
    config = tiny.BART


class TestBertClassConversion(ClassConversionSuite):
    adapter_model = BertAdapterModel
    config = tiny.BERT


class TestDistilBertClassConversion(ClassConversionSuite):
    adapter_model = DistilBertAdapterModel
    config = tiny.DISTILBERT


class TestGPT2ClassConversion(ClassConversionSuite):
    adapter_model = GPT2AdapterModel
    config = tiny.GPT2


class TestGPTNeoClassConversion(ClassConversionSuite):
    adapter_model = GPTNeoAdapterModel
    config = tiny.GPT_NEO


class TestLlamaClassConversion(ClassConversionSuite):
    adapter_model = LlamaAdapterModel
    config = tiny.LLAMA


class TestT5ClassConversion(ClassConversionSuite):
    adapter_model = T5AdapterModel
    config = tiny.T5


class TestViTClassConversion(ClassConversionSuite):
    adapter_model = ViTAdapterModel
    config = tiny.VIT
