"""Visitors' trainings: one runs, a few wait, and each visitor has one model, for an hour.

`Trainings.run` has the signature of `Engine.run`: closing its iterator, or its token, stops the worker, which leaves a
checkpoint that a `ResumeRequest` goes on from. Folders have names that cannot be guessed, and go with the visitor's
next training, after an hour, or when the program ends. What is trained is lent to the engine for its visitor alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_core.admission import Admission, Ticket
from llm_core.catalog import FileSpec, ModelSpec
from llm_core.engine import Engine
from llm_core.errors import BackendError, CancelledError, InputError, LlmCoreError
from llm_core.hardware import available_cores
from llm_core.selection import AUTO
from llm_core.tasks.classify import OWN_LABEL_SET, TASK, ClassifyRequest
from llm_core.tasks.train.request import ResumeRequest, TrainRequest, TrainTask, base_of
from llm_core.training.curve import FILE, Row, read_curve
from llm_core.training.jobs import process
from llm_core.training.jobs.job import MAX_TOKENS, Base, Job, State
from llm_core.training.jobs.report import Report
from llm_core.types import CancelToken, Completed, Event, ModelFiles, Partial, RunStats

OWN_PREFIX, OWN_TITLE = "own-", "My own model"
"""How the entry of a visitor's model is called, for programs and for people."""
KEPT_SECONDS = 3600.0
MAX_WAITING = 4
MAX_KEPT = 16
"""Visitors' folders that are kept at once; the oldest leave first. A full fine-tuning takes up to 100 MB when done."""
_PREFIX = "llm-core-train-"
_SWEEP_SECONDS = 60.0
_POLL_SECONDS = 0.1

Answers = Sequence[tuple[str, float]]
"""Of each validation row an answer and its probability."""


@dataclass(frozen=True)
class TrainResult:
    """What is there of a training, complete or not."""

    base: ModelSpec
    job: Job
    state: State
    curve: Sequence[Row] = ()
    """Rows of `training.curve`."""
    before: Answers = ()
    """What was answered without training: by comparing meanings with labels, or by a head that has learnt nothing."""
    by_meaning: bool = False
    """Which of the two it was."""
    report: Report | None = None
    """Once it is done."""
    folder: Path | None = None
    """Once it is done: the model, in the Hub's format."""

    def record(self) -> dict[str, Any]:
        """The documented output fields as JSON values."""
        assert self.report is not None, "only what is done has a record"
        right = [row.label for row in self.report.predictions]
        before = sum(answer == label for (answer, _), label in zip(self.before, right, strict=True)) / len(right)
        return {
            "labels": list(self.job.labels),
            "rows": len(self.job.examples),
            "accuracy_before": round(before, 4),
            "scores": {name: round(found.value, 4) for name, found in self.report.scores.items()},
            "confusion": self.report.confusion,
            "mistakes": [row._asdict() for row in self.report.mistakes],
        }


@dataclass
class _Own:
    """A visitor's training."""

    base: ModelSpec
    job: Job
    folder: Path
    before: Answers = ()
    by_meaning: bool = False
    running: bool = False
    dropped: bool = False
    """Its folder goes when it no longer runs."""
    used_at: float = field(default_factory=time.monotonic)

    def result(self, state: State) -> TrainResult:
        """What is there now."""
        curve, shown = read_curve(self.folder / "run" / FILE), (self.before, self.by_meaning)
        if state.phase != "done":
            return TrainResult(self.base, self.job, state, curve, *shown)
        return TrainResult(
            self.base, self.job, state, curve, *shown, Report.read(self.folder), self.folder / "model"
        )  # fmt: skip


class Trainings:
    """Everybody's.

    Args:
        engine: Serves what is trained, and says what is answered without training.
        kept_seconds: How long a training is kept after it ended or was stopped.
    """

    def __init__(self, engine: Engine, kept_seconds: float = KEPT_SECONDS) -> None:
        self._engine, self._kept_seconds = engine, kept_seconds
        self._admission = Admission(max_waiting=MAX_WAITING, max_waiting_per_client=1)
        self._lock = threading.Lock()
        self._owned: dict[str, _Own] = {}
        self._root: Path | None = None
        self._sweeper: threading.Timer | None = None

    def run(
        self,
        task: TrainTask,
        request: TrainRequest | ResumeRequest,
        *,
        model_id: str = AUTO,
        client: str = "local",
        owner: str = "",
        cancel: CancelToken | None = None,
    ) -> Generator[Event, None, None]:
        """Train, or go on training.

        Args:
            task: Only its name is used.
            request: What to train.
            model_id: What to begin with; see `base_of`.
            client: Whose training it is.
            owner: Who may use what is trained, where that is not the client.
            cancel: Stops it; a checkpoint is kept.

        Yields:
            `Waiting`, then `Partial` with a `TrainResult`, then `Completed` with one that is done or stopped.

        Raises:
            InputError: The request does not fit the base, or there is nothing to go on with.
            BusyError: Too many wait already.
            BackendError: The training broke off.
        """
        cancel, asked_at = cancel or CancelToken(), time.monotonic()
        ticket, owner = self._admission.join(client, exclusive=True), owner or client
        try:
            own = self._resumed(owner) if isinstance(request, ResumeRequest) else self._begun(request, model_id, owner)
            try:
                yield from self._trained(own, ticket, cancel, owner, asked_at)
            finally:
                self._ended(own)
        finally:
            ticket.release()

    def drop(self, client: str) -> None:
        """Forget a client's training and its model, and delete their files."""
        with self._lock:
            own = self._owned.pop(client, None)
        if own is not None:
            self._engine.withdraw(client)
            own.dropped = True
            if not own.running:
                shutil.rmtree(own.folder, ignore_errors=True)

    def done(self, client: str) -> TrainResult:
        """A client's model.

        Raises:
            InputError: There is none.
        """
        with self._lock:
            own = self._owned.get(client)
        if own is None or own.running or State.read(own.folder).phase != "done":
            raise InputError("model", "there is none of your own (any more): train one first")
        return own.result(State.read(own.folder))

    def close(self) -> None:
        """Delete everything that visitors have."""
        for client in list(self._owned):
            self.drop(client)
        with self._lock:
            if self._sweeper is not None:
                self._sweeper.cancel()

    def _trained(
        self, own: _Own, ticket: Ticket, cancel: CancelToken, client: str, asked_at: float
    ) -> Generator[Event, None, None]:
        state = State()
        try:
            yield from ticket.until_granted(cancel, _POLL_SECONDS)
            began_at = time.monotonic()
            if not own.before:
                own.before, own.by_meaning = self._zero_shot(own, client), own.base.head == "embedding"
        except CancelledError:
            yield _completed(own, State("stopped"), asked_at, asked_at)
            return
        for state in process.follow(own.folder, lambda: cancel.stopped or own.dropped):
            if not own.before:
                own.before = _untrained(own.folder)
            if not state.ended:
                yield Partial(state.step, state.steps, own.result(state))
        if state.phase == "failed":
            raise BackendError(state.error)
        if state.phase == "done" and not own.dropped:
            self._lend(own, client)
        yield _completed(own, state, asked_at, began_at)

    def _begun(self, request: TrainRequest, model_id: str, client: str) -> _Own:
        spec = base_of(self._engine.catalog, model_id, request)
        directory = self._engine.files(spec).directory
        name = spec.hub.repo if spec.hub is not None else f"models/{spec.local}"
        base = Base(str(directory), name, spec.licence, spec.languages, spec.hub is not None)
        threads = max(1, min(4, available_cores() // 2))  # the others are for those who use the page meanwhile
        job = Job(request.examples, base, request.tuning, threads)  # type: ignore[arg-type]  # checked to be such
        self.drop(client)
        with self._lock:
            if self._root is None:
                _remove_leftovers(2 * self._kept_seconds)
                self._root = Path(tempfile.mkdtemp(prefix=_PREFIX))
                weakref.finalize(self, shutil.rmtree, self._root, ignore_errors=True)  # also when the program ends
            own = _Own(spec, job, self._root / secrets.token_hex(16), running=True)
            self._owned[client] = own
        own.folder.mkdir(mode=0o700)
        job.write(own.folder)
        self._sweep()
        return own

    def _resumed(self, client: str) -> _Own:
        with self._lock:
            own = self._owned.get(client)
            if own is None or own.running or State.read(own.folder).phase == "done":
                raise InputError("resume", "there is no stopped training (any more): start one")
            own.running = True
        return own

    def _ended(self, own: _Own) -> None:
        with self._lock:
            own.running, own.used_at = False, time.monotonic()
        if own.dropped:
            shutil.rmtree(own.folder, ignore_errors=True)

    def _sweep(self) -> None:
        """Drop what is old, and look again in a while, as long as there is anything."""
        with self._lock:
            idle = sorted((own.used_at, client) for client, own in self._owned.items() if not own.running)
            oldest = time.monotonic() - self._kept_seconds
            excess = len(self._owned) - MAX_KEPT
            leaving = [client for place, (used_at, client) in enumerate(idle) if used_at < oldest or place < excess]
        for client in leaving:
            self.drop(client)
        with self._lock:
            if self._sweeper is not None:
                self._sweeper.cancel()
            self._sweeper = threading.Timer(min(_SWEEP_SECONDS, self._kept_seconds), self._sweep)
            self._sweeper.daemon = True
            if self._owned:
                self._sweeper.start()

    def _zero_shot(self, own: _Own, client: str) -> Answers:
        """What the base answers by comparing meanings; nothing for one that does not embed."""
        if own.base.head != "embedding" or "classify" not in own.base.tasks:
            return ()
        rows, labels = own.job.division.validation, list(own.job.labels)
        try:
            requests = [ClassifyRequest.parse({"text": row.text, "labels": labels}) for row in rows]
            results = self._engine.run_many(TASK, requests, model_id=own.base.id, client=client)
        except LlmCoreError:
            return ()  # such as a single row in a language that the base does not read
        return [(result.label, result.scores[result.label]) for result in results]

    def _lend(self, own: _Own, client: str) -> None:
        model_dir, base_files = own.folder / "model", self._engine.files(own.base)
        adapts = (model_dir / "adapter_config.json").is_file()
        files = tuple(_described(file) for file in sorted(model_dir.iterdir()) if file.is_file())
        spec = ModelSpec(
            id=f"{OWN_PREFIX}{own.folder.name}",
            title=OWN_TITLE,
            summary="What you have trained on this page.",
            tier="embedded",
            tasks=("classify",),
            languages=own.base.languages,
            backend="transformers",
            head="sequence_classification",
            licence=own.base.licence,
            parameters=own.base.parameters,
            context_length=MAX_TOKENS,
            memory_bytes=own.base.memory_bytes,
            download_bytes=sum(file.size for file in files),
            base=own.base.id if adapts else None,
            labels=own.job.labels,
            label_set=OWN_LABEL_SET,
            local=own.folder.name,
            files=files,
        )
        self._engine.lend(client, spec, ModelFiles(model_dir, base_files if adapts else None))


def _completed(own: _Own, state: State, asked_at: float, began_at: float) -> Completed:
    now = time.monotonic()
    seconds = (now - began_at) * 1000
    return Completed(own.result(state), RunStats(own.base.id, "cpu", seconds, seconds, (began_at - asked_at) * 1000))


def _remove_leftovers(seconds: float) -> None:
    """Delete folders of programs that were killed: ours, and not written to for so long."""
    for root in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        if root.is_symlink() or not root.is_dir() or root.stat().st_uid != os.getuid():
            continue
        for folder in (*root.iterdir(), root):
            if time.time() - folder.stat().st_mtime > seconds and (folder != root or not any(root.iterdir())):
                shutil.rmtree(folder, ignore_errors=True)


def _untrained(folder: Path) -> Answers:
    file = folder / "untrained.json"
    return [tuple(row) for row in json.loads(file.read_text(encoding="utf-8"))] if file.is_file() else ()


def _described(file: Path) -> FileSpec:
    with file.open("rb") as stream:
        return FileSpec(
            name=file.name, sha256=hashlib.file_digest(stream, "sha256").hexdigest(), size=file.stat().st_size
        )
