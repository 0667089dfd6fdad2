"""How long a request takes on a GPU that is lent for a time said in advance: longer than it will, but not by much.

Whoever asks for less comes first, and work that takes longer than was asked for is cut off.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from llm_core.catalog import ModelSpec

MAX_SECONDS = 100.0
"""Longest time to compute; with the start it stays below the two minutes that visitors who are not logged in have."""
_FORK_SECONDS = 5.0
"""A worker's start and CUDA's."""
_MOVED_BYTES_PER_SECOND = 1.5e9
"""From the disk to the GPU; all models are moved."""
_STEP_SECONDS = 0.03
"""Python's share of one step of a decoder."""
_READ_BYTES_PER_SECOND = 2.5e11
"""Each step reads all weights: an eighth of the bandwidth of the slowest card that is lent."""
_UNSAID_TOKENS = 128
"""Of an answer whose request does not say how long it may be."""
_CHARACTERS_PER_TOKEN = 2
_SENTENCES_AT_ONCE = 8
_READ_CHARACTERS_PER_SECOND = 2_000
"""By an encoder."""
_SHORTEST_SECONDS = 3.0


def start_seconds(moved_bytes: int) -> float:
    """From the GPU's grant to the first step.

    Args:
        moved_bytes: What all models hold.
    """
    return _FORK_SECONDS + moved_bytes / _MOVED_BYTES_PER_SECOND


def compute_seconds(spec: ModelSpec, request: Any) -> float:
    """From the first step to the result.

    Args:
        spec: The model.
        request: A task's request, or a tuple of several.
    """
    requests = request if isinstance(request, tuple) else (request,)
    characters = sum(len(_text(each)) for each in requests)
    step = _STEP_SECONDS + spec.memory_bytes / _READ_BYTES_PER_SECOND
    seconds = _SHORTEST_SECONDS + characters / _READ_CHARACTERS_PER_SECOND
    if spec.head == "causal_lm":
        seconds += step * sum(map(_new_tokens, requests))
    elif spec.head == "seq2seq":
        seconds += step * characters / _CHARACTERS_PER_TOKEN / _SENTENCES_AT_ONCE
    return min(seconds, MAX_SECONDS)


def _text(request: Any) -> str:
    return request.model_dump_json() if isinstance(request, BaseModel) else str(request)


def _new_tokens(request: Any) -> int:
    """Of all answers that a request asks for."""
    each: int = getattr(request, "max_new_tokens", _UNSAID_TOKENS)
    answers: int = getattr(request, "candidates", 1)
    return each * answers
