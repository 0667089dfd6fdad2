"""Many answers at once on one decoder (continuous batching): tokens/s, first token and memory of 1, 4 and 16 streams,
against transformers' `generate`.

Weights are random and prompts are numbers: nothing is downloaded, and speed does not depend on either. Each stream
has a thread of its own that takes its tokens as they come, as a visitor's request does. `generate` reads 16 prompts of
one length as one batch, which no service can do; it shows what paging and streaming cost.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from statistics import median
from typing import Any

import psutil
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from llm_core.backends.transformers.continuous_batch import ContinuousBatch
from llm_core.backends.transformers.precision import inference_dtype
from llm_core.bench.figures import Figure
from llm_core.errors import InputError
from llm_core.hardware import configure_torch, default_device
from llm_core.settings import Settings
from llm_core.types import CancelToken, Sampling

STREAMS = (1, 4, 16)
_CONTEXT = 2048
_ROUNDS = 2
"""Of each measurement; the fastest counts."""


def _llama(hidden: int, inner: int, layers: int, heads: int, kv_heads: int, vocabulary: int, tied: bool) -> LlamaConfig:
    return LlamaConfig(
        hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=kv_heads, vocab_size=vocabulary, tie_word_embeddings=tied,
        max_position_embeddings=_CONTEXT,
    )  # fmt: skip


SHAPES: Mapping[str, LlamaConfig] = {
    "tiny": _llama(64, 192, 2, 4, 2, 1024, True),
    "135M": _llama(576, 1536, 30, 9, 3, 49152, True),
    "360M": _llama(960, 2560, 32, 15, 5, 49152, True),
    "1.7B": _llama(2048, 8192, 24, 32, 32, 49152, True),
    "8B": _llama(4096, 14336, 32, 32, 8, 128256, False),
}
"""Those of SmolLM2 135M, 360M and 1.7B, and of Llama 3.1 8B; ``tiny`` is for trying the bench out."""


@dataclass(frozen=True)
class Run:
    """Streams that started together."""

    tokens_per_second: float
    """Of all of them."""
    first_seconds: float
    """To the first token, the median."""
    last_first_seconds: float
    """The same of the stream that waited longest."""


def measure(
    settings: Settings,
    device: str | None = None,
    shapes: Sequence[str] = ("135M",),
    prompt_tokens: int = 128,
    new_tokens: int = 128,
) -> list[Figure]:
    """Figures of each shape.

    Raises:
        InputError: There is no such shape.
    """
    configure_torch(settings.threads)
    figures: list[Figure] = []
    for shape, config in chosen_shapes(shapes).items():
        figures += _of_shape(shape, config, device or default_device(), prompt_tokens, new_tokens)
    return figures


def chosen_shapes(names: Sequence[str]) -> dict[str, LlamaConfig]:
    """Those of `SHAPES`.

    Raises:
        InputError: There is no such shape.
    """
    for name in names:
        if name not in SHAPES:
            raise InputError("shape", f"must be one of {', '.join(SHAPES)}", name)
    return {name: SHAPES[name] for name in names}


def _of_shape(shape: str, config: LlamaConfig, device: str, prompt_tokens: int, new_tokens: int) -> list[Figure]:
    model = random_model(config, device)
    asked = prompts(max(STREAMS), prompt_tokens)
    plain = {rows: _generate(model, asked[:rows], new_tokens) for rows in (1, max(STREAMS))}
    with closing(ContinuousBatch(model, frozenset(), max(STREAMS), _CONTEXT)) as batch:
        together(batch, asked, greedy(8))
        before = _start_memory(device)
        runs = {n: together(batch, asked[:n], greedy(new_tokens)) for n in STREAMS}
        drawn = together(batch, asked, Sampling(new_tokens, seed=1))
        held = _peak_memory(device, before)
        cache = batch.memory_bytes
    del model
    what = f"{shape}, {str(inference_dtype(device)).removeprefix('torch.')} on {_name(device)}"
    figures = [Figure(f"{what}: generate, {rows} rows", speed, "tokens/s", "") for rows, speed in plain.items()]
    for n, run in runs.items():
        figures += [
            Figure(f"{n} streams", run.tokens_per_second, "tokens/s", ""),
            Figure(f"{n} streams: first token, median", run.first_seconds * 1000, "ms", ""),
            Figure(f"{n} streams: first token, last of them", run.last_first_seconds * 1000, "ms", ""),
        ]
    one, most = runs[1].tokens_per_second, runs[max(STREAMS)].tokens_per_second
    return [
        *figures,
        Figure(f"{max(STREAMS)} streams / 1", most / one, "×", "≥ 4 ×"),
        Figure("1 stream / generate, 1 row", one / plain[1], "×", ""),
        Figure(f"{max(STREAMS)} streams / generate, 1 row", most / plain[1], "×", ""),
        Figure(f"{max(STREAMS)} streams / generate, {max(STREAMS)} rows", most / plain[max(STREAMS)], "×", ""),
        Figure(f"{max(STREAMS)} streams, drawn with default settings", drawn.tokens_per_second, "tokens/s", ""),
        Figure("keys and values", cache / 1e9, "GB", ""),
        Figure(
            "memory, weights included" if device.startswith("cuda") else "memory beyond weights", held / 1e9, "GB", ""
        ),
    ]


def random_model(config: LlamaConfig, device: str) -> Any:
    """A model of this shape."""
    torch.manual_seed(0)
    with torch.device(device):
        model: Any = AutoModelForCausalLM.from_config(config, dtype=inference_dtype(device))  # type: ignore[no-untyped-call]
    return model.eval()


@torch.inference_mode()
def _generate(model: Any, asked: list[list[int]], new_tokens: int) -> float:
    """Tokens/s of `generate`, after a round to warm up; prompts are of one length."""
    rows = torch.tensor(asked, device=model.device)
    options = {"attention_mask": torch.ones_like(rows), "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    model.generate(rows, max_new_tokens=8, **options)
    seconds = [_timed(lambda: model.generate(rows, max_new_tokens=new_tokens, **options).cpu()) for _ in range(_ROUNDS)]
    return len(asked) * new_tokens / min(seconds)


def prompts(count: int, tokens: int) -> list[list[int]]:
    """So many, of one length, each different from its beginning."""
    return [[(31 * i + 7 * j) % 1000 + 3 for j in range(tokens)] for i in range(count)]


def greedy(new_tokens: int) -> Sampling:
    """The likeliest token each time."""
    return Sampling(new_tokens, temperature=0.0, repeat_penalty=1.0)


def together(batch: ContinuousBatch, asked: Sequence[list[int]], sampling: Sampling) -> Run:
    """Answers that start together, each with a thread that takes its tokens."""
    runs = []
    for _ in range(_ROUNDS):
        with ThreadPoolExecutor(len(asked)) as pool:
            began = time.perf_counter()
            first = list(pool.map(functools.partial(_first_token, batch, sampling), asked))
            seconds = time.perf_counter() - began
        runs.append(Run(len(asked) * sampling.max_new_tokens / seconds, median(first), max(first)))
    return max(runs, key=lambda run: run.tokens_per_second)


def _first_token(batch: ContinuousBatch, sampling: Sampling, ids: list[int]) -> float:
    """Seconds to the first token of an answer that is read to its end."""
    began, first = time.perf_counter(), 0.0
    for _ in batch.choices(ids, sampling, CancelToken()):
        first = first or time.perf_counter() - began
    return first


def _timed(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _start_memory(device: str) -> int:
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
        return 0
    return int(psutil.Process().memory_info().rss)


def _peak_memory(device: str, before: int) -> int:
    if device.startswith("cuda"):
        return int(torch.cuda.max_memory_allocated())
    return int(psutil.Process().memory_info().rss) - before


def _name(device: str) -> str:
    return torch.cuda.get_device_name() if device.startswith("cuda") else f"{device}, {torch.get_num_threads()} threads"
