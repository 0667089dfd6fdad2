"""The choices of a decoder's loading plan, one by one: bits a weight, attention kernel and compiled steps, in seconds
to load, bytes held and tokens/s of one answer and, where they share batches, of sixteen at once.

Weights are random, written to a temporary folder and loaded as a checkpoint is. Choices whose package or compiler is
not installed are left out.
"""

from __future__ import annotations

import functools
import importlib.util
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, DynamicCache

from llm_core.backends.transformers.compiled_steps import CompiledSteps, Forward
from llm_core.backends.transformers.continuous_batch import ContinuousBatch
from llm_core.backends.transformers.loading_plan import LoadingPlan
from llm_core.backends.transformers.precision import inference_dtype
from llm_core.bench.batching import STREAMS, chosen_shapes, greedy, prompts, random_model, together
from llm_core.bench.figures import Figure
from llm_core.hardware import configure_torch, default_device
from llm_core.settings import Settings

_PROMPT_TOKENS = 128


def measure(
    settings: Settings, device: str | None = None, shapes: Sequence[str] = ("135M",), new_tokens: int = 64
) -> list[Figure]:
    """Figures of each shape and choice.

    Raises:
        InputError: There is no such shape.
    """
    configure_torch(settings.threads)
    where = device or default_device()
    figures: list[Figure] = []
    for name, config in chosen_shapes(shapes).items():
        with tempfile.TemporaryDirectory() as folder:
            random_model(config, where).save_pretrained(folder)
            for what, plan in _plans(where):
                figures += _of_plan(f"{name}, {what}", Path(folder), plan, where, new_tokens)
    return figures


def _plans(device: str) -> Iterator[tuple[str, LoadingPlan]]:
    dtype = inference_dtype(device)
    yield f"{str(dtype).removeprefix('torch.')}", LoadingPlan(dtype)
    if device.startswith("cuda") and importlib.util.find_spec("flash_attn") is not None:
        yield "flash attention 2", LoadingPlan(dtype, "flash_attention_2")
    if _can_compile(device):
        yield "compiled", LoadingPlan(dtype, compiled=True)
    if importlib.util.find_spec("bitsandbytes") is not None:
        yield "8 bits", LoadingPlan(dtype, bits=8)
        yield "4 bits", LoadingPlan(dtype, bits=4)


def _of_plan(what: str, folder: Path, plan: LoadingPlan, device: str, new_tokens: int) -> list[Figure]:
    began = time.perf_counter()
    model: Any = AutoModelForCausalLM.from_pretrained(folder, **plan.options(device))
    model = (model if plan.bits <= 8 else model.to(device)).eval()
    if plan.compiled:
        return _compiled(what, model, new_tokens, began)
    seconds = time.perf_counter() - began
    held = sum(weight.nbytes for weight in model.parameters())
    most = max(STREAMS)
    with closing(ContinuousBatch(model, frozenset(), most, model.config.max_position_embeddings)) as batch:
        together(batch, prompts(most, _PROMPT_TOKENS), greedy(8))
        speeds = {
            n: together(batch, prompts(n, _PROMPT_TOKENS), greedy(new_tokens)).tokens_per_second for n in (1, most)
        }
    return [
        Figure(f"{what}: load", seconds, "s", ""),
        Figure(f"{what}: weights", held / 1e9, "GB", ""),
        *(Figure(f"{what}: {n} at once", speed, "tokens/s", "") for n, speed in speeds.items()),
    ]


def _compiled(what: str, model: Any, new_tokens: int, began: float) -> list[Figure]:
    """One answer through compiled steps, and the same without compiling; the second of two counts."""
    with closing(CompiledSteps(model, model.config.max_position_embeddings)) as steps:
        seconds = time.perf_counter() - began
        compiled, plain = 0.0, 0.0
        for _ in range(2):
            with steps.lent(_PROMPT_TOKENS + new_tokens) as forward:
                assert forward is not None
                compiled = _speed(forward, model.device, new_tokens)
            plain = _speed(
                functools.partial(_forward, model, DynamicCache(config=model.config)), model.device, new_tokens
            )
        held = steps.memory_bytes
    return [
        Figure(f"{what}: load and compile", seconds, "s", ""),
        Figure(f"{what}: cache", held / 1e9, "GB", ""),
        Figure(f"{what}: 1 alone", compiled, "tokens/s", ""),
        Figure(f"{what}: 1 alone, without", plain, "tokens/s", ""),
        Figure(f"{what}: compiled / without", compiled / plain, "×", ""),
    ]


def _speed(forward: Forward, device: torch.device, new_tokens: int) -> float:
    """Tokens/s after the prompt, each token known before the next is computed."""
    logits_V = forward(torch.tensor(prompts(1, _PROMPT_TOKENS)[0], device=device))
    began = time.perf_counter()
    for _ in range(new_tokens):
        logits_V = forward(torch.tensor([int(logits_V.argmax())], device=device))
    int(logits_V.argmax())
    return new_tokens / (time.perf_counter() - began)


@torch.inference_mode()
def _forward(model: Any, cache: DynamicCache, ids_T: torch.Tensor) -> torch.Tensor:
    output = model(input_ids=ids_T[None], past_key_values=cache, use_cache=True, logits_to_keep=1)
    logits_V: torch.Tensor = output.logits[0, -1].float()
    return logits_V


def _can_compile(device: str) -> bool:
    """Whether what torch.compile needs is here: triton for CUDA, a C++ compiler for a CPU."""
    if device.startswith("cuda"):
        return importlib.util.find_spec("triton") is not None
    return any(shutil.which(compiler) for compiler in ("c++", "g++", "clang++"))
