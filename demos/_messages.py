"""What the page says when something goes wrong: errors in plain words.

Each string holds at most one translated part, followed by language-neutral detail. Nothing here reveals paths, secrets
or tracebacks: only deliberate errors are quoted, all others become a short apology.
"""

from __future__ import annotations

import logging
import re

from demos._i18n import say, strings
from demos._rules import RULES
from llm_core import errors

logger = logging.getLogger(__name__)

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+!|~$])")

_RULES: tuple[tuple[str, str, str | None], ...] = (
    (r"must not be empty|is required", "empty", ""),
    (r"must have at most ([\d,]+) characters", "long_characters", r"\1"),
    (r"has (\d+) tokens.* takes (\d+)", "long_tokens", r"\1 > \2"),
    (r"tokens|must fit", "long", None),
    (r"must have at least (\d+) entries", "few", r"≥ \1"),
    (r"must be at most ([\d.]+ MB) large, it has ([\d.]+ MB)", "big_file", r"\2 > \1"),
    (r"is an old (?:Word|Excel) file", "old_file", ""),
    (r"must be at most ([\d.]+)$", "input", r"{field} ≤ \1"),
    (r"must be at least ([\d.]+)$", "input", r"{field} ≥ \1"),
    (r"NUL|Unicode|combining", "characters", None),
    (r"is mostly written in .*, but .* reads .*; choose (.*)", "language_choose", r"\1"),
    (r"is mostly written in .*, but (.*?) reads", "language", r"\1"),
    (r"(.*) does not write", "written_language", r"\1"),
    (r"names nothing", "nothing_named", ""),
)
"""Rules that have a translated message: what they match, its name, and the detail that follows it in any language
(``None`` is the error in English)."""
_OF_FILES = ("empty", "big_file", "old_file")
"""Of these, what is said of a file; its contents have rules of their own."""


def plain(text: str) -> str:
    """`text` with Markdown's special characters escaped, so that it shows as itself."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def explain(error: Exception) -> str:
    """What a visitor reads when a request fails; unexpected errors are logged, not shown."""
    key, detail = reason(error)
    return say(key, plain(detail))


def reason(error: Exception) -> tuple[str, str]:
    """As `explain`, but the string's key and the detail, which is no Markdown, apart."""
    match error:
        case errors.InputError():
            return _input_reason(error)
        case errors.BusyError(retry_after=seconds):
            return "error.busy", f"{max(1, round(seconds))} s"
        case errors.DeadlineExceededError(seconds=seconds):
            return "error.deadline", f"{seconds:g} s"
        case errors.CancelledError():
            return "status.stopped", ""
        case errors.GpuRefusedError(reason=why, retry_after=wait):
            key = f"zero_gpu.refused_{why}"
            return (f"{key}_until" if wait and f"{key}_until" in strings("en") else key), wait
        case errors.OutOfMemoryError():
            return "error.memory", ""
        case errors.ModelUnavailableError():
            return "error.unavailable", str(error)
        case errors.LlmCoreError():
            return "error.model", str(error)
    logger.error("unexpected error while serving the page", exc_info=error)
    return "error.unexpected", ""


def _input_reason(error: errors.InputError) -> tuple[str, str]:
    """The message of the first rule that fits, or a general one."""
    for pattern, name, detail in _RULES:
        match = re.search(pattern, error.rule)
        if match and (error.field != "document" or name in _OF_FILES):
            own = f"error.{name}_{error.field}"
            key = own if own in strings("en") else f"error.{name}"
            return key, str(error) if detail is None else match.expand(detail).replace("{field}", error.field)
    for pattern, name, detail in RULES:
        if match := re.search(pattern, error.rule):
            return f"rule.{name}", match.expand(detail).replace("{field}", error.field)
    return ("error.upload", error.rule) if error.field == "document" else ("error.input", str(error))
