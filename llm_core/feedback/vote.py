"""A vote on an answer: one row of what the owner of a page keeps. It says nothing of who voted."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from llm_core.catalog import ModelSpec

MAX_COMMENT_CHARS = 1_000
MAX_STRING_CHARS = 10_000
"""Of a request or an answer are kept, string by string."""
MAX_ENTRIES = 500
"""Of a list are kept."""

Thumbs = Literal["up", "down"]
Language = Literal["en", "zh"]


class Judged(BaseModel):
    """An answer that can be voted on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(default_factory=lambda: secrets.token_hex(16), pattern="^[0-9a-f]{32}$")
    """Drawn by chance for this answer alone."""
    task: str
    request: dict[str, Any]
    """Fields that differ from their defaults; long strings are cut."""
    answer: dict[str, Any]
    """The documented output record; long strings are cut."""
    model: str
    """Catalogue id."""
    revision: str = ""
    """Commit on the Hub, or ``sha256:`` and the digest of the weights."""

    @classmethod
    def of(
        cls, task: str, request: dict[str, Any], answer: dict[str, Any], model: str, spec: ModelSpec | None
    ) -> Judged:
        """An answer of a model, with what is too long cut.

        Args:
            task: Its name.
            request: JSON values.
            answer: JSON values.
            model: Catalogue id.
            spec: The entry; None for what is in no catalogue.
        """
        revision = "" if spec is None else revision_of(spec)
        return cls(task=task, request=_cut(request), answer=_cut(answer), model=model, revision=revision)


class Vote(Judged):
    """What somebody thinks of the answer."""

    time: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    """ISO 8601, UTC."""
    thumbs: Thumbs
    comment: str = Field(default="", max_length=MAX_COMMENT_CHARS)
    language: Language
    """Of the page."""

    def says_the_same(self, other: Vote) -> bool:
        """Whether nothing but the time differs."""
        return self.model_copy(update={"time": other.time}) == other


def revision_of(spec: ModelSpec) -> str:
    """What tells this version of a model from others: the commit on the Hub, or the digest of its largest file."""
    if spec.files:
        return f"sha256:{max(spec.files, key=lambda file: file.size).sha256}"
    return spec.hub.revision if spec.hub is not None else ""


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= MAX_STRING_CHARS else f"{value[: MAX_STRING_CHARS - 1]}…"
    if isinstance(value, dict):
        return {str(name): _cut(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_cut(each) for each in value[:MAX_ENTRIES]]
    return value
