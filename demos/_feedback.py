"""Thumbs under an answer, where the owner of the page wants votes: what the browser draws, as data; see `_drawn`.

What is kept stays on the server until somebody votes: the browser only says which thumb, and a comment.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.blocks import Block
from pydantic import BaseModel, ConfigDict, ValidationError

from demos._drawn import drawn_view, encoded
from demos._usage import given
from llm_core.errors import InputError, LlmCoreError, StorageFullError, UnknownModelError
from llm_core.feedback import MAX_COMMENT_CHARS, Judged, Vote
from llm_core.session import Task
from llm_core.tasks.train.run import OWN_PREFIX

if TYPE_CHECKING:
    from demos._demo import DemoContext
    from demos._stream import View

logger = logging.getLogger(__name__)

_FORGOTTEN_SECONDS = 3600
"""After which an answer of a visitor who has left can no longer be voted on."""


@dataclass(frozen=True)
class Pending:
    """The answer that a frame shows, and the visitor's vote on it so far."""

    judged: Judged
    vote: Vote | None = None


class Sent(BaseModel):
    """What the browser sends."""

    model_config = ConfigDict(extra="ignore", strict=True)

    id: str
    thumbs: str
    comment: str = ""
    language: str


class FeedbackPanel:
    """The thumbs of a frame.

    Args:
        ctx: What the page is built with; its owner wants votes.
        name: Of the frame.
    """

    def __init__(self, ctx: DemoContext, name: str) -> None:
        self._ctx = ctx
        self.pending = gr.State(None, time_to_live=_FORGOTTEN_SECONDS)
        self.view = drawn_view("feedback", f"{name}-feedback")

    @property
    def components(self) -> list[Block]:
        """What `emptied` and `asked` update."""
        return [self.view, self.pending]

    def connect(self, **options: Any) -> None:
        """Wire the thumbs; options as of any event of the page."""
        self.view.input(self._take, self.components, self.components, queue=False, **options)

    def emptied(self) -> dict[Block, Any]:
        """No answer to vote on."""
        return {self.view: "", self.pending: None}

    def asked(self, task: Task[Any, Any], fields: Mapping[str, Any], view: View) -> dict[Block, Any]:
        """An answer to vote on.

        Args:
            task: What was asked for.
            fields: Of the request, as the page sent them.
            view: Of the finished run.
        """
        assert view.stats is not None
        model_id = view.stats.model_id
        try:
            spec = self._ctx.catalog[model_id]
        except UnknownModelError:
            spec = None
        named = "own" if model_id.startswith(OWN_PREFIX) else model_id  # the rest of that id is of this visit alone
        pending = Pending(Judged.of(task.name, given(task, fields), view.result.record(), named, spec))
        return {self.view: self._described(pending), self.pending: pending}

    def _take(self, value: str, pending: Pending | None) -> tuple[Any, Any]:
        """Keeps a vote, and says what became of it."""
        try:
            sent = Sent.model_validate_json(value)
        except ValidationError:
            return gr.skip(), gr.skip()
        if pending is None:
            return encoded({"error": "gone"}), None
        if sent.id != pending.judged.id:  # another answer has come meanwhile
            return gr.skip(), gr.skip()
        try:
            vote = _vote(pending, sent)
            assert self._ctx.feedback is not None
            self._ctx.feedback.keep(vote)
        except LlmCoreError as error:
            logger.warning("a vote was not kept: %s", error)
            return self._described(pending, sent, _reason(error)), pending
        kept = replace(pending, vote=vote)
        return self._described(kept), kept

    def _described(self, pending: Pending, sent: Sent | None = None, error: str = "") -> str:
        assert self._ctx.feedback is not None
        vote = pending.vote
        return encoded(
            {
                "id": pending.judged.id,
                "dataset": self._ctx.feedback.dataset,
                "kept": vote.thumbs if vote else "",
                "comment": sent.comment if sent else vote.comment if vote else "",
                "most": MAX_COMMENT_CHARS,
                "error": error,
            }
        )


def _vote(pending: Pending, sent: Sent) -> Vote:
    """Raises InputError for what the page's own script would not send."""
    fields = {"thumbs": sent.thumbs, "comment": sent.comment.strip(), "language": sent.language}
    try:
        return Vote.model_validate({**pending.judged.model_dump(), **fields})
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(str(first["loc"][0]), first["msg"]) from None


def _reason(error: LlmCoreError) -> str:
    """Name of the string that tells it."""
    if isinstance(error, StorageFullError):
        return "full"
    return "long" if isinstance(error, InputError) else "failed"
