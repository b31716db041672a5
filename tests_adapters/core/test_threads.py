"""Threads that use one model at once: what each gets is what it gets alone, or it is told why not."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import generated
from generated import AdapterSetup
from generated.composition import BatchSplit, Parallel, Route, Stack
from generated.core.errors import AdapterError, ModelInUseError
from generated.core.heads.errors import UnknownHeadError
from tests_adapters.core import zoo


THREADS, CALLS = 4, 6
NAMES = ("a", "b", "c")
SMALL = {"n_embd": 16, "n_head": 2, "n_inner": 24}


@pytest.fixture(autouse=True)
def impatient() -> Iterator[None]:
    """Threads change as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def model_with(method: str, count: int = 1) -> nn.Module:
    model = generated.init(zoo.build("gpt2", zoo.LANGUAGE_MODELS["gpt2"], **SMALL))
    for name in NAMES[:count]:
        zoo.add_random(model, name, zoo.METHODS[method]())
    return model


def inputs_of(thread: int) -> dict[str, Tensor]:
    """Each thread has texts of its own, and padding in another place."""
    generator = torch.Generator().manual_seed(thread)
    mask = torch.ones(2, 7, dtype=torch.long)
    mask[0, : thread + 1] = 0
    return {"input_ids": torch.randint(3, zoo.VOCABULARY, (2, 7), generator=generator), "attention_mask": mask}


def at_once(work: Callable[[int], Any]) -> list[Any]:
    """What it gives in each thread; all of them begin together."""
    barrier = Barrier(THREADS)

    def begin(thread: int) -> Any:
        barrier.wait()
        return work(thread)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


def logits(model: nn.Module, thread: int, **more: Any) -> Tensor:
    with torch.no_grad():
        return model(**inputs_of(thread), **more).logits


def assert_as_alone(work: Callable[[int], Tensor]) -> None:
    expected = [work(thread) for thread in range(THREADS)]
    for found in at_once(lambda thread: [work(thread) for _ in range(CALLS)]):
        thread = next(number for number, one in enumerate(expected) if torch.equal(one, found[0]))
        assert all(torch.equal(one, expected[thread]) for one in found)


@pytest.mark.parametrize("method", ["seq_bn", "lora", "prefix_tuning", "loreft", "unipelt"])
def test_one_setup(method: str) -> None:
    model = model_with(method)
    assert_as_alone(lambda thread: logits(model, thread))


@pytest.mark.parametrize(
    "setup", [Stack("a", "b"), Parallel("a", "b"), BatchSplit("a", "b", batch_sizes=[1, 1])], ids=repr
)
def test_one_setup_of_several_adapters(setup: Any) -> None:
    model = model_with("seq_bn", 2)
    model.set_active_adapters(setup)
    assert_as_alone(lambda thread: logits(model, thread))


def names_for(thread: int) -> list[str | None]:
    names = (*NAMES, None)
    return [names[thread], names[(thread + 1) % len(names)]]


@pytest.mark.parametrize("method", ["lora", "seq_bn"])
def test_each_thread_says_where_its_rows_go(method: str) -> None:
    """What differs between threads is an argument of the call."""
    model = model_with(method, 3)
    model.set_active_adapters(Route(*NAMES))
    assert_as_alone(lambda thread: logits(model, thread, adapter_names=names_for(thread)))


def test_each_thread_writes_with_its_own_adapters() -> None:
    model = model_with("lora", 3)
    model.set_active_adapters(Route(*NAMES))
    options = {"max_new_tokens": 4, "do_sample": False, "pad_token_id": 0}
    assert_as_alone(lambda thread: model.generate(**inputs_of(thread), adapter_names=names_for(thread), **options))


def test_copies_have_setups_of_their_own() -> None:
    model = model_with("lora", 3)
    copies = [copy.deepcopy(model) for _ in range(THREADS)]

    def work(thread: int) -> Tensor:
        copies[thread].set_active_adapters(NAMES[thread % 3])
        return logits(copies[thread], thread)

    assert_as_alone(work)


def test_blocks_of_two_threads_are_refused() -> None:
    """Neither sees the adapters of the other, and the model is as it was in the end."""
    model = model_with("lora", 2)
    model.set_active_adapters("a")
    entered, tried = Event(), Event()

    def stay() -> Tensor:
        with AdapterSetup("b"):
            entered.set()
            assert tried.wait(60)
            return logits(model, 0)

    def come() -> None:
        assert entered.wait(60)
        try:
            with pytest.raises(ModelInUseError, match="give each thread a copy"), AdapterSetup("a"):
                pass
        finally:
            tried.set()

    with ThreadPoolExecutor(2) as pool:
        staying, coming = pool.submit(stay), pool.submit(come)
        coming.result()
        inside = staying.result()
    assert model.active_adapters == Stack("a")
    with AdapterSetup("b"), AdapterSetup("b"):
        assert torch.equal(logits(model, 0), inside)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(_inside, model, "b").result() == Stack("b")


def _inside(model: nn.Module, setup: str) -> Any:
    with AdapterSetup(setup):
        return model.active_adapters


def test_a_block_that_fails_to_begin_is_not_entered() -> None:
    model = generated.GPT2AdapterModel(zoo.CONFIGS["gpt2"]())
    model.add_adapter("a", set_active=True)
    with pytest.raises(UnknownHeadError), AdapterSetup("a", head_setup="nowhere"):
        pass
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_inside, model, "a").result()
    assert model.active_adapters == Stack("a")


def test_a_call_that_fails_lets_the_next_thread_run() -> None:
    model = model_with("lora", 3)
    model.set_active_adapters(Route(*NAMES))
    with pytest.raises(AdapterError, match="pass adapter_ids"):
        logits(model, 0)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(logits, model, 0, adapter_names=["a", "b"]).result(60).shape[0] == 2


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_do_not_wait_for_each_other(duplicate: Callable[[nn.Module], nn.Module]) -> None:
    model = model_with("prefix_tuning")
    other = duplicate(model)
    with ThreadPoolExecutor(1) as pool, model.transformer.forward_inputs.turn:
        found = pool.submit(logits, other, 0).result(60)
    assert torch.equal(found, logits(model, 0))
