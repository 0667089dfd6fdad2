"""What visitors think of answers, kept by the owner of a page who wants it: in a local file, or a data set on the Hub.

Off unless the setting ``LLM_CORE_FEEDBACK`` names a place. Nothing here knows who voted.
"""

from __future__ import annotations

import re
from pathlib import Path

from llm_core.errors import InputError
from llm_core.feedback.file import FeedbackFile, read_feedback
from llm_core.feedback.hub import FeedbackDataset
from llm_core.feedback.vote import MAX_COMMENT_CHARS, Judged, Vote
from llm_core.settings import Settings

_DATASET = re.compile(r"hf://datasets/([A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)")
_FIELD = "LLM_CORE_FEEDBACK"


def open_feedback(settings: Settings) -> FeedbackFile | FeedbackDataset | None:
    """Where the owner keeps votes; nothing where they do not want any.

    Args:
        settings: `feedback` is a path, or ``hf://datasets/OWNER/NAME``.

    Raises:
        InputError: The place is malformed, cannot be written, or needs a token or a network that is not there.
    """
    place = (settings.feedback or "").strip()
    if not place:
        return None
    if not place.startswith("hf:"):
        return FeedbackFile(Path(place))
    named = _DATASET.fullmatch(place)
    if named is None:
        raise InputError(_FIELD, "must be a path, or hf://datasets/OWNER/NAME", place)
    if settings.offline:
        raise InputError(_FIELD, "cannot be on the Hub while LLM_CORE_OFFLINE is set; name a local file")
    if settings.hub_token is None:
        raise InputError(_FIELD, "needs a token that may write to the data set: set LLM_CORE_HUB_TOKEN")
    folder = settings.cache_dir / "feedback" / named[1].replace("/", "--")
    return FeedbackDataset(named[1], folder, settings.hub_token, settings.hub_endpoint)


__all__ = [
    "MAX_COMMENT_CHARS", "FeedbackDataset", "FeedbackFile", "Judged", "Vote", "open_feedback", "read_feedback",
]  # fmt: skip
