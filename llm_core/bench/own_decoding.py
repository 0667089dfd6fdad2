"""Our decoder, packed for inference, against transformers' `generate` on the same random weights.

The shape is SmolLM2-135M's; batch 1, the same threads and float32 matmul precision for both: the app's, "medium", and
"highest", in which transformers decodes faster and reads prompts slower. It decodes with its default, growing cache.
Decoding time is that of a long answer less that of one token, which is the prefill.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from llm_core.bench.figures import Figure, alternate
from llm_core.inference.generate import generate
from llm_core.inference.packed import packed
from llm_core.model.config import ModelConfig, preset
from llm_core.model.convert import hub
from llm_core.model.heads import CausalLM
from llm_core.settings import Settings
from llm_core.types import Sampling

Answer = Callable[[Tensor, int], Tensor]
"""(1, tokens) of a prompt (1, S) and the number of tokens wanted."""

_SMOLLM2_135M = preset(
    "llama", vocab_size=49152, hidden_size=576, intermediate_size=1536, decoder_layers=30, num_heads=9,
    num_kv_heads=3, max_positions=8192, rope_theta=100000.0, bos_token_id=0, eos_token_id=0,
)  # fmt: skip


@dataclass(frozen=True)
class Contest:
    """What is decoded, and how."""

    name: str
    dtype: torch.dtype
    precision: str = "medium"
    """Of float32 products, see `torch.set_float32_matmul_precision`."""
    config: ModelConfig = _SMOLLM2_135M
    prompt_tokens: int = 256
    new_tokens: int = 32
    rounds: int = 5


CONTESTS = (
    Contest("float32", torch.float32),
    Contest('float32 at "highest"', torch.float32, "highest"),
    Contest("bfloat16", torch.bfloat16),
)


def measure(settings: Settings) -> list[Figure]:
    """Decoding and prefill speed of both and their ratios, in float32 and bfloat16."""
    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(settings.threads)
    try:
        return [figure for contest in CONTESTS for figure in compare(contest)]
    finally:
        torch.set_num_threads(before[0])
        torch.set_float32_matmul_precision(before[1])


def compare(contest: Contest) -> list[Figure]:
    """Tokens a second of ours, of transformers, and their ratio; of decoding, then of prefill. Sets the precision."""
    torch.set_float32_matmul_precision(contest.precision)
    ours, theirs = answers(contest)
    shape, generator = (1, contest.prompt_tokens), torch.Generator().manual_seed(0)
    prompt = torch.randint(1, contest.config.vocab_size, shape, generator=generator)

    def decoding(answer: Answer) -> float:
        prefill = _seconds(answer, prompt, 1)
        return contest.new_tokens / (_seconds(answer, prompt, 1 + contest.new_tokens) - prefill)

    def prefill(answer: Answer) -> float:
        return contest.prompt_tokens / _seconds(answer, prompt, 1)

    return [*_figures(contest, decoding, "≥ 1.5", ours, theirs), *_figures(contest, prefill, "≥ 1.0", ours, theirs)]


def answers(contest: Contest) -> tuple[Answer, Answer]:
    """Greedy answers of our model and of transformers', which have the same weights; no token ends them."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    model = CausalLM(contest.config).eval().to(contest.dtype)
    with tempfile.TemporaryDirectory() as directory:
        hub.save(model, Path(directory))
        theirs: Any = AutoModelForCausalLM.from_pretrained(directory, dtype=contest.dtype)
    theirs.eval()
    theirs.generation_config.eos_token_id = None
    fast = packed(model)

    def answer_ours(prompt: Tensor, tokens: int) -> Tensor:
        sampling = Sampling(tokens, temperature=0, repeat_penalty=1.0)
        return torch.stack([step.tokens for step in generate(fast, prompt, sampling=sampling, eos=())], dim=1)

    def answer_theirs(prompt: Tensor, tokens: int) -> Tensor:
        limits = {"max_new_tokens": tokens, "do_sample": False, "pad_token_id": 0}
        answer: Tensor = theirs.generate(prompt, attention_mask=torch.ones_like(prompt), **limits)
        return answer[:, prompt.shape[1] :]

    return answer_ours, answer_theirs


def _seconds(answer: Answer, prompt: Tensor, tokens: int) -> float:
    started = time.perf_counter()
    answer(prompt, tokens)
    return time.perf_counter() - started


def _figures(
    contest: Contest, speed: Callable[[Answer], float], goal: str, ours: Answer, theirs: Answer
) -> list[Figure]:
    mine, other, ratio = alternate(lambda: speed(ours), lambda: speed(theirs), contest.rounds)
    what = f"{speed.__name__}, {contest.name}"
    return [
        Figure(f"{what}, ours", mine, "tokens/s", ""),
        Figure(f"{what}, transformers", other, "tokens/s", ""),
        Figure(f"{what}, ratio pair by pair", ratio, "", goal),
    ]
