"""Which flexible head equals the head of which transformers class?"""

from generated.core.heads.conversion import FromConfig, StaticHead


STATIC_TO_FLEX_HEAD_MAP: dict[str, StaticHead] = {
    # adaptergen: begin head-conversions (computed from every plan.toml)
    "AlbertForMaskedLM": StaticHead(
        config={
            "head_type": "masked_lm",
            "layers": 2,
            "activation_function": FromConfig(("hidden_act",)),
            "layer_norm": True,
            "bias": True,
        },
        modules=("predictions.dense", None, "predictions.LayerNorm", "predictions.decoder"),
        output_bias="predictions.bias",
    ),
    "AlbertForMultipleChoice": StaticHead(
        config={
            "head_type": "multiple_choice",
            "layers": 1,
            "activation_function": None,
            "use_pooler": True,
            "dropout_prob": FromConfig(("classifier_dropout_prob",)),
        },
        modules=(None, "classifier"),
    ),
    "AlbertForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "AlbertForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 1,
            "activation_function": None,
            "use_pooler": True,
            "dropout_prob": FromConfig(("classifier_dropout_prob",)),
        },
        modules=(None, "classifier"),
    ),
    "AlbertForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("classifier_dropout_prob", "hidden_dropout_prob")),
        },
        modules=(None, "classifier"),
    ),
    "BartForConditionalGeneration": StaticHead(
        config={
            "head_type": "seq2seq_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
        output_bias="final_logits_bias",
    ),
    "BartForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "BartForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 2,
            "activation_function": "tanh",
            "dropout_prob": FromConfig(("classifier_dropout",)),
        },
        modules=(None, "classification_head.dense", None, None, "classification_head.out_proj"),
    ),
    "BeitForImageClassification": StaticHead(
        config={
            "head_type": "image_classification",
            "layers": 1,
            "activation_function": None,
            "use_pooler": True,
            "dropout_prob": 0.0,
        },
        modules=(None, "classifier"),
    ),
    "BertForMaskedLM": StaticHead(
        config={
            "head_type": "masked_lm",
            "layers": 2,
            "activation_function": FromConfig(("hidden_act",)),
            "layer_norm": True,
            "bias": True,
        },
        modules=(
            "cls.predictions.transform.dense",
            None,
            "cls.predictions.transform.LayerNorm",
            "cls.predictions.decoder",
        ),
        output_bias="cls.predictions.bias",
    ),
    "BertForMultipleChoice": StaticHead(
        config={
            "head_type": "multiple_choice",
            "layers": 1,
            "activation_function": None,
            "use_pooler": True,
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout_prob")),
        },
        modules=(None, "classifier"),
    ),
    "BertForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "BertForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 1,
            "activation_function": None,
            "use_pooler": True,
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout_prob")),
        },
        modules=(None, "classifier"),
    ),
    "BertForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout_prob")),
        },
        modules=(None, "classifier"),
    ),
    "BertGenerationDecoder": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": True,
        },
        modules=("lm_head.decoder",),
        output_bias="lm_head.bias",
    ),
    "BertLMHeadModel": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 2,
            "activation_function": FromConfig(("hidden_act",)),
            "layer_norm": True,
            "bias": True,
        },
        modules=(
            "cls.predictions.transform.dense",
            None,
            "cls.predictions.transform.LayerNorm",
            "cls.predictions.decoder",
        ),
        output_bias="cls.predictions.bias",
    ),
    "BigBirdForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 2,
            "activation_function": FromConfig(("hidden_act",)),
            "layer_norm": True,
            "bias": True,
        },
        modules=(
            "cls.predictions.transform.dense",
            None,
            "cls.predictions.transform.LayerNorm",
            "cls.predictions.decoder",
        ),
        output_bias="cls.predictions.bias",
    ),
    "BigBirdForMaskedLM": StaticHead(
        config={
            "head_type": "masked_lm",
            "layers": 2,
            "activation_function": FromConfig(("hidden_act",)),
            "layer_norm": True,
            "bias": True,
        },
        modules=(
            "cls.predictions.transform.dense",
            None,
            "cls.predictions.transform.LayerNorm",
            "cls.predictions.decoder",
        ),
        output_bias="cls.predictions.bias",
    ),
    "BigBirdForMultipleChoice": StaticHead(
        config={
            "head_type": "multiple_choice",
            "layers": 1,
            "activation_function": None,
            "use_pooler": True,
            "dropout_prob": FromConfig(("hidden_dropout_prob",)),
        },
        modules=(None, "classifier"),
    ),
    "BigBirdForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 2,
            "activation_function": FromConfig(("hidden_act",)),
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout_prob")),
        },
        modules=(None, "classifier.dense", None, None, "classifier.out_proj"),
    ),
    "BigBirdForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout_prob")),
        },
        modules=(None, "classifier"),
    ),
    "BloomForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
    ),
    "BloomForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "BloomForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 1,
            "activation_function": None,
            "bias": False,
            "dropout_prob": 0.0,
        },
        modules=(None, "score"),
    ),
    "BloomForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout"), default=0.1),
        },
        modules=(None, "classifier"),
    ),
    "CohereForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
    ),
    "DebertaForMaskedLM": StaticHead(
        config={
            "head_type": "masked_lm",
            "layers": 2,
            "activation_function": FromConfig(("hidden_act",)),
            "layer_norm": True,
            "bias": True,
        },
        modules=(
            "cls.predictions.transform.dense",
            None,
            "cls.predictions.transform.LayerNorm",
            "cls.predictions.decoder",
        ),
        output_bias="cls.predictions.bias",
    ),
    "DebertaForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "DebertaForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 2,
            "activation_function": FromConfig(("pooler_hidden_act",)),
            "dropout_prob": FromConfig(("pooler_dropout",)),
        },
        modules=(None, "pooler.dense", None, None, "classifier"),
    ),
    "DebertaForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("hidden_dropout_prob",)),
        },
        modules=(None, "classifier"),
    ),
    "DebertaV2ForMaskedLM": StaticHead(
        config={
            "head_type": "masked_lm",
            "layers": 2,
            "activation_function": FromConfig(("hidden_act",)),
            "layer_norm": True,
            "bias": True,
        },
        modules=(
            "cls.predictions.transform.dense",
            None,
            "cls.predictions.transform.LayerNorm",
            "cls.predictions.decoder",
        ),
        output_bias="cls.predictions.bias",
    ),
    "DebertaV2ForMultipleChoice": StaticHead(
        config={
            "head_type": "multiple_choice",
            "layers": 2,
            "activation_function": FromConfig(("pooler_hidden_act",)),
            "dropout_prob": FromConfig(("pooler_dropout",)),
        },
        modules=(None, "pooler.dense", None, None, "classifier"),
    ),
    "DebertaV2ForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "DebertaV2ForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 2,
            "activation_function": FromConfig(("pooler_hidden_act",)),
            "dropout_prob": FromConfig(("pooler_dropout",)),
        },
        modules=(None, "pooler.dense", None, None, "classifier"),
    ),
    "DebertaV2ForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("hidden_dropout_prob",)),
        },
        modules=(None, "classifier"),
    ),
    "DeepseekV3ForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
    ),
    "DeepseekV3ForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 1,
            "activation_function": None,
            "bias": False,
            "dropout_prob": 0.0,
        },
        modules=(None, "score"),
    ),
    "DeepseekV3ForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout"), default=0.1),
        },
        modules=(None, "score"),
    ),
    "DistilBertForMaskedLM": StaticHead(
        config={
            "head_type": "masked_lm",
            "layers": 2,
            "activation_function": FromConfig(("activation",)),
            "layer_norm": True,
            "bias": True,
        },
        modules=("vocab_transform", None, "vocab_layer_norm", "vocab_projector"),
    ),
    "DistilBertForMultipleChoice": StaticHead(
        config={
            "head_type": "multiple_choice",
            "layers": 2,
            "activation_function": "relu",
            "dropout_prob": FromConfig(("seq_classif_dropout",)),
        },
        modules=(None, "pre_classifier", None, None, "classifier"),
    ),
    "DistilBertForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("qa_dropout",)),
        },
        modules=(None, "qa_outputs"),
    ),
    "DistilBertForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 2,
            "activation_function": "relu",
            "dropout_prob": FromConfig(("seq_classif_dropout",)),
        },
        modules=(None, "pre_classifier", None, None, "classifier"),
    ),
    "DistilBertForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("dropout",)),
        },
        modules=(None, "classifier"),
    ),
    "ElectraForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 2,
            "activation_function": "gelu",
            "layer_norm": True,
            "bias": True,
        },
        modules=("generator_predictions.dense", None, "generator_predictions.LayerNorm", "generator_lm_head"),
    ),
    "ElectraForMaskedLM": StaticHead(
        config={
            "head_type": "masked_lm",
            "layers": 2,
            "activation_function": "gelu",
            "layer_norm": True,
            "bias": True,
        },
        modules=("generator_predictions.dense", None, "generator_predictions.LayerNorm", "generator_lm_head"),
    ),
    "ElectraForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "ElectraForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 2,
            "activation_function": "gelu",
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout_prob")),
        },
        modules=(None, "classifier.dense", None, None, "classifier.out_proj"),
    ),
    "ElectraForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout_prob")),
        },
        modules=(None, "classifier"),
    ),
    "EsmForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 2,
            "activation_function": "tanh",
            "dropout_prob": FromConfig(("hidden_dropout_prob",)),
        },
        modules=(None, "classifier.dense", None, None, "classifier.out_proj"),
    ),
    "EsmForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("hidden_dropout_prob",)),
        },
        modules=(None, "classifier"),
    ),
    "FalconForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
    ),
    "FalconForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "FalconForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 1,
            "activation_function": None,
            "bias": False,
            "dropout_prob": 0.0,
        },
        modules=(None, "score"),
    ),
    "FalconForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout"), default=0.1),
        },
        modules=(None, "classifier"),
    ),
    "GPT2ForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "GPT2ForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 1,
            "activation_function": None,
            "bias": False,
            "dropout_prob": 0.0,
        },
        modules=(None, "score"),
    ),
    "GPT2ForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout"), default=0.1),
        },
        modules=(None, "classifier"),
    ),
    "GPT2LMHeadModel": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
    ),
    "GPTJForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": True,
        },
        modules=("lm_head",),
    ),
    "GPTJForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "GPTJForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 1,
            "activation_function": None,
            "bias": False,
            "dropout_prob": 0.0,
        },
        modules=(None, "score"),
    ),
    "GPTNeoForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
    ),
    "GPTNeoForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "GPTNeoForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 1,
            "activation_function": None,
            "bias": False,
            "dropout_prob": 0.0,
        },
        modules=(None, "score"),
    ),
    "GPTNeoForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("classifier_dropout",)),
        },
        modules=(None, "classifier"),
    ),
    "GPTNeoXForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
    ),
    "GPTNeoXForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "GPTNeoXForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 1,
            "activation_function": None,
            "bias": False,
            "dropout_prob": 0.0,
        },
        modules=(None, "score"),
    ),
    "GPTNeoXForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("classifier_dropout",)),
        },
        modules=(None, "classifier"),
    ),
    "Gemma2ForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
    ),
    "Gemma2ForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 1,
            "activation_function": None,
            "bias": False,
            "dropout_prob": 0.0,
        },
        modules=(None, "score"),
    ),
    "Gemma2ForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout"), default=0.1),
        },
        modules=(None, "score"),
    ),
    "Gemma3ForConditionalGeneration": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
    ),
    "Gemma3ForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 1,
            "activation_function": None,
            "bias": False,
            "dropout_prob": 0.0,
        },
        modules=(None, "score"),
    ),
    "GptOssForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
    ),
    "GptOssForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 1,
            "activation_function": None,
            "bias": False,
            "dropout_prob": 0.0,
        },
        modules=(None, "score"),
    ),
    "GptOssForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout"), default=0.1),
        },
        modules=(None, "score"),
    ),
    "GraniteForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
    ),
    "LlamaForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
    ),
    "LlamaForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "LlamaForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 1,
            "activation_function": None,
            "bias": False,
            "dropout_prob": 0.0,
        },
        modules=(None, "score"),
    ),
    "LlamaForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout"), default=0.1),
        },
        modules=(None, "score"),
    ),
    "LongformerForMaskedLM": StaticHead(
        config={
            "head_type": "masked_lm",
            "layers": 2,
            "activation_function": "gelu",
            "layer_norm": True,
            "bias": True,
        },
        modules=("lm_head.dense", None, "lm_head.layer_norm", "lm_head.decoder"),
        output_bias="lm_head.bias",
    ),
    "LongformerForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("hidden_dropout_prob",)),
        },
        modules=(None, "classifier"),
    ),
    "M2M100ForConditionalGeneration": StaticHead(
        config={
            "head_type": "seq2seq_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
    ),
    "MBartForConditionalGeneration": StaticHead(
        config={
            "head_type": "seq2seq_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
        output_bias="final_logits_bias",
    ),
    "MBartForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "MBartForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 2,
            "activation_function": "tanh",
            "dropout_prob": FromConfig(("classifier_dropout",)),
        },
        modules=(None, "classification_head.dense", None, None, "classification_head.out_proj"),
    ),
    "MT5ForConditionalGeneration": StaticHead(
        config={
            "head_type": "seq2seq_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
    ),
    "MT5ForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "MT5ForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 2,
            "activation_function": "tanh",
            "dropout_prob": FromConfig(("classifier_dropout",)),
        },
        modules=(None, "classification_head.dense", None, None, "classification_head.out_proj"),
    ),
    "MarianMTModel": StaticHead(
        config={
            "head_type": "seq2seq_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
        output_bias="final_logits_bias",
    ),
    "MistralForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
    ),
    "MistralForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "MistralForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 1,
            "activation_function": None,
            "bias": False,
            "dropout_prob": 0.0,
        },
        modules=(None, "score"),
    ),
    "MistralForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout"), default=0.1),
        },
        modules=(None, "score"),
    ),
    "MixtralForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
    ),
    "MixtralForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "MixtralForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 1,
            "activation_function": None,
            "bias": False,
            "dropout_prob": 0.0,
        },
        modules=(None, "score"),
    ),
    "MixtralForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout"), default=0.1),
        },
        modules=(None, "score"),
    ),
    "ModernBertForMaskedLM": StaticHead(
        config={
            "head_type": "masked_lm",
            "layers": 2,
            "activation_function": FromConfig(("classifier_activation",)),
            "layer_norm": True,
            "bias": True,
        },
        modules=("head.dense", None, "head.norm", "decoder"),
    ),
    "MoonshineForConditionalGeneration": StaticHead(
        config={
            "head_type": "seq2seq_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("proj_out",),
    ),
    "NomicBertForMaskedLM": StaticHead(
        config={
            "head_type": "masked_lm",
            "layers": 2,
            "activation_function": FromConfig(("hidden_act",)),
            "layer_norm": True,
            "bias": True,
        },
        modules=(
            "cls.predictions.transform.dense",
            None,
            "cls.predictions.transform.layer_norm",
            "cls.predictions.decoder",
        ),
        output_bias="cls.predictions.bias",
    ),
    "NomicBertForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 1,
            "activation_function": None,
            "use_pooler": True,
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout_prob")),
        },
        modules=(None, "classifier"),
    ),
    "NomicBertForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout_prob")),
        },
        modules=(None, "classifier"),
    ),
    "OPTForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
    ),
    "OPTForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "OPTForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 1,
            "activation_function": None,
            "bias": False,
            "dropout_prob": 0.0,
        },
        modules=(None, "score"),
    ),
    "Olmo2ForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
    ),
    "Olmo2ForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 1,
            "activation_function": None,
            "bias": False,
            "dropout_prob": 0.0,
        },
        modules=(None, "score"),
    ),
    "PLBartForConditionalGeneration": StaticHead(
        config={
            "head_type": "seq2seq_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
        output_bias="final_logits_bias",
    ),
    "PLBartForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 2,
            "activation_function": "tanh",
            "dropout_prob": FromConfig(("classifier_dropout",)),
        },
        modules=(None, "classification_head.dense", None, None, "classification_head.out_proj"),
    ),
    "Phi3ForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
    ),
    "Phi3ForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 1,
            "activation_function": None,
            "bias": False,
            "dropout_prob": 0.0,
        },
        modules=(None, "score"),
    ),
    "Phi3ForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout"), default=0.1),
        },
        modules=(None, "score"),
    ),
    "PhiForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": True,
        },
        modules=("lm_head",),
    ),
    "PhiForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 1,
            "activation_function": None,
            "bias": False,
            "dropout_prob": 0.0,
        },
        modules=(None, "score"),
    ),
    "PhiForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout"), default=0.1),
        },
        modules=(None, "score"),
    ),
    "Qwen2ForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
    ),
    "Qwen2ForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "Qwen2ForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 1,
            "activation_function": None,
            "bias": False,
            "dropout_prob": 0.0,
        },
        modules=(None, "score"),
    ),
    "Qwen2ForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout"), default=0.1),
        },
        modules=(None, "score"),
    ),
    "Qwen2MoeForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
    ),
    "Qwen2MoeForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "Qwen2MoeForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 1,
            "activation_function": None,
            "bias": False,
            "dropout_prob": 0.0,
        },
        modules=(None, "score"),
    ),
    "Qwen2MoeForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout"), default=0.1),
        },
        modules=(None, "score"),
    ),
    "Qwen3ForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
    ),
    "Qwen3ForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "Qwen3ForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 1,
            "activation_function": None,
            "bias": False,
            "dropout_prob": 0.0,
        },
        modules=(None, "score"),
    ),
    "Qwen3ForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout"), default=0.1),
        },
        modules=(None, "score"),
    ),
    "Qwen3MoeForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
    ),
    "Qwen3MoeForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "Qwen3MoeForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 1,
            "activation_function": None,
            "bias": False,
            "dropout_prob": 0.0,
        },
        modules=(None, "score"),
    ),
    "Qwen3MoeForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout"), default=0.1),
        },
        modules=(None, "score"),
    ),
    "RobertaForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 2,
            "activation_function": "gelu",
            "layer_norm": True,
            "bias": True,
        },
        modules=("lm_head.dense", None, "lm_head.layer_norm", "lm_head.decoder"),
        output_bias="lm_head.bias",
    ),
    "RobertaForMaskedLM": StaticHead(
        config={
            "head_type": "masked_lm",
            "layers": 2,
            "activation_function": "gelu",
            "layer_norm": True,
            "bias": True,
        },
        modules=("lm_head.dense", None, "lm_head.layer_norm", "lm_head.decoder"),
        output_bias="lm_head.bias",
    ),
    "RobertaForMultipleChoice": StaticHead(
        config={
            "head_type": "multiple_choice",
            "layers": 1,
            "activation_function": None,
            "use_pooler": True,
            "dropout_prob": FromConfig(("hidden_dropout_prob",)),
        },
        modules=(None, "classifier"),
    ),
    "RobertaForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "RobertaForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 2,
            "activation_function": "tanh",
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout_prob")),
        },
        modules=(None, "classifier.dense", None, None, "classifier.out_proj"),
    ),
    "RobertaForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout_prob")),
        },
        modules=(None, "classifier"),
    ),
    "SmolLM3ForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
    ),
    "SmolLM3ForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "SmolLM3ForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 1,
            "activation_function": None,
            "bias": False,
            "dropout_prob": 0.0,
        },
        modules=(None, "score"),
    ),
    "SmolLM3ForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout"), default=0.1),
        },
        modules=(None, "score"),
    ),
    "T5ForConditionalGeneration": StaticHead(
        config={
            "head_type": "seq2seq_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("lm_head",),
    ),
    "T5ForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "T5ForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 2,
            "activation_function": "tanh",
            "dropout_prob": FromConfig(("classifier_dropout",)),
        },
        modules=(None, "classification_head.dense", None, None, "classification_head.out_proj"),
    ),
    "ViTForImageClassification": StaticHead(
        config={
            "head_type": "image_classification",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "classifier"),
    ),
    "WhisperForConditionalGeneration": StaticHead(
        config={
            "head_type": "seq2seq_lm",
            "layers": 1,
            "activation_function": None,
            "layer_norm": False,
            "bias": False,
        },
        modules=("proj_out",),
    ),
    "XLMRobertaForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 2,
            "activation_function": "gelu",
            "layer_norm": True,
            "bias": True,
        },
        modules=("lm_head.dense", None, "lm_head.layer_norm", "lm_head.decoder"),
        output_bias="lm_head.bias",
    ),
    "XLMRobertaForMaskedLM": StaticHead(
        config={
            "head_type": "masked_lm",
            "layers": 2,
            "activation_function": "gelu",
            "layer_norm": True,
            "bias": True,
        },
        modules=("lm_head.dense", None, "lm_head.layer_norm", "lm_head.decoder"),
        output_bias="lm_head.bias",
    ),
    "XLMRobertaForMultipleChoice": StaticHead(
        config={
            "head_type": "multiple_choice",
            "layers": 1,
            "activation_function": None,
            "use_pooler": True,
            "dropout_prob": FromConfig(("hidden_dropout_prob",)),
        },
        modules=(None, "classifier"),
    ),
    "XLMRobertaForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "XLMRobertaForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 2,
            "activation_function": "tanh",
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout_prob")),
        },
        modules=(None, "classifier.dense", None, None, "classifier.out_proj"),
    ),
    "XLMRobertaForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout_prob")),
        },
        modules=(None, "classifier"),
    ),
    "XmodForCausalLM": StaticHead(
        config={
            "head_type": "causal_lm",
            "layers": 2,
            "activation_function": "gelu",
            "layer_norm": True,
            "bias": True,
        },
        modules=("lm_head.dense", None, "lm_head.layer_norm", "lm_head.decoder"),
        output_bias="lm_head.bias",
    ),
    "XmodForMaskedLM": StaticHead(
        config={
            "head_type": "masked_lm",
            "layers": 2,
            "activation_function": "gelu",
            "layer_norm": True,
            "bias": True,
        },
        modules=("lm_head.dense", None, "lm_head.layer_norm", "lm_head.decoder"),
        output_bias="lm_head.bias",
    ),
    "XmodForMultipleChoice": StaticHead(
        config={
            "head_type": "multiple_choice",
            "layers": 1,
            "activation_function": None,
            "use_pooler": True,
            "dropout_prob": FromConfig(("hidden_dropout_prob",)),
        },
        modules=(None, "classifier"),
    ),
    "XmodForQuestionAnswering": StaticHead(
        config={
            "head_type": "question_answering",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": 0.0,
        },
        modules=(None, "qa_outputs"),
    ),
    "XmodForSequenceClassification": StaticHead(
        config={
            "head_type": "classification",
            "layers": 2,
            "activation_function": "tanh",
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout_prob")),
        },
        modules=(None, "classifier.dense", None, None, "classifier.out_proj"),
    ),
    "XmodForTokenClassification": StaticHead(
        config={
            "head_type": "tagging",
            "layers": 1,
            "activation_function": None,
            "dropout_prob": FromConfig(("classifier_dropout", "hidden_dropout_prob")),
        },
        modules=(None, "classifier"),
    ),
    # adaptergen: end head-conversions
}

STATIC_HEADS_WITHOUT_FLEX_HEAD: dict[str, str] = {
    # adaptergen: begin unconvertible-heads (computed from every plan.toml)
    "AlbertForPreTraining": "no flexible head is for pretraining",
    "BartForCausalLM": "its base model is BartDecoderWrapper, that of BartModel holds more",
    "BeitBackbone": "no flexible head is for backbone",
    "BeitForMaskedImageModeling": "the auto mappings of transformers do not say what it predicts",
    "BeitForSemanticSegmentation": "no flexible head is for semantic segmentation",
    "BertForNextSentencePrediction": "no flexible head is for next sentence prediction",
    "BertForPreTraining": "no flexible head is for pretraining",
    "BigBirdForPreTraining": "no flexible head is for pretraining",
    "BigBirdForQuestionAnswering": "something is added to its logits",
    "CLIPForImageClassification": "its base model is CLIPForImageClassification, that of CLIPModel holds more",
    "Dinov2ForImageClassification": "its logits combine several outputs of the base model",
    "ElectraForMultipleChoice": "how it makes one vector of a sequence is not what a flexible head does",
    "ElectraForPreTraining": "no flexible head is for pretraining",
    "EsmForMaskedLM": "its hidden states are multiplied by something",
    "GPT2DoubleHeadsModel": "the auto mappings of transformers do not say what it predicts",
    "Gemma3ForCausalLM": "the auto mappings of transformers do not say what it predicts",
    "Gemma3TextForSequenceClassification": "the auto mappings of transformers do not say what it predicts",
    "Gemma3nForCausalLM": "the auto mappings of transformers do not say what it predicts",
    "Gemma3nForConditionalGeneration": "its hidden states are multiplied by something",
    "Gemma4ForCausalLM": "the auto mappings of transformers do not say what it predicts",
    "Gemma4ForConditionalGeneration": "its hidden states are multiplied by something",
    "HubertForCTC": "no flexible head is for ctc",
    "HubertForSequenceClassification": "no flexible head is for audio classification",
    "LongformerForMultipleChoice": "its forward makes global_attention_mask where none is given",
    "LongformerForQuestionAnswering": "its forward makes global_attention_mask where none is given",
    "LongformerForSequenceClassification": "its forward makes global_attention_mask where none is given",
    "MBartForCausalLM": "its base model is MBartDecoderWrapper, that of MBartModel holds more",
    "MT5ForTokenClassification": "its base model is MT5EncoderModel, that of MT5Model holds more",
    "MarianForCausalLM": "its base model is MarianDecoderWrapper, that of MarianModel holds more",
    "MllamaForCausalLM": "its base model is MllamaForCausalLM, that of MllamaModel holds more",
    "MllamaForConditionalGeneration": "no flexible head is for image text to text",
    "ModernBertForMultipleChoice": "how it makes one vector of a sequence is not what a flexible head does",
    "ModernBertForQuestionAnswering": "no question_answering head goes through linear, activation, norm, linear",
    "ModernBertForSequenceClassification": "its hidden states are multiplied by something",
    "ModernBertForTokenClassification": "no tagging head goes through linear, activation, norm, linear",
    "PLBartForCausalLM": "its base model is PLBartDecoderWrapper, that of PLBartModel holds more",
    "SiglipForImageClassification": "its base model is SiglipForImageClassification, that of SiglipModel holds more",
    "T5ForTokenClassification": "its base model is T5EncoderModel, that of T5Model holds more",
    "ViTForMaskedImageModeling": "no flexible head is for masked image modeling",
    "Wav2Vec2ForAudioFrameClassification": "no flexible head is for audio frame classification",
    "Wav2Vec2ForCTC": "no flexible head is for ctc",
    "Wav2Vec2ForPreTraining": "no flexible head is for pretraining",
    "Wav2Vec2ForSequenceClassification": "no flexible head is for audio classification",
    "Wav2Vec2ForXVector": "no flexible head is for audio xvector",
    "WavLMForAudioFrameClassification": "no flexible head is for audio frame classification",
    "WavLMForCTC": "no flexible head is for ctc",
    "WavLMForSequenceClassification": "no flexible head is for audio classification",
    "WavLMForXVector": "no flexible head is for audio xvector",
    "WhisperForAudioClassification": "no flexible head is for audio classification",
    "WhisperForCausalLM": "its base model is WhisperDecoderWrapper, that of WhisperModel holds more",
    # adaptergen: end unconvertible-heads
}
