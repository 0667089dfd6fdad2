"""What measuring a model as it is served begins with: the rows, and the results of its task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_core.catalog import ModelSpec
from llm_core.data.loaders import Row, load_rows
from llm_core.engine import Engine
from llm_core.errors import InputError
from llm_core.settings import Settings
from llm_core.tasks import find_task

BATCH_ROWS = 256


@dataclass(frozen=True)
class Rows:
    """Which rows to measure on."""

    data: str
    """Name of the data set."""
    split: str = "validation"
    """``train`` or ``validation``."""
    data_dir: Path | None = None
    """Folder of data sets; ``None`` means the setting, then the Hub."""
    sources: tuple[str, ...] = ()
    """Only rows whose `source` is among these; empty: all."""
    limit: int | None = None
    """Only the first rows."""


def rows_of(wanted: Rows, settings: Settings) -> list[Row]:
    """All of the wanted rows, whatever their limit."""
    if wanted.split not in ("train", "validation"):
        raise InputError("split", "must be train or validation")
    found = load_rows(wanted.data, wanted.split, wanted.data_dir or settings.data_dir)  # type: ignore[arg-type]
    return [row for row in found if not wanted.sources or row.get("source") in wanted.sources]


def label_results(engine: Engine, spec: ModelSpec, rows: Sequence[Row]) -> list[Any]:
    if "sentiment" in spec.tasks:
        return results_of(engine, "sentiment", spec, [{"text": row["text"]} for row in rows])
    choice: dict[str, Any] = {"label_set": spec.label_set}
    if spec.label_set is None:
        choice = {"labels": sorted({row["label"] for row in rows})}
    return results_of(engine, "classify", spec, [{"text": row["text"], **choice} for row in rows])


def results_of(engine: Engine, task_name: str, spec: ModelSpec, requests: list[dict[str, Any]]) -> list[Any]:
    task = find_task(task_name)
    parsed = [task.request_type.parse(request) for request in requests]
    chunks = [parsed[start : start + BATCH_ROWS] for start in range(0, len(parsed), BATCH_ROWS)]
    return [result for chunk in chunks for result in engine.run_many(task, chunk, model_id=spec.id)]
