r"""Training speed of two decoders on a GPU in bf16, with and without `torch.compile`: tokens/s, MFU and peak memory.

Model FLOPs utilisation (arXiv:2204.02311, appendix B) is the share of the device's peak that the model's own products
take, recomputation not counted:

.. math:: \mathrm{MFU} = \frac{\text{tokens/s} \cdot (6 N + 12 L D T)}{\text{peak FLOP/s}}

N parameters (a tied embedding counts once, as the output layer), L layers, D the width of all query heads together, T
tokens a row. The causal half of attention that is skipped is counted, as in the paper. Optimiser and loss are part of
the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from llm_core.bench.figures import Figure
from llm_core.errors import BackendError
from llm_core.model.config import ModelConfig, preset
from llm_core.model.heads import CausalLM
from llm_core.settings import Settings

PEAKS: Mapping[str, float] = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12}
"""Dense bf16 FLOP/s by a part of the device's name, first match, from the data sheets (SXM where there are several)."""
DECODERS: Mapping[str, ModelConfig] = {
    "30M": preset(
        "llama", vocab_size=32000, hidden_size=384, intermediate_size=1024, num_heads=6, num_kv_heads=2,
        decoder_layers=11,
    ),
    "135M": preset(
        "llama", vocab_size=49152, hidden_size=576, intermediate_size=1536, num_heads=9, num_kv_heads=3,
        decoder_layers=30,
    ),
}  # fmt: skip
"""The larger has the shape of SmolLM2-135M."""


@dataclass(frozen=True)
class Throughput:
    """What one training run did."""

    tokens_per_second: float
    mfu: float | None
    """From 0 to 1; None: the device's peak is not known."""
    peak_bytes: int | None
    """Allocated by torch at most; None: not on a GPU."""


def measure(settings: Settings) -> list[Figure]:
    """Figures of `DECODERS` on the first CUDA device.

    Raises:
        BackendError: There is none.
    """
    if not torch.cuda.is_available():
        raise BackendError("the gpu benchmark needs a CUDA device, and there is none here")
    device = torch.device("cuda", 0)
    figures: list[Figure] = []
    for name, config in DECODERS.items():
        for compiled in (False, True):
            what = f"{name} decoder{', torch.compile' if compiled else ''}"
            figures += as_figures(what, throughput(config, device, compiled=compiled))
    return figures


def as_figures(what: str, run: Throughput) -> list[Figure]:
    """The lines of one run."""
    lines = [Figure(f"{what}: training", run.tokens_per_second, "tokens/s", "")]
    if run.mfu is not None:
        lines.append(Figure(f"{what}: MFU", 100 * run.mfu, "%", ""))
    if run.peak_bytes is not None:
        lines.append(Figure(f"{what}: peak memory", run.peak_bytes / 1e9, "GB", ""))
    return lines


def throughput(
    config: ModelConfig,
    device: torch.device,
    *,
    compiled: bool = False,
    rows: int = 16,
    length: int = 1024,
    steps: int = 20,
) -> Throughput:
    """Trains on random tokens with bf16 autocast and fused AdamW.

    Args:
        config: A decoder.
        device: Where.
        compiled: Through `torch.compile`.
        rows: A batch.
        length: Tokens a row.
        steps: Timed, after 5 that are not.
    """
    torch.manual_seed(0)
    model = CausalLM(config).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    run: Callable[[Tensor], Tensor] = torch.compile(model) if compiled else model
    ids = torch.randint(config.vocab_size, (rows, length + 1), device=device)
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    _train(run, optimizer, ids, 5)
    started = _now(device)
    _train(run, optimizer, ids, steps)
    speed = steps * rows * length / (_now(device) - started)
    peak = peak_flops(torch.cuda.get_device_name(device)) if on_gpu else None
    return Throughput(
        speed,
        None if peak is None else speed * flops_per_token(model, length) / peak,
        torch.cuda.max_memory_allocated(device) if on_gpu else None,
    )


def _train(run: Callable[[Tensor], Tensor], optimizer: Any, ids: Tensor, steps: int) -> None:
    for _ in range(steps):
        with torch.autocast(ids.device.type, dtype=torch.bfloat16):
            logits = run(ids[:, :-1])
        cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def flops_per_token(model: CausalLM, length: int) -> float:
    """Floating-point operations of a training step for each token; see the module's formula."""
    config, parameters = model.config, sum(weight.numel() for weight in model.parameters())
    looked_up = 0 if config.tie_embeddings else config.vocab_size * config.hidden_size  # a look-up multiplies nothing
    attention = 12 * config.decoder_layers * config.num_heads * config.head_dim * length
    return float(6 * (parameters - looked_up) + attention)


def peak_flops(name: str) -> float | None:
    """Of a device by its name; None: not in `PEAKS`."""
    return next((peak for part, peak in PEAKS.items() if part in name), None)
