"""Every error the package raises on purpose, and what each tells its reader.

    LlmCoreError                  base: message is safe to show (no paths of secrets, no traceback)
    ├── InputError                a request broke a rule; names the field and the rule
    ├── UnknownModelError         no catalogue entry of that name; suggests near names
    ├── ModelUnavailableError     the entry exists, but cannot be had here; says why and what would enable it
    ├── ConfigurationError        what the owner of the page has set breaks a rule
    ├── WeightsError              files of a model are missing, cut short, or not the ones recorded
    │   └── DigestMismatchError   SHA-256 differs from the catalogue's or the lock file's
    ├── BusyError                 the queue is full; retry_after says when to come back
    ├── DeadlineExceededError     the time allowed for a request ran out
    ├── CancelledError            the caller withdrew the request
    ├── StorageFullError          what the owner lets visitors store has reached its limit
    └── BackendError              a runtime failed on a well-formed request (out of memory included)
        ├── NoAnswerError         a server elsewhere did not answer, and nothing of its answer was given to anybody
        │   └── GpuRefusedError   no GPU was lent for this request; says why
        └── OutOfMemoryError      the device ran out of memory

All of them can be pickled, as they must be to come back from another process; fields and message stay what they were.

The module knows nothing of pages, HTTP or the command line: those decide how an error is shown.
"""

from __future__ import annotations

from typing import Any, Literal

GpuRefusal = Literal["quota", "anonymous", "busy", "long", "expired", "failed"]
_REFUSALS: dict[GpuRefusal, str] = {
    "quota": "your time on the shared GPU is used up",
    "anonymous": "the time on the shared GPU for visitors who are not logged in is used up",
    "busy": "all shared GPUs are in use",
    "long": "the request needs more time on the shared GPU than is lent at once",
    "expired": "the page has been open for too long to be lent a GPU; load it anew",
    "failed": "the shared GPU did not answer",
}


class LlmCoreError(Exception):
    """Base of every deliberate error; `str(error)` is written for the person who made the request."""

    def __reduce__(self) -> tuple[Any, ...]:
        """By message and fields: pickle would otherwise call the class with its message alone."""
        return _restored, (type(self), self.args, self.__dict__)


class InputError(LlmCoreError):
    """A request that breaks a rule.

    Args:
        field: Name of the offending request field, such as ``"text"``.
        rule: The rule in words, such as ``"must not be empty"``.
        value: The offending value; shown shortened, and only when it helps.
    """

    def __init__(self, field: str, rule: str, value: object = None) -> None:
        self.field = field
        self.rule = rule
        self.value = value
        shown = "" if value is None else f" (got {_shortened(value)})"
        super().__init__(f"{field}: {rule}{shown}")


class UnknownModelError(LlmCoreError):
    """No catalogue entry has this id.

    Args:
        model_id: What was asked for.
        suggestions: Ids that look alike, best first.
    """

    def __init__(self, model_id: str, suggestions: tuple[str, ...] = ()) -> None:
        self.model_id = model_id
        self.suggestions = suggestions
        hint = f"; did you mean {' or '.join(suggestions)}?" if suggestions else ""
        super().__init__(f"model: there is no {_shortened(model_id)} in the catalogue{hint}")


class ModelUnavailableError(LlmCoreError):
    """A catalogue entry that cannot be had on this machine.

    Args:
        model_id: The catalogue id.
        reason: Why not, such as ``"needs the Hugging Face Hub, which cannot be reached"``.
        remedy: What would enable it, such as ``"connect, then run: python -m llm_core pull opus-mt-en-zh"``.
    """

    def __init__(self, model_id: str, reason: str, remedy: str = "") -> None:
        self.model_id = model_id
        self.reason = reason
        self.remedy = remedy
        super().__init__(f"{model_id} is not available: {reason}" + (f". {remedy}" if remedy else ""))


class ConfigurationError(LlmCoreError):
    """What the owner of the page has set breaks a rule; the message names file or variable, field and rule."""


class WeightsError(LlmCoreError):
    """A model's files are missing, cut short, malformed or refused."""


class DigestMismatchError(WeightsError):
    """A file's SHA-256 is not the recorded one; the file was not used.

    Args:
        file: File name inside the model directory.
        expected: Recorded hexadecimal digest.
        actual: Digest of the bytes found.
    """

    def __init__(self, file: str, expected: str, actual: str) -> None:
        self.file = file
        self.expected = expected
        self.actual = actual
        super().__init__(f"{file}: SHA-256 is {actual[:12]}…, expected {expected[:12]}…; the file was not used")


class BusyError(LlmCoreError):
    """Too many requests wait already.

    Args:
        reason: Which bound was reached.
        retry_after: Seconds after which a new try makes sense.
    """

    def __init__(self, reason: str, retry_after: float) -> None:
        self.reason = reason
        self.retry_after = retry_after
        super().__init__(f"busy: {reason}; please try again in {max(1, round(retry_after))} s")


class DeadlineExceededError(LlmCoreError):
    """The time allowed for a request ran out.

    Args:
        seconds: The allowance.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"the request took longer than the {seconds:g} s allowed and was stopped")


class CancelledError(LlmCoreError):
    """The caller withdrew the request."""

    def __init__(self) -> None:
        super().__init__("the request was stopped")


class StorageFullError(LlmCoreError):
    """What the owner lets visitors store has reached its limit.

    Args:
        limit: In bytes.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"the owner's storage is full ({limit:,} bytes); nothing was kept")


class BackendError(LlmCoreError):
    """A runtime failed on a well-formed request."""


class NoAnswerError(BackendError):
    """No server of a remote model answered; nothing was given to anybody yet, so another model may be asked."""


class GpuRefusedError(NoAnswerError):
    """No GPU was lent for this request, so that another model may be asked.

    Args:
        reason: ``"quota"``: the visitor has none left; ``"anonymous"``: visitors who are not logged in have none left;
            ``"busy"``: all are in use; ``"long"``: the request asks for more time than may be lent at once;
            ``"expired"``: the page has been open for too long; ``"failed"``: the one that was lent failed.
        retry_after: When there will be one again, as ``H:MM:SS``; empty if nobody knows.
    """

    def __init__(self, reason: GpuRefusal, retry_after: str = "") -> None:
        self.reason: GpuRefusal = reason
        self.retry_after = retry_after
        super().__init__(_REFUSALS[reason] + (f"; try again in {retry_after}" if retry_after else ""))


class OutOfMemoryError(BackendError):
    """The device ran out of memory, also after other models were evicted and the batch was halved."""


def _restored(kind: type[LlmCoreError], args: tuple[Any, ...], fields: dict[str, Any]) -> LlmCoreError:
    """A pickled error, made without its constructor, whose arguments may be others."""
    error = kind.__new__(kind, *args)
    error.__dict__.update(fields)
    return error


def _shortened(value: object, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
