"""A decoder's tokens as the increments of a task. Knows nothing of prompts or of what the text is for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from llm_core.backends.base import Generates
from llm_core.session import Steps
from llm_core.types import CancelToken, Delta, Sampling, Token

FinishReason = Literal["stop", "length"]


def decode(
    model: Generates, prompt: str, sampling: Sampling, cancel: CancelToken, stream: int = 0
) -> Steps[FinishReason]:
    """Yield a delta a token; return why the text ended.

    Closing it closes the model's iterator, which stops the model.
    """
    tokens = model.generate(prompt, sampling, cancel)
    count = 0
    try:
        while True:
            token = next(tokens)
            count += 1
            yield Delta(token.text, (token,), stream)
    except StopIteration as stop:
        return _finish_reason(stop.value, count, sampling)
    finally:
        _close(tokens)


def _finish_reason(said: object, count: int, sampling: Sampling) -> FinishReason:
    """What the runtime says, or what the number of tokens tells."""
    if said in ("stop", "length"):
        return "stop" if said == "stop" else "length"
    return "length" if count >= sampling.max_new_tokens else "stop"


def _close(tokens: Iterator[Token]) -> None:
    close = getattr(tokens, "close", None)
    if close is not None:
        close()
