"""Does an architecture keep the promises of each method? One form of each, on the base model, method by method.

Every check is run but those that are slow because they compile.
`adaptergen survey --verify` runs this in a process of its own for each architecture.
"""

from __future__ import annotations

import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
import transformers
from msgspec import Struct
from msgspec.structs import replace

from adaptergen.plan import IntegrationPlan
from adaptergen.verify.adapters import FORMS, AdapterForm
from adaptergen.verify.checks import ADAPTER_CHECKS, MODEL_CHECKS
from adaptergen.verify.outputs import CheckFailed, NotRun
from adaptergen.verify.subjects import ModelCase
from adaptergen.verify.tiny.backbones import stands_in


# Of whichever package has the runtime.
REFUSALS = ("UnsupportedCompositionError", "UnsupportedMethodError", "UnsupportedModelError")
TIMM = "timm"
LONGEST = 240  # characters of a failure: errors of compilers are long


class Outcome(Struct, frozen=True):
    """
    One check.

    Args:
        method: that it is about; "" for the model without adapters.
        check: "" says that all checks of the method were run.
        failure: why the promise is not kept, in one line; "" if it is.
        is_refusal: the runtime says itself that it cannot do this with the model.
        needs: what is not there and without which nothing can be run: a library, or arguments.
    """

    method: str
    check: str
    failure: str = ""
    trace: str = ""
    is_refusal: bool = False
    needs: str = ""


def outcomes_of(plan: IntegrationPlan, package: str) -> Iterator[Outcome]:
    """Run everything for a plan whose package can be imported; a case that cannot be built is an outcome.

    Nothing is run with adapters on a model that is not right without them.
    """
    from adaptergen.verify import case_of

    quiet()
    case = None
    try:
        case = case_of(plan, package)
        trials = list(_trials(case))
    except Exception as error:
        failed = _failed("", "no tiny model can be built and run", error)
        yield replace(failed, needs=_needed(error, case))
        return
    is_right, not_run = True, None
    for method, check, trial in trials:
        if method and not is_right:
            return
        if trial is None:
            yield Outcome(method, "")
            continue
        if method == not_run:
            continue
        try:
            trial()
        except NotRun as error:
            not_run = method
            yield Outcome(method, check, needs=str(error))
        except Exception as error:
            is_right = is_right and bool(method)
            needs = "" if method or isinstance(error, CheckFailed) else _needed(error, case)
            yield replace(_failed(method, check, error), needs=needs)
        else:
            yield Outcome(method, check)


def _needed(error: Exception, case: ModelCase | None) -> str:
    """
    What upstream's own model lacks, if it does not run: a library, also one whose part another one cannot stand for,
    arguments, or anything else.
    """
    library, lacking = libraries_lacking(error), arguments_lacking(error)
    if case is None or library or case.base.runs:
        return library
    if lacking:
        return f"{lacking}, which cannot be made up"
    if _has_stand_in(case):
        return TIMM
    return f"a configuration and inputs that upstream's own model runs with: {_reason(error)}"


def _has_stand_in(case: ModelCase) -> bool:
    try:
        config = case.config_class()
    except Exception:  # upstream's default need not be valid
        return False
    return stands_in(config)


def libraries_lacking(error: Exception) -> str:
    """Those that upstream says its model requires, or of which it uses the name without having it, each once."""
    if isinstance(error, NameError) and hasattr(transformers.utils, f"is_{error.name}_available"):
        return str(error.name)
    asked = re.findall(r"requires the (\S+) library", str(error)) if isinstance(error, ImportError) else []
    return ", ".join(dict.fromkeys(asked))


def arguments_lacking(error: Exception) -> str:
    """Those that a forward takes and that `inputs` has no rule for."""
    lacking = re.search(r"\.forward\(\) missing \d+ required positional arguments?: (.+)$", str(error))
    return lacking[1].replace("'", "") if lacking and isinstance(error, TypeError) else ""


def quiet() -> None:
    """Only outcomes are told."""
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    warnings.simplefilter("ignore")


def _trials(case: ModelCase) -> Iterator[tuple[str, str, Callable[[], None] | None]]:
    """(method, check, what runs it), and None after the last check of a method."""
    subject = case.subjects[0]
    yield from (("", _said(check.__name__), partial(check, subject)) for check in MODEL_CHECKS)
    checks = [check for check in ADAPTER_CHECKS if not check.slow and check.applies(subject)]
    for form in first_forms(case):
        for check in checks:
            if check.is_about(form):
                yield form.method, _said(check.name), partial(check.run, subject, form)
        yield form.method, "", None


def first_forms(case: ModelCase) -> Iterator[AdapterForm]:
    """One form of each supported method."""
    first = {form.method: form for form in reversed(FORMS)}
    return (form for method, form in reversed(first.items()) if method not in case.unsupported)


def _said(name: str) -> str:
    return name.replace("_", " ")


def _failed(method: str, check: str, error: Exception) -> Outcome:
    is_refusal = type(error).__name__ in REFUSALS
    return Outcome(method, check, _reason(error), "".join(traceback.format_exception(error)), is_refusal)


def _reason(error: Exception) -> str:
    """In one line, without what differs between two runs; where it happened, unless that is said in words."""
    text = " ".join(str(error).split()) or type(error).__name__
    if not isinstance(error, CheckFailed) and type(error).__name__ not in REFUSALS:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}: {text}"
    text = re.sub(r"\b0x[0-9a-f]+\b", "0x…", text.replace(sys.prefix, "…"))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
