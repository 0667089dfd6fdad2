"""Tasks over JSON lines, answered by another instance of this app through its public endpoints (`gradio_client`)."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from llm_core.errors import BackendError, InputError
from llm_core.jsonl import Line, Record, failed, values_of, write_records
from llm_core.selection import AUTO
from llm_core.session import Task

LINES_AT_ONCE = 4
"""Requests on their way; the instance lets a client have no more than a few waiting (`max_waiting_per_client`)."""
ATTEMPTS = 4
"""At a line, while its answer is lost on the way or the instance cannot be reached."""
FIRST_WAIT_SECONDS = 0.5


def run_jsonl_at(
    address: str,
    task: Task[Any, Any],
    model_id: str,
    source: Path | None,
    target: Path | None,
    *,
    at_once: int = LINES_AT_ONCE,
) -> int:
    """As `jsonl.run_jsonl`, answered elsewhere.

    Args:
        address: Of the instance, such as ``"https://owner-space.hf.space"``.
        task: What to do.
        model_id: Catalogue id of the instance, or ``"auto"``.
        source: File to read; ``None`` means standard input.
        target: File to write; ``None`` means standard output.
        at_once: Lines on their way.

    Returns:
        How many lines failed.

    Raises:
        InputError: A file cannot be opened, or the address is none.
        BackendError: The instance cannot be reached.
    """
    ask = _Asker(address, task.name, model_id)
    with ThreadPoolExecutor(at_once) as pool:

        def answers(lines: Sequence[Line]) -> list[Record]:
            return list(pool.map(ask, lines))

        return write_records(answers, lambda: at_once * 16, task.name, source, target)


class _Asker:
    """Asks one endpoint; safe to call from several threads."""

    def __init__(self, address: str, task: str, model_id: str) -> None:
        from gradio_client import Client

        if not address.startswith(("http://", "https://")):
            raise InputError("--endpoint", "must begin with http:// or https://", address)
        try:
            self._client = Client(address, verbose=False)
        except Exception as error:  # of the HTTP client, or that what answers is not Gradio
            raise BackendError(f"{address} is no instance of this app ({type(error).__name__})") from None
        self._address, self._name = address, f"/{task}"
        self._model = {} if model_id == AUTO else {"model": model_id}

    def __call__(self, line: Line) -> Record:
        from gradio_client.exceptions import AppError

        number, text = line
        try:
            return self._asked({**values_of(text), **self._model})
        except (InputError, AppError, TypeError, ValueError) as error:  # the last two: a field that it does not have
            return failed(number, error)

    def _asked(self, values: Record) -> Record:
        # Cancelled: gradio_client's stream of answers, which all requests share, ended as this one was sent.
        lost = (httpx.TransportError, ConnectionError, CancelledError)
        again = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential(FIRST_WAIT_SECONDS, max=8),
            retry=retry_if_exception_type(lost),
            reraise=True,
        )
        try:
            record: Record = again(self._client.predict, api_name=self._name, **values)
        except lost as error:
            raise BackendError(f"{self._address} cannot be reached any more ({type(error).__name__})") from None
        return record
