"""JSON lines answered by another instance over its endpoints come out as they do here."""

from __future__ import annotations

import json
from concurrent.futures import CancelledError
from pathlib import Path

import httpx
import pytest
from gradio_client import Client

from llm_core import at_endpoint
from llm_core.at_endpoint import run_jsonl_at
from llm_core.errors import BackendError, InputError
from llm_core.jsonl import run_jsonl
from llm_core.tasks import find_task
from tests.demos.site import Site


def _records(file: Path) -> list[dict[str, object]]:
    records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [{name: value for name, value in record.items() if name != "seconds"} for record in records]


def test_lines_come_out_as_here(site: Site, tmp_path: Path) -> None:
    source, here, there = tmp_path / "in.jsonl", tmp_path / "here.jsonl", tmp_path / "there.jsonl"
    lines = [json.dumps({"text": f"positive {n} 好" if n % 7 else " "}) for n in range(30)]
    source.write_text("\n".join([*lines, "no JSON", "[1]"]), encoding="utf-8")
    task = find_task("sentiment")
    failures = run_jsonl(site.engine, task, "auto", source, here)
    assert run_jsonl_at(site.address, task, "auto", source, there) == failures == 7
    assert _records(there) == _records(here)


def test_a_line_whose_answer_was_lost_is_asked_again(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_endpoint, "FIRST_WAIT_SECONDS", 0.0)
    predict, losses = Client.predict, [CancelledError(), httpx.ReadError("reset")]

    def losing(client: Client, *args: object, **fields: object) -> object:
        if losses:
            raise losses.pop()
        return predict(client, *args, **fields)

    monkeypatch.setattr(Client, "predict", losing)
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"text": "positive"}\n', encoding="utf-8")
    assert run_jsonl_at(site.address, find_task("sentiment"), "auto", source, target) == 0
    assert not losses and _records(target)[0]["label"] == "positive"


def test_writers_give_their_last_word_and_unknown_fields_and_models_are_told(site: Site, tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(
        '{"prompt": "one two", "max_new_tokens": 5}\n{"prompt": "a", "colour": "red"}\n', encoding="utf-8"
    )
    assert run_jsonl_at(site.address, find_task("generate"), "auto", source, target) == 1
    written, wrong = _records(target)
    assert written["text"] == "one two one two one" and written["model"] == "writer"
    assert wrong["line"] == 2 and "colour" in str(wrong["error"])
    assert run_jsonl_at(site.address, find_task("generate"), "gpt", source, target) == 2


def test_an_address_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_endpoint, "FIRST_WAIT_SECONDS", 0.0)
    with pytest.raises(InputError, match="--endpoint: must begin with http"):
        run_jsonl_at("localhost", find_task("sentiment"), "auto", tmp_path / "in", None)
    with pytest.raises(BackendError, match="127.0.0.1:9 is no instance of this app"):
        run_jsonl_at("http://127.0.0.1:9", find_task("sentiment"), "auto", tmp_path / "in", None)
