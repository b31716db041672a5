"""Does an adapter learn the task that suits its architecture? Trained, written and read again, on a tiny model."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from msgspec import Struct
from torch import Tensor
from transformers import PreTrainedModel

from adaptergen.plan import IntegrationPlan
from adaptergen.problems import Location, Problem, ProblemsFound
from adaptergen.rendering.example import configs_of
from adaptergen.verify.outputs import same_numbers
from adaptergen.verify.places import core
from adaptergen.verify.proof import quiet
from adaptergen.verify.subjects import Subject
from adaptergen.verify.tasks import LABELS, suiting


Echo = Callable[[str], None]
NAME = "example"
LEARNING_RATE = 1e-2
TOLD = 5  # losses, from the first step to the last
SAME = 1e-5  # of a loss, relatively: the weights that are read are those that were written


class Wanted(Struct, frozen=True):
    """
    What is to be trained.

    Args:
        adapter: a configuration; "" for the first method that the architecture takes.
        folder: where the adapter is written, or `None`.
    """

    adapter: str
    steps: int
    folder: Path | None


class Trained(Struct, frozen=True):
    """
    What came of it.

    Args:
        losses: by the number of steps before; the first is that of the new adapter.
        loaded: the loss after the files were read into a new model.
        folder: of the adapter, if it was to be kept.
    """

    model: str
    task: str
    adapter: str
    trained: int
    parameters: int
    losses: dict[int, float]
    loaded: float
    folder: str | None


def train_example(plan: IntegrationPlan, package: str, wanted: Wanted, at: Location, echo: Echo) -> Trained:
    """
    Let an adapter learn a made-up batch by heart.

    Args:
        at: the file of the plan.
        echo: gets a line for some of the losses.

    Raises:
        ProblemsFound: there is no task, the adapter is refused, it does not learn, what is read is not what was
            written, or nothing can be written to the folder. In each of these cases the folder is left alone.
    """
    from adaptergen.verify import case_of

    quiet()
    case = case_of(plan, package)
    found = suiting(case)
    if found is None:
        fix = f"`adaptergen verify {plan.name}` proves its adapters without a task"
        raise ProblemsFound(Problem("no-task", f"no class of {plan.name} takes labels of a known task", at, fix))
    task, subject = found
    adapter = wanted.adapter or _first_method(plan, at)
    model = _model(subject)
    batch = dict(subject.inputs(model, padded=False))
    batch[LABELS] = task.labels(batch)
    try:
        model.add_adapter(NAME, config=adapter)
    except core(case.runtime, "errors").AdapterError as refusal:
        raise ProblemsFound(
            Problem("not-taken", f"{subject.label}: {refusal}", at, "give another --adapter")
        ) from None
    model.train_adapter(NAME)
    echo(f"{subject.label}: {task.name} with {adapter}")
    losses = {}
    for step, loss in _training(model, batch, wanted.steps):
        if step % max(1, wanted.steps // TOLD) == 0 or step == wanted.steps:
            losses[step] = loss
            echo(f"loss {loss:.4f} after {step} steps")
    with TemporaryDirectory() as scratch:
        model.save_adapter(scratch, NAME)
        other = _model(subject)
        other.load_adapter(scratch, set_active=True)
        result = Trained(
            model=subject.label,
            task=task.name,
            adapter=adapter,
            trained=sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            losses=losses,
            loaded=_loss(other, batch).item(),
            folder=str(wanted.folder) if wanted.folder else None,
        )
        _require_learned(result, at)
        if wanted.folder:
            _copy(Path(scratch), wanted.folder)
    return result


def _copy(files: Path, folder: Path) -> None:
    try:
        shutil.copytree(files, folder, dirs_exist_ok=True)
    except (OSError, shutil.Error) as error:
        problem = Problem("not-written", f"{folder}: {error}", fix="give another --output")
        raise ProblemsFound(problem) from None


def _first_method(plan: IntegrationPlan, at: Location) -> str:
    found = configs_of(plan)
    if not found:
        raise ProblemsFound(Problem("no-method", f"{plan.name} takes no adapters", at, "its plan says why"))
    return found[0]


def _model(subject: Subject) -> PreTrainedModel:
    """A new model as transformers starts it, in evaluation mode: nothing is dropped, losses can be compared."""
    config = subject.config
    with same_numbers():
        model = subject.cls._from_config(config)
    return subject.case.runtime.init(model).eval()


def _training(model: PreTrainedModel, batch: dict[str, Tensor], steps: int) -> Iterator[tuple[int, float]]:
    """The loss before each step, and after the last."""
    model.eval()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE)
    for step in range(steps):
        loss = _loss(model, batch)
        yield step, loss.item()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    yield steps, _loss(model, batch).item()


def _loss(model: PreTrainedModel, batch: dict[str, Tensor]) -> Tensor:
    with same_numbers():
        loss: Tensor = model(**batch).loss
    return loss


def _require_learned(result: Trained, at: Location) -> None:
    first, *_, last = result.losses.values()
    if not last < first:
        message = f"{result.model} does not learn: its loss is {first:.4f} at first, and {last:.4f} in the end"
        raise ProblemsFound(Problem("not-learned", message, at, "give more --steps, or another --adapter"))
    if abs(result.loaded - last) > SAME * max(1.0, abs(last)):
        message = f"the loss is {last:.6f}, and {result.loaded:.6f} after its files are read into a new model"
        raise ProblemsFound(Problem("not-right", message, at, "report it"))
