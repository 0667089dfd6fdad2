"""Votes in a data set on the Hub: kept on this disk at once, and committed every few minutes by huggingface_hub.

Each process writes a file of its own, ``data/feedback-DATE-XXXX.jsonl``, so that none overwrites another's, on machines
that forget their disk too. A data set that is not there yet is made, private.
"""

from __future__ import annotations

import logging
import secrets
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from llm_core.feedback.file import FeedbackFile
from llm_core.feedback.vote import Vote

if TYPE_CHECKING:
    from huggingface_hub import CommitScheduler

logger = logging.getLogger(__name__)

EVERY_MINUTES = 5.0
PATTERN = "feedback-*.jsonl"


class FeedbackDataset:
    """A data set of votes.

    Args:
        dataset: ``OWNER/NAME``.
        folder: Where votes are kept until they are there; what an earlier process left behind goes along.
        token: That may write there.
        endpoint: Of the Hub; None: huggingface_hub's own choice.

    Raises:
        InputError: The folder cannot be written.
    """

    def __init__(self, dataset: str, folder: Path, token: SecretStr, endpoint: str | None = None) -> None:
        self.dataset, self._token, self._endpoint = dataset, token, endpoint
        self.folder = folder
        name = f"feedback-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}.jsonl"
        self._file = FeedbackFile(folder / name)
        self._scheduler: CommitScheduler | None = None
        self._starting = threading.Lock()

    def keep(self, vote: Vote) -> None:
        """See `FeedbackFile.keep`; the network is asked in the background."""
        self._file.keep(vote)
        if self._scheduler is None:
            threading.Thread(target=self._start, name="feedback", daemon=True).start()

    def flush(self) -> None:
        """Commit what is not there yet, and wait for it.

        Raises:
            Exception: What huggingface_hub raises when the Hub refuses or cannot be reached.
        """
        self._start()
        if self._scheduler is not None:
            self._scheduler.trigger().result()

    def _start(self) -> None:
        """Begin to commit every few minutes, and when the process ends; a failure is tried again with the next vote."""
        from huggingface_hub import CommitScheduler, HfApi

        with self._starting:
            if self._scheduler is not None:
                return
            try:
                self._scheduler = CommitScheduler(
                    repo_id=self.dataset,
                    repo_type="dataset",
                    folder_path=self.folder,
                    path_in_repo="data",
                    every=EVERY_MINUTES,
                    private=True,
                    allow_patterns=PATTERN,
                    hf_api=HfApi(endpoint=self._endpoint, token=self._token.get_secret_value()),
                )
            except Exception as error:  # of the HTTP client; it may quote the request, and with it the token
                logger.warning("votes stay on this disk for now: %s answered %s", self.dataset, type(error).__name__)
