"""Votes as JSON lines in one file, one row an answer; any number of processes may write.

Every write holds a lock beside the file. A new row is one append; a changed vote takes the place of the earlier one.
"""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from llm_core.errors import BackendError, InputError, StorageFullError
from llm_core.feedback.vote import Vote
from llm_core.files import replacing

MAX_FILE_BYTES = 20_000_000
"""Then no more votes are taken, until the owner moves the file away."""
MAX_ROW_BYTES = 100_000
_LOCK_SECONDS = 10.0
_PRIVATE_MODE = 0o600


class FeedbackFile:
    """A file of votes.

    Args:
        path: The file; its folder is made. What it holds already stays.
        max_bytes: Size beyond which it does not grow.

    Raises:
        InputError: It cannot be written.
    """

    dataset = ""
    """Where others may read it; empty: nowhere."""

    def __init__(self, path: Path, max_bytes: int = MAX_FILE_BYTES) -> None:
        self.path, self._max_bytes = path, max_bytes
        self._lock = FileLock(f"{path}.lock", timeout=_LOCK_SECONDS)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError("LLM_CORE_FEEDBACK", f"cannot be written: {error.strerror}", str(path)) from None
        if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
            raise InputError("LLM_CORE_FEEDBACK", "must be a file that can be written", str(path))

    def keep(self, vote: Vote) -> None:
        """Write a vote, in the place of an earlier one on the same answer; the same vote twice is written once.

        Raises:
            InputError: The row is too long.
            StorageFullError: The file has reached its limit.
            BackendError: The disk refuses.
        """
        row = vote.model_dump_json().encode() + b"\n"
        if len(row) > MAX_ROW_BYTES:
            raise InputError("vote", f"must have at most {MAX_ROW_BYTES:,} bytes with request and answer")
        try:
            with self._lock:
                self._write(vote, row)
        except (OSError, Timeout, ValidationError) as error:
            raise BackendError(f"the vote could not be kept ({type(error).__name__})") from None

    def _write(self, vote: Vote, row: bytes) -> None:
        known = self.path.read_bytes() if self.path.exists() else b""
        start = known.find(b'{"id":"%b"' % vote.id.encode())  # a row begins with it, and a quoted text cannot hold it
        end = known.find(b"\n", start) + 1 if start >= 0 else 0
        if start >= 0 and vote.says_the_same(Vote.model_validate_json(known[start:end])):
            return
        if len(known) - (end - max(start, 0)) + len(row) > self._max_bytes:
            raise StorageFullError(self._max_bytes)
        if start >= 0:
            with replacing(self.path) as draft:
                draft.write_bytes(known[:start] + row + known[end:])
                draft.chmod(_PRIVATE_MODE)
        else:
            _append(self.path, row if not known or known.endswith(b"\n") else b"\n" + row, len(known))


def _append(path: Path, row: bytes, size: int) -> None:
    """All of the row, or nothing of it."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _PRIVATE_MODE)
    try:
        if os.write(file, row) < len(row):
            os.ftruncate(file, size)
            raise OSError("the disk is full")
    finally:
        os.close(file)


def read_feedback(path: Path) -> list[Vote]:
    """The votes of a file, in the order in which the answers were first voted on.

    Raises:
        InputError: It cannot be read, or a line is no vote; the message has the line's number.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError("feedback", f"cannot be read: {error.strerror}", str(path)) from None
    votes: list[Vote] = []
    for number, line in enumerate(lines, start=1):
        try:
            votes += [Vote.model_validate_json(line)] if line.strip() else []
        except ValidationError as error:
            raise InputError("feedback", f"line {number}: {error.errors()[0]['msg']}") from None
    return votes
