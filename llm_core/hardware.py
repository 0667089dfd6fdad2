"""What this container really has: cores, memory, accelerator; and the torch settings that follow from it.

`os.cpu_count` reports the host's cores, which in a container are often far more than may be used.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from pathlib import Path

import psutil

_CGROUP = Path("/sys/fs/cgroup")
_NATIVE_BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16")
"""Names in `torch.cpu.get_capabilities` on x86-64 and ARM64."""


def available_cores() -> int:
    """Cores this process may use: the smaller of CPU affinity and the cgroup's quota, at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    quota = _cgroup_numbers("cpu.max")
    if len(quota) == 2:
        return max(1, min(affinity, quota[0] // quota[1]))
    return max(1, affinity)


def available_memory_bytes() -> int:
    """Memory this container may use in bytes: the smaller of the machine's and the cgroup's limit."""
    limit = _cgroup_numbers("memory.max")
    total = int(psutil.virtual_memory().total)
    return min(total, limit[0]) if limit else total


def _cgroup_numbers(file: str) -> list[int]:
    """The numbers in a cgroup v2 file; empty when there is none or it says ``max``."""
    try:
        words = (_CGROUP / file).read_text().split()
    except OSError:
        return []
    return [int(word) for word in words] if all(word.isdigit() for word in words) else []


def return_freed_memory() -> None:
    """Give the system back what was freed and glibc kept for later; with another C library nothing happens."""
    if sys.platform.startswith("linux") and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)


@functools.cache
def configure_torch(threads: int) -> None:
    """Set torch up once a process: threads, and bf16 passes inside float32 products (measured: 2.3 times faster)."""
    import torch

    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision("medium")


def has_bfloat16(device: str) -> bool:
    """Whether it multiplies bfloat16 by instructions of its own; emulated, that is slower than float32.

    Args:
        device: torch device, such as ``"cpu"`` or ``"cuda:0"``.
    """
    import torch

    if torch.device(device).type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return torch.device(device).type == "cpu" and any(capabilities.get(name, False) for name in _NATIVE_BFLOAT16)


def has_zero_gpu() -> bool:
    """Whether this is a Hugging Face Space with ZeroGPU, as its package `spaces` understands it."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def default_device() -> str:
    """The torch device models run on: ``cuda``, ``mps`` or ``cpu``.

    With ZeroGPU it is the CPU: CUDA then seems to be here, but computes nothing in this process.
    """
    import torch

    if has_zero_gpu():
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def device_memory_bytes(device: str) -> int | None:
    """Memory of an accelerator of its own, in bytes; ``None`` for one that shares the machine's."""
    import torch

    return torch.cuda.get_device_properties(device).total_memory if device.startswith("cuda") else None
