"""A session in memory: runs a task on given models, without an engine; and what a decoder writes, at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_core.session import Steps
from llm_core.types import CancelToken, Sampling, Token


class MemorySession:
    """Serves one model, and companions by task."""

    def __init__(
        self, model: Any, companions: Mapping[str, Any] | None = None, cancel: CancelToken | None = None
    ) -> None:
        self.spec = model.spec
        self.cancel = cancel or CancelToken()
        self._model = model
        self._companions = dict(companions or {})

    def open(self, capability: type[Any], model_id: str | None = None) -> Any:
        assert isinstance(self._model, capability) and model_id in (None, self.spec.id)
        return self._model

    def companion(self, task: str, capability: type[Any]) -> Any:
        assert isinstance(self._companions[task], capability)
        return self._companions[task]


def streamed(steps: Steps[Any]) -> tuple[list[Any], Any]:
    """The increments and the result of a task's run."""
    increments = []
    while True:
        try:
            increments.append(next(steps))
        except StopIteration as stop:
            return increments, stop.value


def finish(steps: Steps[Any]) -> Any:
    """The result of a task's run."""
    return streamed(steps)[1]


def generated(
    model: Any, prompt: str, sampling: Sampling, cancel: CancelToken | None = None
) -> tuple[list[Token], str]:
    """The tokens of a decoder's `generate`, and why it ended."""
    return streamed(model.generate(prompt, sampling, cancel or CancelToken()))


def text_of(tokens: list[Token]) -> str:
    """What the tokens say."""
    return "".join(token.text for token in tokens)
