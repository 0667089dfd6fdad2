"""How long after Stop the model is idle."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from statistics import median

from llm_core.bench.figures import Figure
from llm_core.engine import Engine, create_engine
from llm_core.errors import CancelledError
from llm_core.settings import Settings
from llm_core.tasks import find_task
from llm_core.types import CancelToken


def measure(settings: Settings, rounds: int = 5) -> list[Figure]:
    """Milliseconds from the cancellation to the device's release, while decoding and while reading a long prompt."""
    long_prompt = "word and word again, " * 350
    with closing(create_engine(settings)) as engine:
        engine.preload("smollm2-135m-instruct").result()
        decoding = [_idle_after(engine, "Tell me a very long story.", 0.6) for _ in range(rounds)]
        reading = [_idle_after(engine, f"{number} {long_prompt}", 0.3) for number in range(rounds)]
    return [
        Figure("Stop while decoding → idle", median(decoding), "ms", "< 300 ms"),
        Figure("Stop while reading a prompt of about 1,750 tokens → idle", median(reading), "ms", "< 300 ms"),
    ]


def _idle_after(engine: Engine, prompt: str, seconds: float) -> float:
    task, cancel = find_task("generate"), CancelToken()
    request = task.request_type.parse({"prompt": prompt, "max_new_tokens": 200, "seed": 1})
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(engine.answer, task, request, cancel=cancel)
        time.sleep(seconds)
        stopped_at = time.monotonic()
        cancel.cancel()
        error = future.exception()
    if not isinstance(error, CancelledError):
        raise RuntimeError(f"the request ended before it was cancelled: {error}")
    return (time.monotonic() - stopped_at) * 1000
