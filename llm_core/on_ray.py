"""Tasks over tables on Ray Data: blocks of rows go to workers on any number of machines.

Each worker has an engine of its own. A block with a failure that lies in none of its rows is tried again; blocks that
are done are kept beside the output, so a run that was stopped goes on. What comes out is what one machine writes.
Needs the extra ``requirements-ray.txt``. ``RAY_ADDRESS`` joins a cluster whose machines have this project at the same
place; without it Ray starts here.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tqdm import tqdm

from llm_core.engine import Engine, create_engine
from llm_core.errors import InputError, LlmCoreError
from llm_core.kept_blocks import BLOCK_ROWS, KeptBlocks
from llm_core.many import Pace, answer_each
from llm_core.session import Task, exhaust
from llm_core.settings import REPOSITORY_ROOT, Settings
from llm_core.tables import write_table
from llm_core.tasks import find_task
from llm_core.tasks.batch.kinds import Reading
from llm_core.tasks.batch.run import BatchRequest, BatchResult, BatchTask, RowOutcome
from llm_core.tasks.batch.table import Table

ATTEMPTS = 3
"""At a block."""
MakeEngine = Callable[[int], Engine]
"""Makes a worker's engine that uses so many threads; importable, since workers are other processes."""


def engine_of(threads: int) -> Engine:
    """The engine of a worker."""
    return create_engine(Settings().model_copy(update={"threads": threads}))


def run_table_on_ray(
    task: Task[Any, Any],
    model_id: str,
    source: Path,
    target: Path | None,
    *,
    workers: int | None = None,
    make_engine: MakeEngine = engine_of,
    columns: Sequence[str] = (),
    truth: str | None = None,
    fields: Sequence[str] = (),
) -> int:
    """As `tables.run_table`, on Ray.

    Args:
        task: What to do.
        model_id: Catalogue id or ``"auto"``.
        source: File to read.
        target: File to write; blocks are kept beside it until it is written.
        workers: How many; ``None``: one for each thread that engines may use.
        make_engine: Of each worker.
        columns: See there, as of `truth` and `fields`.

    Returns:
        How many rows have an error in place of an answer.

    Raises:
        InputError: Ray is not installed, there is no `target`, or as of `run_table`.
    """
    if find_spec("ray") is None:
        raise InputError("--engine", "ray needs an extra: pip install -r requirements-ray.txt")
    if target is None:
        raise InputError("--output", "must be given with --engine ray: what is done is kept beside it")
    folder, threads = target.with_name(f"{target.name}.blocks"), Settings().threads
    workers = workers or threads
    run = partial(_run, model_id, folder, workers, partial(make_engine, max(1, threads // workers)))
    errors = write_table(run, task, source, target, columns=columns, truth=truth, fields=fields)
    shutil.rmtree(folder, ignore_errors=True)
    return errors


def _run(
    model_id: str,
    folder: Path,
    workers: int,
    make_engine: Callable[[], Engine],
    task: BatchTask,
    request: BatchRequest,
) -> BatchResult:
    task.check(request)
    _check_possible(make_engine, task, request, model_id)
    rows = request.table.rows
    kept = KeptBlocks(folder, run_key(task, request, model_id))
    blocks = {number: rows[start : start + BLOCK_ROWS] for number, start in enumerate(range(0, len(rows), BLOCK_ROWS))}
    missing = {number: block for number, block in blocks.items() if number not in kept.numbers()}
    make_worker = {
        "make_engine": make_engine,
        "task": task.name,
        "request": _without_rows(request),
        "model_id": model_id,
    }
    with tqdm(total=len(rows), initial=sum(map(len, blocks.values())) - sum(map(len, missing.values())),
              unit=" rows", desc=task.name, disable=None) as bar:  # fmt: skip
        for number, outcomes in _answered(missing, workers, make_worker) if missing else ():
            kept.keep(number, outcomes)
            bar.update(len(outcomes))
    return _result(task, request, [_outcome(each) for number in blocks for each in kept.read(number)])


def run_key(task: BatchTask, request: BatchRequest, model_id: str) -> list[Any]:
    """Equal for runs whose blocks are the same."""
    return [task.name, model_id, request.table.digest, request.columns, request.fields, BLOCK_ROWS]


def _check_possible(make_engine: Callable[[], Engine], task: BatchTask, request: BatchRequest, model_id: str) -> None:
    """Raises here, in words, when there is no model for the first row that is a request."""
    asked = task.row_requests(request, 0, BLOCK_ROWS)
    first = next((each for each in asked if not isinstance(each, LlmCoreError)), None)
    if first is not None:
        with closing(make_engine()) as engine:
            engine.resolve(task.of, first, model_id)


def _without_rows(request: BatchRequest) -> dict[str, Any]:
    return {"named": request.table.columns, "columns": request.columns, "fields": request.fields}


def _answered(
    blocks: Mapping[int, Sequence[tuple[str, ...]]], workers: int, make_worker: dict[str, Any]
) -> Iterator[tuple[int, list[Any]]]:
    """Blocks as they are done, in any order."""
    with _ray(workers) as ray:
        items = [{"number": number, "rows": json.dumps(rows)} for number, rows in blocks.items()]
        data = ray.data.from_items(items, override_num_blocks=len(items))
        pool = ray.data.ActorPoolStrategy(size=min(workers, len(items)))
        done = data.map(_Worker, fn_constructor_kwargs=make_worker, compute=pool, num_cpus=1)
        for row in done.iter_rows():
            yield int(row["number"]), json.loads(row["outcomes"])


@contextmanager
def _ray(workers: int) -> Iterator[Any]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # workers may use accelerators
    import ray
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    here: dict[str, Any] = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": workers, "include_dashboard": False}
    places = {"env_vars": {"PYTHONPATH": str(REPOSITORY_ROOT)}}
    ray.init(runtime_env=places, log_to_driver=False, logging_level="error", **here)
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        yield ray
    finally:
        ray.shutdown()


class _Worker:
    """Answers blocks in a process of its own."""

    def __init__(self, make_engine: Callable[[], Engine], task: str, request: dict[str, Any], model_id: str) -> None:
        self.engine, self.task = make_engine(), BatchTask(find_task(task))
        self.request, self.model_id = request, model_id

    def __call__(self, block: dict[str, Any]) -> dict[str, Any]:
        rows = tuple(map(tuple, json.loads(block["rows"])))
        table = Table("", self.request["named"], rows)
        request = BatchRequest(table=table, columns=self.request["columns"], fields=self.request["fields"])
        for _ in range(ATTEMPTS):
            answers = self._answers(request)
            if not any(isinstance(each, LlmCoreError) and not isinstance(each, InputError) for each in answers):
                break
        outcomes = [asdict(self.task.outcome(answer)) for answer in answers]
        return {"number": block["number"], "outcomes": json.dumps(outcomes)}

    def _answers(self, request: BatchRequest) -> list[Any]:
        pace, answers = Pace(self.task.of), list[Any]()
        while len(answers) < len(request.table.rows):
            asked = self.task.row_requests(request, len(answers), pace.size)
            found = exhaust(answer_each(self.engine, self.task.of, asked, model_id=self.model_id))
            pace.learn(found)
            answers += found
        return answers


def _outcome(kept: dict[str, Any]) -> RowOutcome:
    reading: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in kept["reading"].items()
    }
    return RowOutcome(Reading(**reading), kept["model_id"], kept["error"])


def _result(task: BatchTask, request: BatchRequest, outcomes: list[RowOutcome]) -> BatchResult:
    counts = Counter(category for outcome in outcomes for category in outcome.reading.categories)
    errors = sum(bool(outcome.error) for outcome in outcomes)
    return BatchResult(task.name, request, outcomes, len(outcomes), dict(counts.most_common()), errors)
