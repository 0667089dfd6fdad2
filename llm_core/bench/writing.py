"""Each embedded decoder through our backend, against xllamacpp and transformers called directly with the same file.

Each runtime is in a process of its own, so that threads of one do not share cores with another's that wait, and memory
is that of one. All continue the same text, greedily, for the same number of tokens. transformers reads the GGUF file
into float32 and into bfloat16; the faster of the two counts.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from llm_core.bench.figures import Figure
from llm_core.catalog import ModelSpec, load_catalog
from llm_core.engine import create_engine
from llm_core.settings import Settings
from llm_core.types import CancelToken, Sampling
from llm_core.weights import WeightStore

_ROUNDS = 3
_NEW_TOKENS = 96
_PROMPTS = {"en": "Once upon a time there was a lighthouse keeper who", "zh": "七律\n登楼\n"}


@dataclass(frozen=True)
class Job:
    """What is continued, and how."""

    settings: Settings
    model_id: str
    prompt: str
    gguf: Path


Answer = Callable[[int], list[float]]
"""Tokens wanted → when each was there, in seconds of `time.perf_counter`."""


def measure(settings: Settings) -> list[Figure]:
    """Tokens per second, first token and memory of each decoder and runtime, and the ratios."""
    catalog = load_catalog()
    store = WeightStore(settings, catalog)
    figures: list[Figure] = []
    for spec in catalog.values():
        served = spec.tier == "embedded" and spec.backend == "llama_cpp" and spec.base is None
        if served and store.availability(spec).available:
            gguf = next(store.files(spec).directory.glob("*.gguf"))
            figures += _of(spec, Job(settings, spec.id, _PROMPTS[spec.languages[0]], gguf))
    return figures


def _of(spec: ModelSpec, job: Job) -> list[Figure]:
    runtimes = {"ours": _ours, "xllamacpp": _xllamacpp, "float32": _float32, "bfloat16": _bfloat16}
    context = multiprocessing.get_context("spawn")
    pools = {name: ProcessPoolExecutor(1, context, _open, (start, job)) for name, start in runtimes.items()}
    try:
        memory = {name: pool.submit(_grown_bytes).result() for name, pool in pools.items()}
        rounds = [{name: pool.submit(_round).result() for name, pool in pools.items()} for _ in range(_ROUNDS)]
    finally:
        for pool in pools.values():
            pool.shutdown()
    speed = {name: median(each[name][1] for each in rounds) for name in runtimes}
    fastest = max("float32", "bfloat16", key=speed.__getitem__)
    figures = [
        Figure(f"{spec.id}, {title}", speed[name], "tokens/s", "")
        for name, title in (("ours", "ours"), ("xllamacpp", "xllamacpp"), (fastest, f"transformers, {fastest}"))
    ]
    for name, goal in (("xllamacpp", "≥ 0.9"), (fastest, "≥ 3")):
        ratio = median(each["ours"][1] / each[name][1] for each in rounds)
        figures.append(Figure(f"{spec.id}, ours / {name}, round by round", ratio, "", goal))
    for name in ("ours", "xllamacpp", fastest):
        first = median(each[name][0] for each in rounds) * 1000
        figures.append(Figure(f"{spec.id}, first token, {name}", first, "ms", ""))
        figures.append(Figure(f"{spec.id}, memory, {name}", memory[name] / 1e6, "MB", ""))
    return figures


_answer: Answer
_grown: int


def _open(start: Callable[[Job], Answer], job: Job) -> None:
    """Begins a process of one runtime; its imports do not count as the model's memory."""
    global _answer, _grown
    import torch
    import transformers  # noqa: F401
    import xllamacpp  # noqa: F401

    torch.set_num_threads(job.settings.threads)
    before = psutil.Process().memory_info().rss
    _answer = start(job)
    _answer(8)
    _grown = psutil.Process().memory_info().rss - before


def _grown_bytes() -> int:
    return _grown


def _round() -> tuple[float, float]:
    """Seconds to the first token; tokens a second after it."""
    started = time.perf_counter()
    times = _answer(_NEW_TOKENS)
    return times[0] - started, (len(times) - 1) / (times[-1] - times[0])


def _ours(job: Job) -> Answer:
    engine = create_engine(job.settings)
    model: Any = engine.preload(job.model_id).result()

    def answer(tokens: int) -> list[float]:
        sampling = Sampling(tokens, temperature=0.0, repeat_penalty=1.0)
        return [time.perf_counter() for _ in model.generate(job.prompt, sampling, CancelToken())]

    return answer


def _xllamacpp(job: Job) -> Answer:
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path, parameters.n_ctx, parameters.n_parallel, parameters.verbosity = str(job.gguf), 512, 1, 0
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = job.settings.threads
    server = xllamacpp.Server(parameters)

    def answer(tokens: int) -> list[float]:
        times: list[float] = []
        request = {"prompt": job.prompt, "max_tokens": tokens, "temperature": 0, "stream": True}
        server.handle_completions(request, lambda _: times.append(time.perf_counter()))
        return times

    return answer


def _float32(job: Job) -> Answer:
    return _transformers(job, "float32")


def _bfloat16(job: Job) -> Answer:
    return _transformers(job, "bfloat16")


def _transformers(job: Job, dtype: str) -> Answer:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    files: dict[str, Any] = {"gguf_file": job.gguf.name, "local_files_only": True}
    tokenizer: Any = AutoTokenizer.from_pretrained(job.gguf.parent, **files)
    model: Any = AutoModelForCausalLM.from_pretrained(job.gguf.parent, dtype=getattr(torch, dtype), **files)
    model.eval()
    prompt = tokenizer(job.prompt, return_tensors="pt").input_ids

    class Clock:
        """Notes when tokens come; the first call brings the prompt."""

        def __init__(self) -> None:
            self.times: list[float] = []

        def put(self, _: Any) -> None:
            self.times.append(time.perf_counter())

        def end(self) -> None:
            pass

    def answer(tokens: int) -> list[float]:
        clock = Clock()
        model.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=tokens, min_new_tokens=tokens,
            do_sample=False, pad_token_id=0, streamer=clock,
        )  # fmt: skip
        return clock.times[1:]

    return answer
