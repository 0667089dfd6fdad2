"""Logs of a running page: one line a request, for people or, as JSON, for programs; never what a visitor wrote."""

from __future__ import annotations

import logging
import traceback
from dataclasses import asdict
from types import TracebackType
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from llm_core.observation import Served
from llm_core.settings import Settings
from llm_core.speed import CLIENT

logger = logging.getLogger(__name__)

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_FIELDS = ("asctime", "levelname", "name", "message")
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class JsonLines(JsonFormatter):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``message``, and a record's further fields.

    Exceptions appear by kind and place, without their messages, which may quote a visitor.
    """

    def __init__(self) -> None:
        renamed = {"asctime": "time", "levelname": "level", "name": "logger", "exc_info": "exception"}
        super().__init__(_FIELDS, rename_fields=renamed, datefmt="%Y-%m-%dT%H:%M:%S%z", json_ensure_ascii=False)

    def formatException(self, exc_info: _ExcInfo) -> str:
        """Kinds and frames of the exception and its causes."""
        parts, error = [], exc_info[1]
        while error is not None:
            parts.append("".join(traceback.format_tb(error.__traceback__)) + type(error).__name__)
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\n".join(reversed(parts))


def configure_logging(settings: Settings) -> None:
    """Send the process's logs to standard error, in the format that is set."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if settings.log_format == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in ("httpx", "httpx2"):
        logging.getLogger(name).setLevel(logging.WARNING)


def log_request(served: Served) -> None:
    """An observer (see `Engine.observers`) that logs each request; the background's own measurements are left out."""
    if served.client == CLIENT:
        return
    fields: dict[str, Any] = {name: _rounded(value) for name, value in asdict(served).items() if name != "client"}
    model, tokens = served.model or "no model", f", {served.tokens} tokens" if served.tokens else ""
    words = f"{served.task} on {model}: {served.outcome} in {served.seconds:.2f} s{tokens}"
    logger.info(words, extra=fields)


def _rounded(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value
