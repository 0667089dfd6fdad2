"""Tasks over tables on the command line: CSV, TSV, Excel, text or JSON lines in, CSV with the answers out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

from tqdm import tqdm

from llm_core.engine import Engine
from llm_core.errors import InputError
from llm_core.evaluation.scores import Score
from llm_core.session import Task
from llm_core.tasks.batch.columns import guess_columns
from llm_core.tasks.batch.export import to_csv
from llm_core.tasks.batch.kinds import Kind
from llm_core.tasks.batch.run import Batches, BatchRequest, BatchResult, BatchTask
from llm_core.tasks.batch.summary import summarise
from llm_core.tasks.batch.table import Table, read_table
from llm_core.types import CancelToken, Completed, Partial


def run_table(
    engine: Engine,
    task: Task[Any, Any],
    model_id: str,
    source: Path,
    target: Path | None,
    *,
    columns: Sequence[str] = (),
    truth: str | None = None,
    fields: Sequence[str] = (),
) -> int:
    """Run a task over a table. The interrupt key (Ctrl+C) ends the run; the rows that are done are written.

    Args:
        engine: Serves the rows.
        task: What to do.
        model_id: Catalogue id or ``"auto"``.
        source: File to read.
        target: File to write; ``None`` means standard output.
        columns: ``FIELD=COLUMN`` each; for the first field the name of the column alone. The others are guessed.
        truth: Column with the right answers; figures go to standard error.
        fields: ``FIELD=VALUE`` each, the same for all rows; values are JSON, or text as it stands.

    Returns:
        How many rows have an error in place of an answer.

    Raises:
        InputError: A file cannot be read or written, or the request is wrong.
    """
    batches = Batches(engine)

    def run(batch: BatchTask, request: BatchRequest) -> BatchResult:
        return _followed(batches, batch, request, model_id)

    return write_table(run, task, source, target, columns=columns, truth=truth, fields=fields)


def write_table(
    run: Callable[[BatchTask, BatchRequest], BatchResult],
    task: Task[Any, Any],
    source: Path,
    target: Path | None,
    *,
    columns: Sequence[str] = (),
    truth: str | None = None,
    fields: Sequence[str] = (),
) -> int:
    """As `run_table`; `run` answers the rows."""
    if target is not None and target.exists() and source.exists() and source.samefile(target):
        raise InputError("--output", "must not be the input file")
    batch = BatchTask(task)
    try:
        table = read_table(source)
    except OSError as error:
        raise InputError("file", f"cannot be read: {error.strerror}") from None
    request = BatchRequest(
        table=table, columns=_columns(table, batch.kind, columns), truth=truth, fields=_fields(fields)
    )
    with ExitStack() as stack:
        writer = _opened(stack, target)
        result = run(batch, request)
        writer.write(to_csv(result))
        writer.flush()
    for name, estimate in summarise(result).scores.items():
        print(f"{name}: {Score.of(name, estimate, data=source.name)}", file=sys.stderr)
    return result.errors


def _columns(table: Table, kind: Kind, written: Sequence[str]) -> dict[str, str]:
    named = dict(_pair(each, next(iter(kind.fields))) for each in written)
    return {**guess_columns(table, kind), **named}


def _fields(written: Sequence[str]) -> dict[str, Any]:
    return {name: _value(value) for name, value in (_pair(each, "") for each in written)}


def _pair(written: str, default: str) -> tuple[str, str]:
    name, equals, value = written.partition("=")
    return (name, value) if equals else (default, name)


def _value(written: str) -> Any:
    try:
        return json.loads(written)
    except ValueError:
        return written


def _opened(stack: ExitStack, target: Path | None) -> BinaryIO:
    if target is None:
        return sys.stdout.buffer
    try:
        return stack.enter_context(target.open("wb"))
    except OSError as error:
        raise InputError("--output", f"cannot be written: {error.strerror}") from None


def _followed(batches: Batches, task: BatchTask, request: BatchRequest, model_id: str) -> BatchResult:
    cancel = CancelToken()
    result: BatchResult | None = None
    with tqdm(total=len(request.table.rows), unit=" rows", desc=task.name, disable=not sys.stderr.isatty()) as bar:
        events = batches.run(task, request, model_id=model_id, cancel=cancel)
        try:
            for event in events:
                if isinstance(event, Partial | Completed):
                    result = event.result
                    bar.update(result.done - bar.n)
        except KeyboardInterrupt:
            events.close()
    if result is None:
        raise KeyboardInterrupt
    return result
