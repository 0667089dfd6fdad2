"""The routes beside the page, on a served page."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import contextmanager

import pytest

from demos._operations import operation_routes
from demos._page import build_page, launch_options
from llm_core.bench.page import free_port
from llm_core.engine import Engine
from llm_core.operations.metrics import Metrics
from llm_core.operations.warm_up import WarmUp
from tests.demos.site import inside_a_loop
from tests.support.echo import echo_encoder, echo_engine, echo_spec

MODELS = (
    echo_spec(),
    echo_encoder("embedder"),
    echo_spec("translator", head="seq2seq", tasks=("translate",), language_pairs=(("en", "zh"), ("zh", "en"))),
)


@contextmanager
def served(engine: Engine, warm_up: WarmUp, metrics: Metrics | None = None) -> Iterator[str]:
    routes = operation_routes(engine, warm_up, metrics.exposition if metrics else None)
    page, port = inside_a_loop(lambda: build_page(engine)), free_port()
    address = {"server_name": "127.0.0.1", "server_port": port}
    inside_a_loop(lambda: page.launch(**address, prevent_thread_lock=True, quiet=True, **launch_options(routes)))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        page.close(verbose=False)
        engine.close()


def get(address: str) -> tuple[int, str, str]:
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.status, answer.headers["content-type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["content-type"], error.read().decode()


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, Engine, WarmUp]]:
    engine = echo_engine(*MODELS, max_waiting=1, max_waiting_per_client=1)
    warm_up = WarmUp(engine, fetch=False)
    with served(engine, warm_up, Metrics(engine)) as where:
        yield where, engine, warm_up


def test_it_lives_from_the_start_and_is_ready_when_the_models_are_there(address: tuple[str, Engine, WarmUp]) -> None:
    where, _, warm_up = address
    assert get(f"{where}/healthz")[0] == 200
    status, _, body = get(f"{where}/readyz")
    assert status == 503 and json.loads(body) == {"ready": False, "reason": "models are being loaded"}
    wait(warm_up.start())
    assert get(f"{where}/readyz")[0] == 200


def test_a_full_queue_gets_no_further_visitors(address: tuple[str, Engine, WarmUp]) -> None:
    where, engine, warm_up = address
    wait(warm_up.start())
    running, waiting = (engine._admission.join(client, exclusive=True) for client in ("ann", "bob"))
    assert json.loads(get(f"{where}/readyz")[2])["reason"] == "the queue is full"
    assert get(f"{where}/healthz")[0] == 200
    for ticket in (running, waiting):
        ticket.release()
    assert get(f"{where}/readyz")[0] == 200


def test_figures_are_served_with_the_headers_of_all_answers(address: tuple[str, Engine, WarmUp]) -> None:
    where, _, _ = address
    status, media_type, body = get(f"{where}/metrics")
    assert status == 200 and media_type.startswith("text/plain") and "llm_requests_running 0.0" in body
    with urllib.request.urlopen(f"{where}/metrics", timeout=10) as answer:
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_without_the_setting_there_are_no_figures() -> None:
    engine = echo_engine(*MODELS)
    with served(engine, WarmUp(engine, fetch=False)) as where:
        status, _, body = get(f"{where}/metrics")
    assert status == 404 and "llm_" not in body
