"""Is a written integration right? Models are built tiny and random, and every promise is tried on them.

The one room of the tool that imports torch, transformers and the generated package.
"""

from __future__ import annotations

import importlib
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import torch
import transformers
from msgspec import Struct

from adaptergen.plan import IntegrationPlan
from adaptergen.problems import Location, Problem
from adaptergen.proven import Proven
from adaptergen.verify.adapters import has_place, supported_forms
from adaptergen.verify.checks import ADAPTER_CHECKS, MODEL_CHECKS
from adaptergen.verify.checks.sites import unreached_places
from adaptergen.verify.outputs import CheckFailed
from adaptergen.verify.subjects import ModelCase, Subject
from adaptergen.workspace import Workspace


Echo = Callable[[str], None]


class Trial(Struct, frozen=True):
    """One check on one model, with an adapter or without."""

    label: str
    run: Callable[[], None]


def verify_models(workspace: Workspace, names: Iterable[str], echo: Echo) -> list[Proven]:
    """
    Run every check on every class of these models.

    Args:
        echo: gets a line of progress for each class.

    Returns:
        What came of each class; and of the places of a plan that no class has, if there are any.
    """
    sys.path.insert(0, str(workspace.root))
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    proven: list[Proven] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            plan = workspace.plan(name)
            assert plan is not None
            at = Location(workspace.settings.plan_path(name))
            for each in _verify(case_of(plan, workspace.settings.package), at):
                echo(str(each))
                proven.append(each)
    return proven


def case_of(plan: IntegrationPlan, package: str) -> ModelCase:
    """The classes that a plan names, imported."""
    upstream = importlib.import_module(plan.source.module)
    own = importlib.import_module(f"{package}.models.{plan.name}")
    return ModelCase(
        name=plan.name,
        adapter_model_class=getattr(own, plan.adapter_model.name),
        config_class=getattr(upstream, plan.classes.config),
        config=plan.tiny_config.arguments,
        unsupported={name: method.because for name, method in plan.methods.items() if not method.supported},
    )


def _verify(case: ModelCase, at: Location) -> Iterator[Proven]:
    for subject in case.subjects:
        failures = [(trial.label, _failure(trial)) for trial in trials(subject)]
        problems = (_not_right(case, f"{subject.label}, {label}: {why}", at) for label, why in failures if why)
        yield Proven(case.name, subject.label, len(failures), tuple(problems))
    if sites := list(unreached_places(case)):
        yield Proven(
            case.name, f"{case.name}, all classes", len(sites), tuple(_never_there(case, site, at) for site in sites)
        )


def _not_right(case: ModelCase, what: str, at: Location) -> Problem:
    return Problem(
        "not-right", what, at, f"see `adaptergen diff {case.name} --upstream`; correct the plan, or report it"
    )


def _never_there(case: ModelCase, site: str, at: Location) -> Problem:
    return Problem("never-there", f"no class of {case.name} has what the plan calls {site}", at, "correct the plan")


def trials(subject: Subject) -> Iterator[Trial]:
    """Everything that is to be tried on a model, in order."""
    for check in MODEL_CHECKS:
        yield Trial(f"without adapters, {check.__name__.replace('_', ' ')}", partial(check, subject))
    forms = [form for form in supported_forms(subject.case) if has_place(subject, form)]
    for adapter_check in ADAPTER_CHECKS:
        if not adapter_check.applies(subject):
            continue
        for form in forms:
            if adapter_check.is_about(form):
                label = f"{form.label}, {adapter_check.name.replace('_', ' ')}"
                yield Trial(label, partial(adapter_check.run, subject, form))


def _failure(trial: Trial) -> str:
    """Why a trial failed, or "". Whatever a generated forward raises is a failure of its integration."""
    try:
        trial.run()
    except CheckFailed as failed:
        return str(failed)
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} at {frame.filename}:{frame.lineno}: {error}"
    return ""
