"""Tasks over JSON lines: read, batch, run, write in order; a bad line never stops the rest."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from tqdm import tqdm

from llm_core.engine import AUTO, Engine
from llm_core.errors import InputError, LlmCoreError
from llm_core.many import Answer, Pace, answer_each
from llm_core.session import Task, exhaust


def run_jsonl(engine: Engine, task: Task[Any, Any], model_id: str, source: Path | None, target: Path | None) -> int:
    """Run a task over JSON lines.

    Args:
        engine: Serves the requests.
        task: What to do.
        model_id: Catalogue id or ``"auto"``.
        source: File to read; ``None`` means standard input.
        target: File to write; ``None`` means standard output.

    Returns:
        How many lines failed; each has ``{"error", "line"}`` in its place.

    Raises:
        InputError: A file cannot be opened.
        UnknownModelError: There is no such model.
    """
    if model_id != AUTO:
        engine.catalog[model_id]
    failures = 0
    with ExitStack() as stack:
        reader, writer = _open_files(stack, source, target)
        progress = stack.enter_context(tqdm(unit=" lines", desc=task.name, disable=not sys.stderr.isatty()))
        lines, pace = _numbered(reader), Pace(task)
        while batch := list(itertools.islice(lines, pace.size)):
            requests = [_parse(task, text) for _, text in batch]
            outcomes = exhaust(answer_each(engine, task, requests, model_id=model_id))
            pace.learn(outcomes)
            for (number, _), outcome in zip(batch, outcomes, strict=True):
                writer.write(json.dumps(_record(number, outcome), ensure_ascii=False) + "\n")
                failures += not isinstance(outcome, Answer)
            writer.flush()
            progress.update(len(batch))
    return failures


def _open_files(stack: ExitStack, source: Path | None, target: Path | None) -> tuple[Iterable[bytes], TextIO]:
    if source and target and target.exists() and source.exists() and source.samefile(target):
        raise InputError("--output", "must not be the input file")
    try:
        reader: BinaryIO = stack.enter_context(source.open("rb")) if source else sys.stdin.buffer
    except OSError as error:
        raise InputError("--input", f"cannot be read: {error.strerror}") from None
    try:
        writer: TextIO = stack.enter_context(target.open("w", encoding="utf-8")) if target else sys.stdout
    except OSError as error:
        raise InputError("--output", f"cannot be written: {error.strerror}") from None
    return reader, writer


def _numbered(reader: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, with their numbers from 1."""
    return ((number, line) for number, line in enumerate(reader, start=1) if line.strip())


def _parse(task: Task[Any, Any], text: bytes) -> Any:
    """The request of a line, or what is wrong with it."""
    try:
        values = json.loads(text)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        return InputError("line", f"must be a JSON object ({error})")
    if not isinstance(values, dict):
        return InputError("line", "must be a JSON object")
    try:
        return task.request_type.parse(values)
    except InputError as error:
        return error


def _record(number: int, outcome: Answer | LlmCoreError) -> dict[str, Any]:
    if isinstance(outcome, LlmCoreError):
        return {"error": str(outcome), "line": number}
    return {**outcome.result.record(), "model": outcome.model_id, "seconds": round(outcome.seconds, 6)}
