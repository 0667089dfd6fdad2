"""ZeroGPU's package `spaces`: what runs functions on the GPU, and what it says when it has none.

It is imported on a Space with ZeroGPU only, before torch, whose CUDA it replaces by one that keeps tensors for the GPU
to come.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Generator
from typing import Any

import gradio as gr

from llm_core.errors import BackendError, GpuRefusal, GpuRefusedError, LlmCoreError
from llm_core.hardware import has_zero_gpu
from llm_core.session import Task
from llm_core.zero_gpu import OnGpu, Sent, Work

logger = logging.getLogger(__name__)

_WAIT = re.compile(r"Try again in ((?:\d+ days?, )?\d+:\d\d:\d\d)")
_REFUSALS: tuple[tuple[str, GpuRefusal], ...] = (
    ("No GPU was available", "busy"),
    ("Space app has reached its GPU limit", "anonymous"),
    ("exceeded your .*(quota|runs limit)", "quota"),
    ("too many ZeroGPU credits allocated", "busy"),
    ("larger than the maximum allowed", "long"),
    ("Expired ZeroGPU proxy token", "expired"),
)
"""What `spaces` 0.51 says (its `zero/client.py`), and what that means."""
_ABORTED = "ZeroGPU worker error"
"""Title of the errors that come once there is a GPU."""


def on_zero_gpu() -> OnGpu | None:
    """What runs functions on ZeroGPU; ``None`` where there is none. Call it before torch is imported."""
    if not has_zero_gpu():
        return None
    import spaces

    return runs_with(spaces.GPU)


def runs_with(decorator: Callable[..., Any]) -> OnGpu:
    """What runs functions by ``spaces.GPU``, with the package's own errors in place of the page's."""

    def on_gpu(work: Work, seconds: Callable[..., int]) -> Work:
        decorated: Work = decorator(duration=seconds)(work)

        def call(task: Task[Any, Any], request: Any, model_id: str) -> Generator[Sent, None, None]:
            try:
                yield from decorated(task, request, model_id)
            except LlmCoreError:
                raise
            except Exception as error:
                raise refusal_of(error) from error

        return call

    return on_gpu


def refusal_of(error: Exception) -> LlmCoreError:
    """Why there is no answer, from what `spaces` raises: errors of the page, and of its client."""
    message = str(getattr(error, "message", error))
    if isinstance(error, gr.Error) and error.title == _ABORTED:
        return BackendError(f"the GPU's worker failed ({message})")
    for pattern, reason in _REFUSALS:
        if re.search(pattern, message):
            wait = _WAIT.search(message)
            return GpuRefusedError(reason, wait[1] if wait else "")
    logger.warning("a call on ZeroGPU failed", exc_info=error)
    return GpuRefusedError("failed")
