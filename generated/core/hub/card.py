"""What does the page of an adapter on the Hub say?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from huggingface_hub import ModelCardData


LIBRARY_TAG = "adapter-transformers"  # by which the Hub and AdapterHub find adapters
TASK_TAG = "adapterhub:"
BLANK = "<!-- Add some description here -->"

_PAGE = """---
{metadata}
---

# {title}

{what} for the model `{model_name}`{trained_on}{head}.

It is in the format of [AdapterHub](https://adapterhub.ml). Load it with `adaptergen`:

```python
import generated

model = generated.AutoAdapterModel.from_pretrained({model_name!r})
{usage}
```

## Architecture and training

{architecture_training}

## Evaluation results

{results}

## Citation

{citation}
"""


@dataclass(frozen=True)
class CardTexts:
    """
    What only the author knows.

    Args:
        tags: further tags.
        language, license, metrics: as the Hub spells them.
        architecture_training, results, citation: the text of these sections.
    """

    tags: Sequence[str] = ()
    language: str | Sequence[str] | None = None
    license: str | None = None
    metrics: Sequence[str] | None = None
    architecture_training: str = BLANK
    results: str = BLANK
    citation: str = BLANK


@dataclass(frozen=True)
class Subject:
    """
    What a page is about.

    Args:
        kind: "An adapter", "A setup of adapters".
        method: the method that loads it.
        model_name, model_type: of the base model.
        head: the type of the prediction head that comes along, e.g. "classification".
        datasets: name of the data set on the Hub, if it was trained on one.
        task: AdapterHub's name of the task, e.g. "sentiment/sst-2".
    """

    kind: str
    method: str
    model_name: str
    model_type: str
    head: str | None = None
    dataset: str | None = None
    task: str | None = None


def write_card(repository: str, subject: Subject, texts: CardTexts) -> str:
    """The content of `README.md` in a repository of this name."""
    tags = {LIBRARY_TAG, subject.model_type, *texts.tags, *([TASK_TAG + subject.task] if subject.task else [])}
    metadata = ModelCardData(
        base_model=subject.model_name or None,
        datasets=[subject.dataset] if subject.dataset else None,
        language=texts.language,
        library_name=LIBRARY_TAG,
        license=texts.license,
        metrics=texts.metrics,
        tags=sorted(tags),
    )
    return _PAGE.format(
        metadata=metadata.to_yaml(),
        title=repository,
        what=subject.kind,
        model_name=subject.model_name,
        trained_on=f", trained on {_data(subject)}" if subject.dataset or subject.task else "",
        head=f", with a head for {subject.head.replace('_', ' ')}" if subject.head else "",
        usage=f"{_result(subject)} = model.{subject.method}({repository!r}, set_active=True)",
        architecture_training=texts.architecture_training,
        results=texts.results,
        citation=texts.citation,
    )


def _data(subject: Subject) -> str:
    if subject.task:
        return f"[{subject.task}](https://adapterhub.ml/explore/{subject.task}/)"
    return f"[{subject.dataset}](https://huggingface.co/datasets/{subject.dataset})"


def _result(subject: Subject) -> str:
    return "name" if subject.method == "load_adapter" else "setup, head_setup"
