"""The engine under many clients at once, over echo models: no leaks, no starving, nobody sees another's data."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from llm_core.backends.echo import EchoBackend
from llm_core.engine import Engine
from llm_core.errors import BusyError
from llm_core.tasks import find_task
from llm_core.types import CancelToken, Delta
from tests.support.echo import echo_encoder, echo_engine, echo_spec

pytestmark = pytest.mark.slow


@pytest.fixture
def backend() -> EchoBackend:
    return EchoBackend(seconds_per_token=0.001)


@pytest.fixture
def engine(backend: EchoBackend) -> Iterator[Engine]:
    engine = echo_engine(echo_spec(), echo_encoder(), backend=backend, max_waiting=300, max_waiting_per_client=250)
    yield engine
    engine.close()


def generate(engine: Engine, prompt: str, **options: Any) -> str:
    task = find_task("generate")
    request = task.request_type.parse({"prompt": prompt, "max_new_tokens": options.pop("tokens", 5)})
    return str(engine.answer(task, request, **options).result.text)


def test_fifty_clients_that_leave_hold_nothing(engine: Engine, backend: EchoBackend) -> None:
    generate(engine, "warm up")
    threads_before = threading.active_count()
    task, draw = find_task("generate"), random.Random(7)
    request = task.request_type.parse({"prompt": "go on and on", "max_new_tokens": 1000})

    def start_and_leave(number: int) -> None:
        cancel = CancelToken()
        threading.Timer(draw.uniform(0, 1.5), cancel.cancel).start()
        stream = engine.run(task, request, client=str(number), cancel=cancel)
        try:
            for event in stream:
                if isinstance(event, Delta) and draw.random() < 0.01:
                    break
        except Exception as error:
            assert type(error).__name__ == "CancelledError"
        finally:
            stream.close()  # type: ignore[attr-defined]

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(start_and_leave, range(50)))
    time.sleep(2)
    assert (engine.load, backend.running) == ((0, 0), 0)
    assert threading.active_count() <= threads_before + 2


def test_one_client_with_200_jobs_delays_nobody(engine: Engine) -> None:
    finished: list[str] = []
    lock = threading.Lock()

    def ask(client: str) -> None:
        generate(engine, "short", client=client)
        with lock:
            finished.append(client)

    with ThreadPoolExecutor(209) as pool:
        jobs = [pool.submit(ask, "greedy") for _ in range(200)]
        while sum(engine.load) < 100:
            time.sleep(0.001)
        done_before = len(finished)
        others = [pool.submit(ask, f"client {number}") for number in range(9)]
        for job in others:
            job.result(60)
        greedy_meanwhile = Counter(finished[done_before:])["greedy"]
        for job in jobs:
            job.result(60)
    assert greedy_meanwhile <= 12


def test_200_clients_never_see_each_other_s_words(engine: Engine) -> None:
    def ask(number: int) -> tuple[str, str]:
        own = f"token{number:05d}"
        return own, generate(engine, own, client=own)

    with ThreadPoolExecutor(200) as pool:
        for _ in range(5):
            for own, answer in pool.map(ask, range(200)):
                assert own in answer
                assert not set(answer.split()) - set(own.split()) - {"user", "assistant"}, (own, answer)


def test_the_excess_is_told_quickly_to_come_back() -> None:
    engine = echo_engine(backend=EchoBackend(seconds_per_token=0.01), max_waiting=8)
    refused: list[float] = []
    lock = threading.Lock()

    def ask(number: int) -> None:
        for _ in range(10):
            started = time.monotonic()
            try:
                generate(engine, "short", client=str(number))
            except BusyError as error:
                assert error.retry_after > 0
                with lock:
                    refused.append(time.monotonic() - started)

    with ThreadPoolExecutor(40) as pool:
        list(pool.map(ask, range(40)))
    assert refused
    assert sorted(refused)[int(0.95 * (len(refused) - 1))] < 0.3
    assert engine.load == (0, 0)
    engine.close()
