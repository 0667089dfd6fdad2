"""The choices of a decoder's loading plan, one by one: bits a weight and attention kernel, in seconds to load, bytes
held and tokens/s of one answer and of sixteen at once.

Weights are random, written to a temporary folder and loaded as a checkpoint is. Choices whose package is not installed
are left out.
"""

from __future__ import annotations

import importlib.util
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from transformers import AutoModelForCausalLM

from llm_core.backends.transformers.continuous_batch import ContinuousBatch
from llm_core.backends.transformers.loading_plan import LoadingPlan
from llm_core.backends.transformers.precision import inference_dtype
from llm_core.bench.batching import STREAMS, chosen_shapes, greedy, prompts, random_model, together
from llm_core.bench.figures import Figure
from llm_core.hardware import configure_torch, default_device
from llm_core.settings import Settings


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
    if importlib.util.find_spec("bitsandbytes") is not None:
        yield "8 bits", LoadingPlan(dtype, bits=8)
        yield "4 bits", LoadingPlan(dtype, bits=4)


def _of_plan(what: str, folder: Path, plan: LoadingPlan, device: str, new_tokens: int) -> list[Figure]:
    began = time.perf_counter()
    model: Any = AutoModelForCausalLM.from_pretrained(folder, **plan.options(device))
    model = (model if plan.bits <= 8 else model.to(device)).eval()
    seconds = time.perf_counter() - began
    held = sum(weight.nbytes for weight in model.parameters())
    most = max(STREAMS)
    with closing(ContinuousBatch(model, frozenset(), most, model.config.max_position_embeddings)) as batch:
        together(batch, prompts(most, 128), greedy(8))
        speeds = {n: together(batch, prompts(n, 128), greedy(new_tokens)).tokens_per_second for n in (1, most)}
    return [
        Figure(f"{what}: load", seconds, "s", ""),
        Figure(f"{what}: weights", held / 1e9, "GB", ""),
        *(Figure(f"{what}: {n} at once", speed, "tokens/s", "") for n, speed in speeds.items()),
    ]
