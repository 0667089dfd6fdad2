"""Logs for people and for programs: a line a request, and no word of a visitor."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from llm_core.errors import LlmCoreError
from llm_core.operations.logs import JsonLines, log_request
from llm_core.speed import CLIENT
from llm_core.tasks import find_task
from tests.support.echo import echo_engine

SECRET = "xyzzy"


@pytest.fixture
def lines() -> Iterator[Any]:
    """Reads what has been logged since, as JSON."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.removeHandler(handler)
    root.setLevel(level)


def test_a_request_is_one_line_with_its_figures(lines: Any) -> None:
    task = find_task("generate")
    request = task.request_type.parse({"prompt": f"say {SECRET}", "max_new_tokens": 5})
    with closing(echo_engine()) as engine:
        engine.observers.append(log_request)
        engine.answer(task, request, client=f"session-{SECRET}")
        engine.answer(task, request, client=CLIENT)
    logged = [line for line in lines() if line["logger"] == log_request.__module__]
    (line,) = logged
    assert (line["level"], line["task"], line["model"], line["outcome"]) == ("INFO", "generate", "echo", "ok")
    assert line["tokens"] > 0 and line["seconds"] >= 0 and line["first_seconds"] >= 0 and len(line["request_id"]) == 32
    assert line["message"].startswith("generate on echo: ok in ") and "time" in line
    assert SECRET not in json.dumps(lines())


def test_exceptions_appear_by_kind_and_place_only(lines: Any) -> None:
    try:
        try:
            raise ValueError(f"cannot read {SECRET}")
        except ValueError as error:
            raise LlmCoreError(SECRET) from error
    except LlmCoreError:
        logging.getLogger("anything").exception("a runtime failed")
    (line,) = lines()
    assert "ValueError" in line["exception"] and line["exception"].endswith("LlmCoreError")
    assert "test_logs.py" in line["exception"]
    assert SECRET not in json.dumps({**line, "exception": line["exception"].replace("SECRET", "")})
