"""One method per kind of head, so that `add_classification_head("sst", num_labels=2)` is all one has to write."""

from collections.abc import Mapping

from generated.core.heads.collection import PredictionHeadsMixin


Id2Label = Mapping[int | str, str] | None


class AddHeadsMixin(PredictionHeadsMixin):
    """Adds new heads; each becomes the active one.

    What the arguments have in common: `head_name` is the name of the head, which `overwrite_ok` allows to replace;
    `layers` counts its linear layers, and `activation_function` stands between two of them; `id2label` names the
    labels by their ids; with `use_pooler` the sentence vector goes through the base model's own pooling layer first.

    Raises:
        UnsupportedHeadError: the architecture has no such head, or no pooler.
        HeadExistsError, HeadNameError: the name is taken, or cannot be one.
    """

    def add_classification_head(
        self,
        head_name: str,
        num_labels: int = 2,
        layers: int = 2,
        activation_function: str | None = "tanh",
        overwrite_ok: bool = False,
        multilabel: bool = False,
        id2label: Id2Label = None,
        use_pooler: bool = False,
    ) -> None:
        """One of `num_labels` classes per sequence (a number if there is one), or with `multilabel` any of them."""
        self._add_head(
            "multilabel_classification" if multilabel else "classification",
            head_name,
            overwrite_ok,
            num_labels=num_labels,
            layers=layers,
            activation_function=activation_function,
            id2label=id2label,
            use_pooler=use_pooler,
        )

    def add_image_classification_head(
        self,
        head_name: str,
        num_labels: int = 2,
        layers: int = 1,
        activation_function: str | None = "tanh",
        overwrite_ok: bool = False,
        multilabel: bool = False,
        id2label: Id2Label = None,
        use_pooler: bool = False,
    ) -> None:
        """One of `num_labels` classes per image, or with `multilabel` any of them."""
        self._add_head(
            "image_classification",
            head_name,
            overwrite_ok,
            num_labels=num_labels,
            layers=layers,
            activation_function=activation_function,
            multilabel=multilabel,
            id2label=id2label,
            use_pooler=use_pooler,
        )

    def add_multiple_choice_head(
        self,
        head_name: str,
        num_choices: int = 2,
        layers: int = 2,
        activation_function: str | None = "tanh",
        overwrite_ok: bool = False,
        id2label: Id2Label = None,
        use_pooler: bool = False,
    ) -> None:
        """The right one of several sequences: (batch, choices, length), or `num_choices` in successive rows."""
        self._add_head(
            "multiple_choice",
            head_name,
            overwrite_ok,
            num_choices=num_choices,
            layers=layers,
            activation_function=activation_function,
            id2label=id2label,
            use_pooler=use_pooler,
        )

    def add_tagging_head(
        self,
        head_name: str,
        num_labels: int = 2,
        layers: int = 1,
        activation_function: str | None = "tanh",
        overwrite_ok: bool = False,
        id2label: Id2Label = None,
    ) -> None:
        """One of `num_labels` classes per token."""
        self._add_head(
            "tagging",
            head_name,
            overwrite_ok,
            num_labels=num_labels,
            layers=layers,
            activation_function=activation_function,
            id2label=id2label,
        )

    def add_qa_head(
        self,
        head_name: str,
        num_labels: int = 2,
        layers: int = 1,
        activation_function: str | None = "tanh",
        overwrite_ok: bool = False,
        id2label: Id2Label = None,
    ) -> None:
        """Start and end of the answer in the text."""
        self._add_head(
            "question_answering",
            head_name,
            overwrite_ok,
            num_labels=num_labels,
            layers=layers,
            activation_function=activation_function,
            id2label=id2label,
        )

    def add_dependency_parsing_head(
        self, head_name: str, num_labels: int = 2, overwrite_ok: bool = False, id2label: Id2Label = None
    ) -> None:
        """The word that each word depends on, and one of `num_labels` relations to it."""
        self._add_head("dependency_parsing", head_name, overwrite_ok, num_labels=num_labels, id2label=id2label)

    def add_masked_lm_head(
        self, head_name: str, activation_function: str | None = "gelu", layers: int = 2, overwrite_ok: bool = False
    ) -> None:
        """The tokens behind the masks."""
        self._add_head("masked_lm", head_name, overwrite_ok, layers=layers, activation_function=activation_function)

    def add_causal_lm_head(
        self, head_name: str, activation_function: str | None = "gelu", layers: int = 2, overwrite_ok: bool = False
    ) -> None:
        """The next token."""
        self._add_head(
            "causal_lm",
            head_name,
            overwrite_ok,
            layers=layers,
            activation_function=activation_function,
            layer_norm=True,
            bias=True,
        )

    def add_seq2seq_lm_head(self, head_name: str, layers: int = 1, overwrite_ok: bool = False) -> None:
        """The next token of the target text."""
        self._add_head("seq2seq_lm", head_name, overwrite_ok, layers=layers)
