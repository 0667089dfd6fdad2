"""Votes in a data set, on a local server that takes uploads as the Hub does."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_core.feedback import FeedbackDataset, FeedbackFile, open_feedback, read_feedback
from llm_core.settings import Settings
from tests.feedback.test_file import vote
from tests.support.hub_uploads import READ_ONLY, TOKEN, UploadHub, taking_uploads


@pytest.fixture
def hub() -> Iterator[UploadHub]:
    with taking_uploads() as server:
        yield server


def opened(hub: UploadHub, cache: Path, token: str = TOKEN) -> FeedbackDataset:
    found = open_feedback(
        Settings(feedback="hf://datasets/ann/votes", hub_token=token, hub_endpoint=hub.base_url, cache_dir=cache)
    )
    assert isinstance(found, FeedbackDataset)
    return found


def test_votes_reach_a_private_data_set_in_a_file_of_this_process(hub: UploadHub, tmp_path: Path) -> None:
    first, other = opened(hub, tmp_path / "one"), opened(hub, tmp_path / "two")
    first.keep(vote("up"))
    changed = vote("up")
    other.keep(changed)
    other.keep(changed.model_copy(update={"thumbs": "down"}))
    first.flush()
    other.flush()
    assert hub.private == {"ann/votes": True}
    assert len(hub.files) == 2 and all(name.startswith("ann/votes/data/feedback-") for name in hub.files)
    (tmp_path / "all.jsonl").write_bytes(b"".join(hub.files.values()))
    assert sorted(row.thumbs for row in read_feedback(tmp_path / "all.jsonl")) == ["down", "up"]


def test_what_an_earlier_process_left_behind_goes_along(hub: UploadHub, tmp_path: Path) -> None:
    later = opened(hub, tmp_path)
    FeedbackFile(later.folder / "feedback-20260101-000000-ab.jsonl").keep(vote("down"))
    later.keep(vote("up"))
    later.flush()
    assert sum(content.count(b"\n") for content in hub.files.values()) == 2


def test_a_hub_that_refuses_costs_no_vote_and_tells_no_token(
    hub: UploadHub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = opened(hub, tmp_path, READ_ONLY)
    with caplog.at_level(logging.DEBUG):
        kept.keep(vote("up"))
        kept.flush()
    assert hub.files == {}
    assert [row.thumbs for file in kept.folder.glob("*.jsonl") for row in read_feedback(file)] == ["up"]
    assert "votes stay on this disk for now" in caplog.text and READ_ONLY not in caplog.text
