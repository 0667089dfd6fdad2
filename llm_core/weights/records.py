"""What was verified before: one small JSON file a model, also the lock file of models without digests in the catalogue.

A record holds each file's SHA-256 and size, the commit it came from, and the stamp (times of the file system) it
had when it was hashed. While the stamp stands, the file need not be hashed again; when it differs, it is. The
module knows nothing of where files come from.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from llm_core.errors import DigestMismatchError, WeightsError
from llm_core.weights.policy import refuse_remote_code

logger = logging.getLogger(__name__)


class FileRecord(BaseModel):
    """One verified file."""

    model_config = ConfigDict(frozen=True)

    sha256: str
    size: int
    """In bytes."""
    commit: str = ""
    """Revision of the repository it came from."""
    stamp: tuple[int, int] | None = None
    """(mtime_ns, ctime_ns) when it was hashed."""


class Record(BaseModel):
    """The verified files of one model."""

    model_config = ConfigDict(frozen=True)

    repo: str = ""
    revision: str = ""
    """As the catalogue named it, such as ``main``; the commit it meant is in `files`."""
    files: dict[str, FileRecord] = {}


class Records:
    """Reads and writes records.

    Args:
        folder: Where they are kept; made when first needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, key: str) -> Path:
        """The file of one record."""
        return self._folder / f"{key}.json"

    def load(self, key: str) -> Record:
        """The record of `key`; an empty one when there is none, or it cannot be read."""
        try:
            return Record.model_validate_json(self.path(key).read_bytes())
        except FileNotFoundError:
            return Record()
        except (OSError, ValidationError) as error:
            logger.warning("ignoring the unreadable record %s: %s", self.path(key).name, type(error).__name__)
            return Record()

    def save(self, key: str, record: Record) -> None:
        """Write atomically.

        Raises:
            OSError: The folder cannot be written to.
        """
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}.{id(record)}")
        try:
            draft.write_text(record.model_dump_json(indent=1), encoding="utf-8")
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)

    def verify(self, key: str, directory: Path, expected: Mapping[str, FileRecord]) -> None:
        """Compare the files in `directory` with their digests; those unchanged since the last time are not read.

        Raises:
            DigestMismatchError: A file differs.
            WeightsError: A file vanished meanwhile.
        """
        record = self.load(key)
        known = dict(record.files)
        for name, wanted in expected.items():
            path = directory / name
            try:
                if not _unchanged(path, wanted, known.get(name)):
                    known[name] = wanted.model_copy(update={"stamp": check(path, name, wanted.sha256)})
            except FileNotFoundError as error:
                raise WeightsError(f"{name}: the file is missing") from error
        if known != record.files:
            self._remember(key, record.model_copy(update={"files": known}))

    def _remember(self, key: str, record: Record) -> None:
        try:
            self.save(key, record)
        except OSError as error:  # a read-only cache costs time only: files are hashed at each start
            logger.debug("cannot remember what was verified: %s", error)


def present(directory: Path, expected: Mapping[str, FileRecord]) -> bool:
    """Whether all files are there, with the right sizes; contents are not read."""
    try:
        return bool(expected) and all((directory / name).stat().st_size == file.size for name, file in expected.items())
    except OSError:
        return False


def check(path: Path, name: str, sha256: str) -> tuple[int, int]:
    """Hash a file and return the stamp that goes with the digest.

    Raises:
        DigestMismatchError: Its SHA-256 is another.
    """
    before = stamp(path)
    actual = digest(path)
    if actual != sha256:
        raise DigestMismatchError(name, sha256, actual)
    return before


def install(part: Path, target: Path, file: FileRecord) -> FileRecord:
    """Move a complete download to its place once it is known to be right; a wrong one is deleted.

    Args:
        part: On the same file system as `target`.
        target: Where models look for it; replaced in one step.
        file: Digest it must have.

    Raises:
        DigestMismatchError: The SHA-256 is another.
        WeightsError: A configuration that asks to run code.
    """
    try:
        check(part, target.name, file.sha256)
        refuse_remote_code(target.name, part)
    except WeightsError:
        part.unlink()
        raise
    with part.open("rb+") as stream:
        os.fsync(stream.fileno())
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(part, target)
    return file.model_copy(update={"stamp": stamp(target)})


def digest(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def stamp(path: Path) -> tuple[int, int]:
    """What changes whenever the file is written or replaced: (mtime_ns, ctime_ns)."""
    status = path.stat()
    return status.st_mtime_ns, status.st_ctime_ns


def _unchanged(path: Path, wanted: FileRecord, known: FileRecord | None) -> bool:
    return known is not None and known.sha256 == wanted.sha256 and known.stamp == stamp(path)
