"""A table with its answers as CSV that spreadsheets open rightly, Chinese included, and in which they run nothing."""

from __future__ import annotations

import csv
import io
from pathlib import PurePath

from llm_core.tasks.batch.kinds import kind_of
from llm_core.tasks.batch.run import BatchResult, RowOutcome
from llm_core.tasks.batch.table import distinct
from llm_core.tasks.delimited import harmless

_BOM = "\ufeff"
"""Without it Excel takes UTF-8 for the encoding of its country."""


def enriched_columns(result: BatchResult) -> tuple[str, ...]:
    """Names of all columns: those of the table, then the answer's, the model's and the error's."""
    added = [*kind_of(result.task).added, "model", "error"]
    return distinct([*result.request.table.columns, *(f"{result.task}_{name}" for name in added)])


def added_cells(task: str, outcome: RowOutcome) -> tuple[str, ...]:
    """What a row gets: blank cells where it has no answer."""
    cells = outcome.reading.cells or ("",) * len(kind_of(task).added)
    return (*cells, outcome.model_id, outcome.error)


def to_csv(result: BatchResult) -> bytes:
    """The rows that are done, in UTF-8 with a byte order mark. A cell that a spreadsheet would run has an apostrophe
    before it."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(map(harmless, enriched_columns(result)))
    for row, outcome in zip(result.request.table.rows, result.outcomes[: result.done], strict=False):
        writer.writerow(map(harmless, (*row, *added_cells(result.task, outcome))))
    return (_BOM + stream.getvalue()).encode("utf-8", "replace")


def enriched_name(result: BatchResult, suffix: str = ".csv") -> str:
    """What to call a file about a run: ``reviews.sentiment.csv``, or, of a run that was stopped,
    ``reviews.sentiment-first-120.csv``."""
    stem = PurePath(result.request.table.name.replace("\\", "/")).stem or "table"
    part = "" if result.done == result.total else f"-first-{result.done}"
    return f"{stem}.{result.task}{part}{suffix}"
