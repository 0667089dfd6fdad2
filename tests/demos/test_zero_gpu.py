"""ZeroGPU with its own package: transparent anywhere else; there real calls to real, forked workers."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import spaces
from gradio_client import Client
from gradio_client.exceptions import AppError

from demos._i18n import strings
from demos._messages import reason
from demos._zero_gpu import on_zero_gpu, refusal_of, runs_with
from llm_core.backends.echo import EchoBackend
from llm_core.catalog import Catalog
from llm_core.engine import Engine
from llm_core.errors import BackendError, GpuRefusedError, NoAnswerError
from llm_core.settings import Settings
from llm_core.tasks import find_task
from llm_core.weights import WeightStore
from llm_core.zero_gpu import ZeroGpu
from tests.support.echo import echo_spec
from tests.support.page_process import environment, page_process, zero_gpu
from tests.support.zero_gpu_api import GpuApi, lending_gpus

VISITOR = "head.e30.signature"
"""The token that the Hub gives each visitor's browser: a JWT that says nothing."""


def test_anywhere_else_there_is_none_and_the_decorator_changes_nothing() -> None:
    assert on_zero_gpu() is None
    spec, settings = echo_spec("large", tier="hub"), Settings(offline=True)
    catalog = Catalog({spec.id: spec})
    weights, gpu = WeightStore(settings, catalog), ZeroGpu(runs_with(spaces.GPU), EchoBackend())
    gpu.move([spec], weights.files)
    with closing(Engine(catalog, weights, settings, {}, gpu)) as engine:
        task = find_task("generate")
        completed = engine.answer(task, task.request_type.parse({"prompt": "to be", "max_new_tokens": 4}))
    assert completed.result.text == "to be to be" and completed.stats.model_id == "large"


QUOTA = "You have exceeded your free ZeroGPU quota (60s requested vs. 20s left). Try again in {}. "


@pytest.mark.parametrize(
    ("title", "message", "why", "wait"),
    [
        ("ZeroGPU quota exceeded", QUOTA.format(timedelta(seconds=750)), "quota", "0:12:30"),
        ("ZeroGPU quota exceeded", QUOTA.format(timedelta(days=1, hours=2)), "quota", "1 day, 2:00:00"),
        ("ZeroGPU quota exceeded", "You have exceeded your ZeroGPU runs limit. ", "quota", ""),
        ("ZeroGPU quota exceeded", "Space app has reached its GPU limit. Try re-running", "anonymous", ""),
        ("ZeroGPU quota exceeded", "No GPU was available after 60s. Try re-running", "busy", ""),
        ("ZeroGPU pending credits exceeded", "You have too many ZeroGPU credits allocated to running", "busy", ""),
        ("ZeroGPU client error", "No GPU was available", "busy", ""),
        ("ZeroGPU client error", "Expired ZeroGPU proxy token", "expired", ""),
        (
            "ZeroGPU illegal duration",
            "The requested GPU duration (130s) is larger than the maximum allowed",
            "long",
            "",
        ),
    ],
)
def test_each_refusal_is_told_in_both_languages(title: str, message: str, why: str, wait: str) -> None:
    refusal = refusal_of(gr.Error(message, title=title, print_exception=False))
    assert isinstance(refusal, GpuRefusedError) and (refusal.reason, refusal.retry_after) == (why, wait)
    key, detail = reason(refusal)
    assert key == f"zero_gpu.refused_{why}" + ("_until" if wait else "") and detail == wait
    assert key in strings("en") and key in strings("zh")


def test_a_lost_worker_is_no_refusal_and_a_lost_queue_is_one() -> None:
    lost = refusal_of(gr.Error("GPU task aborted", title="ZeroGPU worker error"))
    assert isinstance(lost, BackendError) and not isinstance(lost, NoAnswerError)
    assert isinstance(refusal_of(ConnectionError("no route")), GpuRefusedError)


@pytest.fixture(scope="module")
def api() -> Iterator[GpuApi]:
    with lending_gpus() as server:
        yield server


@pytest.fixture(scope="module")
def address(api: GpuApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("zero")
    with page_process("zero_gpu_page", zero_gpu(api.address, folder), folder) as started:
        yield started


@pytest.fixture
def visitor(address: str, api: GpuApi) -> Client:
    api.left_seconds, api.idle, api.status = None, False, 200
    del api.scheduled[:], api.released[:], api.allowed[:]
    return Client(address, verbose=False, headers={"x-ip-token": VISITOR})


def ask(visitor: Client, **fields: Any) -> dict[str, Any]:
    answer: dict[str, Any] = visitor.predict(**{"prompt": "hello", "max_new_tokens": 8, **fields}, api_name="/generate")
    return answer


def released(api: GpuApi) -> list[str]:
    """What became of each GPU, once all are back."""
    until = time.monotonic() + 10
    while len(api.released) < len(api.allowed) and time.monotonic() < until:
        time.sleep(0.05)
    return [each["fail"] for each in api.released]


def test_a_request_is_answered_by_a_worker_on_the_visitors_quota(visitor: Client, api: GpuApi) -> None:
    answer = ask(visitor)
    assert api.started == 1, "the Space has said that it lends GPUs to its functions"
    assert answer["model"] == "large" and answer["text"].startswith(f"process {api.allowed[0]} call 1 hello")
    [asked] = api.scheduled
    assert asked["token"] == VISITOR and 5 <= int(asked["durationSeconds"]) <= 12
    ask(visitor, max_new_tokens=512)
    assert int(api.scheduled[1]["durationSeconds"]) > int(asked["durationSeconds"]), "a longer answer, a longer loan"
    assert released(api) == ["false", "false"] and len(set(api.allowed)) == 2


def test_a_worker_is_used_again_and_remembers_nothing_of_this_process(visitor: Client, api: GpuApi) -> None:
    ask(visitor)
    api.idle = True
    again = ask(visitor)
    assert again["text"].startswith(f"process {api.allowed[0]} call 2 hello") and len(api.allowed) == 1


def test_without_quota_auto_falls_back_and_a_chosen_model_says_why(visitor: Client, api: GpuApi) -> None:
    api.left_seconds, api.wait_seconds = 3, 750
    answer = ask(visitor)
    assert (answer["model"], answer["instead_of"], answer["text"][:11]) == ("small", "large", "hello hello")
    with pytest.raises(AppError, match="shared GPU is used up; try again in 0:12:30"):
        ask(visitor, model="large")
    assert api.allowed == []


def test_a_gpu_that_fails_is_told_and_given_back(visitor: Client, api: GpuApi) -> None:
    with pytest.raises(AppError, match=r"runtime failed \(RuntimeError\)"):
        ask(visitor, prompt="please fail")
    assert released(api) == ["false"], "the worker itself is well"
    api.status = 503
    assert ask(visitor)["instead_of"] == "large"


def test_models_of_every_kind_can_be_moved(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.support.zero_gpu_move", str(tmp_path)]
    env = environment(zero_gpu("http://127.0.0.1:9", tmp_path))
    run = subprocess.run(command, env=env, capture_output=True, text=True, timeout=180)
    assert run.returncode == 0, run.stderr[-2000:]
    told = json.loads(run.stdout.splitlines()[-1])
    assert len(told["moved"]) == 6 and set(map(tuple, told["moved"].values())) == {("cuda",)}
    assert told["packed"] >= told["bytes"] > 100_000, "all weights are on the disk, for the workers"
    assert told["beside"] == ["cpu"] and told["default"] == "cpu", "the page's own models stay here"
