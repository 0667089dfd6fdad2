"""Decoding through the whole stack (gradio_client → page → engine → task → llama.cpp) against xllamacpp called
directly."""

from __future__ import annotations

import time
from contextlib import closing
from statistics import median
from typing import Any

from gradio_client import Client

from llm_core.backends.base import Generates
from llm_core.bench.figures import Figure, alternate
from llm_core.bench.page import running_page
from llm_core.engine import create_engine
from llm_core.settings import Settings
from llm_core.tasks import find_task
from llm_core.weights import WeightStore

_MODEL = "smollm2-135m-instruct"
_PROMPT = "Write a long story about a lighthouse keeper and her cat."
_NEW_TOKENS = 256
_PROMPT_OF_32_TOKENS = (
    "Explain in simple words to a curious child why the sky looks blue during the day and red at dusk, "
    "and what this has to do with the air above."
)
"""As typed; the system prompt and the chat template come on top. A seeded request reads all of it anew."""


def measure(settings: Settings) -> list[Figure]:
    """Tokens per second of both, their ratio, and the time to the first token."""
    with running_page() as (address, *_), closing(create_engine(settings)) as engine:
        client = Client(address, verbose=False)
        counter = engine.preload(_MODEL).result()
        assert isinstance(counter, Generates)
        direct = _DirectServer(settings)

        def through_the_stack() -> float:
            return _client_tokens_per_second(client, counter)

        ours, theirs, ratio = alternate(through_the_stack, direct.tokens_per_second)
        first = [_first_event_seconds(client, seed) * 1000 for seed in range(7)][2:]
        warm = [_first_token_ms(engine, seed) for seed in range(7)][2:]
    return [
        Figure("gradio_client → stream", ours, "tokens/s", ""),
        Figure("xllamacpp called directly", theirs, "tokens/s", ""),
        Figure("ratio, pair by pair", ratio, "", "≥ 0.9"),
        Figure("first token, 32-token prompt, warm, in the engine", median(warm), "ms", "< 150 ms"),
        Figure("first token, 32-token prompt, warm, at gradio_client", median(first), "ms", "< 150 ms"),
    ]


def _client_tokens_per_second(client: Client, counter: Generates) -> float:
    job = client.submit(_PROMPT, max_new_tokens=_NEW_TOKENS, temperature=0.7, seed=1, api_name="/generate")
    first_at, first_text, text = 0.0, "", ""
    for record in job:
        text = record["text"]
        if text and not first_at:
            first_at, first_text = time.monotonic(), text
    seconds = time.monotonic() - first_at
    return (counter.count_tokens(text) - counter.count_tokens(first_text)) / seconds


def _first_event_seconds(client: Client, seed: int) -> float:
    started = time.monotonic()
    job = client.submit(_PROMPT_OF_32_TOKENS, max_new_tokens=4, seed=seed, api_name="/generate")
    for record in job:
        if record["text"]:
            break
    elapsed = time.monotonic() - started
    job.result()
    return elapsed


def _first_token_ms(engine: Any, seed: int) -> float:
    task = find_task("generate")
    request = task.request_type.parse({"prompt": _PROMPT_OF_32_TOKENS, "max_new_tokens": 4, "seed": seed})
    first: float = engine.answer(task, request, model_id=_MODEL).stats.first_token_ms
    return first


class _DirectServer:
    """The same model, prompt and settings on a bare xllamacpp server."""

    def __init__(self, settings: Settings) -> None:
        import xllamacpp

        from llm_core.catalog import load_catalog

        catalog = load_catalog()
        files = WeightStore(settings, catalog).files(catalog[_MODEL])
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(next(files.directory.glob("*.gguf")))
        parameters.n_ctx, parameters.n_parallel, parameters.verbosity = 2048, 1, 0
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = settings.threads
        self._server = xllamacpp.Server(parameters)

    def tokens_per_second(self) -> float:
        """Streamed decoding speed after the first token."""
        times: list[float] = []

        def receive(chunk: Any) -> bool:
            times.append(time.monotonic())
            return False

        self._server.handle_chat_completions(
            {
                "messages": [{"role": "user", "content": _PROMPT}],
                "max_tokens": _NEW_TOKENS,
                "temperature": 0.7,
                "repeat_penalty": 1.1,
                "seed": 1,
                "stream": True,
            },
            receive,
        )
        return (len(times) - 1) / (times[-1] - times[0])
