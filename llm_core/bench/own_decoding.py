"""Our decoder, packed for inference, against transformers' `generate` on the same random weights.

The shape is SmolLM2-135M's; batch 1, the same threads and matmul precision for both. transformers decodes with its
default, growing cache. Decoding time is that of a long answer less that of one token, which is the prefill.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from llm_core.bench.figures import Figure, alternate
from llm_core.inference.generate import generate
from llm_core.inference.packed import packed
from llm_core.model.config import preset
from llm_core.model.convert import hub
from llm_core.model.heads import CausalLM
from llm_core.settings import Settings
from llm_core.types import Sampling

_PROMPT_TOKENS, _NEW_TOKENS = 256, 32
_SIZES = {
    "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536, "decoder_layers": 30, "num_heads": 9,
    "num_kv_heads": 3, "max_positions": 8192, "rope_theta": 100000.0, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip


def measure(settings: Settings) -> list[Figure]:
    """Decoding and prefill speed of both and their ratios, in float32 and bfloat16."""
    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(settings.threads)
    torch.set_float32_matmul_precision("medium")
    try:
        return [figure for dtype in (torch.float32, torch.bfloat16) for figure in _measure(dtype)]
    finally:
        torch.set_num_threads(before[0])
        torch.set_float32_matmul_precision(before[1])


def _measure(dtype: torch.dtype) -> list[Figure]:
    ours, theirs = _models(dtype)
    prompt = torch.randint(1, 49152, (1, _PROMPT_TOKENS), generator=torch.Generator().manual_seed(0))

    def run_ours(tokens: int) -> float:
        started = time.perf_counter()
        sampling = Sampling(tokens, temperature=0, repeat_penalty=1.0)
        for _ in generate(ours, prompt, sampling=sampling, eos=()):
            pass
        return time.perf_counter() - started

    def run_theirs(tokens: int) -> float:
        started = time.perf_counter()
        limits = {"max_new_tokens": tokens, "min_new_tokens": tokens, "do_sample": False, "pad_token_id": 0}
        theirs.generate(prompt, attention_mask=torch.ones_like(prompt), **limits)
        return time.perf_counter() - started

    kind = str(dtype).removeprefix("torch.")
    figures: list[Figure] = []
    for what, speed, goal in (("decoding", _decoding_speed, "≥ 1.5"), ("prefill", _prefill_speed, "≥ 1.0")):
        mine, other, ratio = alternate(lambda s=speed: s(run_ours), lambda s=speed: s(run_theirs))  # type: ignore[misc]
        figures += [
            Figure(f"{what}, {kind}, ours", mine, "tokens/s", ""),
            Figure(f"{what}, {kind}, transformers", other, "tokens/s", ""),
            Figure(f"{what}, {kind}, ratio pair by pair", ratio, "", goal),
        ]
    return figures


def _decoding_speed(run: Callable[[int], float]) -> float:
    prefill = run(1)
    return _NEW_TOKENS / (run(1 + _NEW_TOKENS) - prefill)


def _prefill_speed(run: Callable[[int], float]) -> float:
    return _PROMPT_TOKENS / run(1)


def _models(dtype: torch.dtype) -> tuple[CausalLM, Any]:
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    model = CausalLM(preset("llama", **_SIZES)).eval().to(dtype)
    with tempfile.TemporaryDirectory() as directory:
        hub.save(model, Path(directory))
        theirs: Any = AutoModelForCausalLM.from_pretrained(directory, dtype=dtype)
        return packed(model), theirs.eval()
