"""Tasks over JSON lines: read, batch, run, write in order; a bad line never stops the rest."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from tqdm import tqdm

from llm_core.engine import Engine
from llm_core.errors import InputError, LlmCoreError
from llm_core.many import Answer, Pace, answer_each
from llm_core.selection import AUTO
from llm_core.session import Task, exhaust

Line = tuple[int, bytes]
"""Its number, from 1, and what it holds."""
Record = dict[str, Any]


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
    pace = Pace(task)

    def answers(lines: Sequence[Line]) -> list[Record]:
        requests = [parsed_line(task, text) for _, text in lines]
        outcomes = exhaust(answer_each(engine, task, requests, model_id=model_id))
        pace.learn(outcomes)
        return [_record(number, outcome) for (number, _), outcome in zip(lines, outcomes, strict=True)]

    return write_records(answers, lambda: pace.size, task.name, source, target)


def write_records(
    answers: Callable[[Sequence[Line]], Sequence[Record]],
    size: Callable[[], int],
    name: str,
    source: Path | None,
    target: Path | None,
) -> int:
    """As `run_jsonl`.

    Args:
        answers: The records of some lines.
        size: How many lines to answer next.
        name: Of what is done, for the progress bar.
        source: File to read.
        target: File to write.
    """
    failures = 0
    with ExitStack() as stack:
        reader, writer = _open_files(stack, source, target)
        progress = stack.enter_context(tqdm(unit=" lines", desc=name, disable=not sys.stderr.isatty()))
        lines = _numbered(reader)
        while batch := list(itertools.islice(lines, size())):
            for record in answers(batch):
                writer.write(json.dumps(record, ensure_ascii=False) + "\n")
                failures += record.keys() == failed(0, "").keys()
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


def _numbered(reader: Iterable[bytes]) -> Iterator[Line]:
    """Lines that are not blank, with their numbers from 1."""
    return ((number, line) for number, line in enumerate(reader, start=1) if line.strip())


def parsed_line(task: Task[Any, Any], text: bytes) -> Any:
    """The request of a line, or what is wrong with it."""
    try:
        return task.request_type.parse(values_of(text))
    except InputError as error:
        return error


def values_of(text: bytes) -> Record:
    """The fields that a line holds.

    Raises:
        InputError: It is no JSON object.
    """
    try:
        values = json.loads(text)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError("line", f"must be a JSON object ({error})") from None
    if not isinstance(values, dict):
        raise InputError("line", "must be a JSON object")
    return values


def failed(number: int, error: object) -> Record:
    """What stands in the place of an answer."""
    return {"error": str(error), "line": number}


def _record(number: int, outcome: Answer | LlmCoreError) -> Record:
    if isinstance(outcome, LlmCoreError):
        return failed(number, outcome)
    return {**outcome.result.record(), "model": outcome.model_id, "seconds": round(outcome.seconds, 6)}
