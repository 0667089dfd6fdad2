"""Votes in a file: one row an answer, whoever writes at the same time, and never more than its limit."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from llm_core.catalog import load_catalog
from llm_core.errors import BackendError, InputError, StorageFullError
from llm_core.feedback import FeedbackFile, Judged, Vote, open_feedback, read_feedback
from llm_core.settings import Settings


def vote(thumbs: str = "up", comment: str = "", of: Judged | None = None, text: str = "Fine.") -> Vote:
    judged = of or Judged.of("sentiment", {"text": text}, {"label": "positive"}, "sentiment-en", None)
    return Vote.model_validate({**judged.model_dump(), "thumbs": thumbs, "comment": comment, "language": "en"})


def write_many(path: Path, number: int) -> None:
    kept = FeedbackFile(path)
    for row in range(20):
        kept.keep(vote(text=f"process {number} row {row} " + "x" * 5000))


def test_a_row_holds_the_answer_and_nothing_of_who_voted(tmp_path: Path) -> None:
    spec = load_catalog()["sentiment-en"]
    judged = Judged.of("sentiment", {"text": "Fine."}, {"label": "positive"}, spec.id, spec)
    FeedbackFile(tmp_path / "deep" / "votes.jsonl").keep(vote("down", "No!", judged))
    row = json.loads((tmp_path / "deep" / "votes.jsonl").read_text())
    assert set(row) == {
        "id", "task", "request", "answer", "model", "revision", "time", "thumbs", "comment", "language",
    }  # fmt: skip
    assert (row["request"], row["thumbs"], row["comment"]) == ({"text": "Fine."}, "down", "No!")
    assert row["revision"] in {f"sha256:{file.sha256}" for file in spec.files}
    assert row["time"].endswith("+00:00")
    assert stat.S_IMODE(os.stat(tmp_path / "deep" / "votes.jsonl").st_mode) == 0o600


def test_a_changed_vote_takes_the_place_of_the_earlier_one_and_a_second_click_adds_none(tmp_path: Path) -> None:
    kept, judged = FeedbackFile(tmp_path / "votes.jsonl"), vote()
    kept.keep(judged)
    kept.keep(vote(text="another"))
    before = (tmp_path / "votes.jsonl").read_bytes()
    kept.keep(judged.model_copy(update={"time": "later"}))
    assert (tmp_path / "votes.jsonl").read_bytes() == before
    kept.keep(judged.model_copy(update={"thumbs": "down", "comment": f'{{"id":"{judged.id}"'}))
    first, second = read_feedback(tmp_path / "votes.jsonl")
    assert (first.id, first.thumbs, second.request) == (judged.id, "down", {"text": "another"})
    assert stat.S_IMODE(os.stat(tmp_path / "votes.jsonl").st_mode) == 0o600


def test_processes_that_write_at_once_lose_and_mix_nothing(tmp_path: Path) -> None:
    path = tmp_path / "votes.jsonl"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_many, args=(path, number)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    said = {row.request["text"].rstrip("x ") for row in read_feedback(path)}
    assert said == {f"process {number} row {row}" for number in range(4) for row in range(20)}


def test_a_full_file_refuses_in_words_and_loses_nothing(tmp_path: Path) -> None:
    kept = FeedbackFile(tmp_path / "votes.jsonl", max_bytes=1000)
    first = vote()
    kept.keep(first)
    with pytest.raises(StorageFullError, match="storage is full"):
        for _ in range(10):
            kept.keep(vote())
    assert (tmp_path / "votes.jsonl").stat().st_size <= 1000
    kept.keep(first.model_copy(update={"thumbs": "down"}))
    assert read_feedback(tmp_path / "votes.jsonl")[0].thumbs == "down"


def test_long_texts_are_cut_and_rows_that_are_still_too_long_refused(tmp_path: Path) -> None:
    kept = FeedbackFile(tmp_path / "votes.jsonl")
    kept.keep(vote(text="中" * 20_000))
    assert len(read_feedback(kept.path)[0].request["text"]) == 10_000
    many: dict[str, Any] = {f"field{number}": "y" * 9_000 for number in range(20)}
    with pytest.raises(InputError, match="at most 100,000 bytes"):
        kept.keep(vote(of=Judged.of("sentiment", many, {}, "sentiment-en", None)))
    assert len(read_feedback(kept.path)) == 1


def test_a_line_that_was_cut_short_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "votes.jsonl"
    path.write_bytes(b'{"id":"half')
    FeedbackFile(path).keep(vote())
    with pytest.raises(InputError, match="line 1"):
        read_feedback(path)
    assert json.loads(path.read_bytes().splitlines()[1])["thumbs"] == "up"


def test_a_disk_without_room_leaves_no_half_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = FeedbackFile(tmp_path / "votes.jsonl")
    kept.keep(vote())
    before, write = kept.path.read_bytes(), os.write
    monkeypatch.setattr(os, "write", lambda file, row: write(file, row[:10]))
    with pytest.raises(BackendError, match="could not be kept"):
        kept.keep(vote())
    assert kept.path.read_bytes() == before


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"feedback": "hf://datasets/only-a-name"}, "OWNER/NAME"),
        ({"feedback": "hf://models/ann/votes"}, "OWNER/NAME"),
        ({"feedback": "hf://datasets/ann/votes"}, "set LLM_CORE_HUB_TOKEN"),
        ({"feedback": "hf://datasets/ann/votes", "offline": True}, "OFFLINE"),
        ({"feedback": "/proc/none/votes.jsonl"}, "cannot be written"),
        ({"feedback": "/tmp"}, "must be a file"),
    ],
)
def test_a_place_that_cannot_be_is_refused_when_the_page_is_built(settings: dict[str, Any], rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        open_feedback(Settings(**settings))


def test_nobody_is_asked_unless_the_owner_says_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LLM_CORE_FEEDBACK", raising=False)
    assert open_feedback(Settings()) is None
    monkeypatch.setenv("LLM_CORE_FEEDBACK", str(tmp_path / "votes.jsonl"))
    assert isinstance(open_feedback(Settings()), FeedbackFile)
