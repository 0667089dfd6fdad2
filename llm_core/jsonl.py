"""Tasks over JSON lines: read, batch, run, write in order; a bad line never stops the rest."""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from tqdm import tqdm

from llm_core.engine import AUTO, Engine
from llm_core.errors import InputError, LlmCoreError
from llm_core.session import Task

BATCH_LINES = 256


@dataclass
class _Line:
    number: int
    request: Any = None
    record: dict[str, Any] = field(default_factory=dict)

    def fail(self, error: LlmCoreError) -> None:
        self.record = {"error": str(error), "line": self.number}


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
        for lines in _batched(_numbered(reader), _batch_size(task)):
            _run_lines(engine, task, model_id, lines)
            for line in lines:
                writer.write(json.dumps(line.record, ensure_ascii=False) + "\n")
                failures += "error" in line.record
            writer.flush()
            progress.update(len(lines))
    return failures


def _batch_size(task: Task[Any, Any]) -> int:
    """Tasks that cannot batch write each answer as soon as it is there."""
    return BATCH_LINES if hasattr(task, "run_many") else 1


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


def _batched(lines: Iterator[tuple[int, bytes]], size: int) -> Iterator[list[_Line]]:
    while chunk := list(itertools.islice(lines, size)):
        yield [_Line(number, request=text) for number, text in chunk]


def _run_lines(engine: Engine, task: Task[Any, Any], model_id: str, lines: Sequence[_Line]) -> None:
    """Fill in every line's record."""
    by_model: dict[str, list[_Line]] = defaultdict(list)
    for line in lines:
        try:
            line.request = _parse(task, line.request)
            by_model[engine.resolve(task, line.request, model_id).id].append(line)
        except LlmCoreError as error:
            line.fail(error)
    for chosen, group in by_model.items():
        _run_group(engine, task, chosen, group)


def _parse(task: Task[Any, Any], text: bytes) -> Any:
    try:
        values = json.loads(text)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError("line", f"must be a JSON object ({error})") from None
    if not isinstance(values, dict):
        raise InputError("line", "must be a JSON object")
    return task.request_type.parse(values)


def _run_group(engine: Engine, task: Task[Any, Any], model_id: str, lines: Sequence[_Line]) -> None:
    started = time.monotonic()
    try:
        results = engine.run_many(task, [line.request for line in lines], model_id=model_id)
    except LlmCoreError as error:
        if len(lines) == 1:
            return lines[0].fail(error)
        for line in lines:
            _run_group(engine, task, model_id, [line])
        return None
    seconds = round((time.monotonic() - started) / len(lines), 6)
    for line, result in zip(lines, results, strict=True):
        line.record = {**result.record(), "model": model_id, "seconds": seconds}
    return None
