"""The status line: what a run is busy with, then the figures of its answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from demos._i18n import translations, words
from demos._status import describe_phase, describe_stats, line, string, told
from demos._stream import View
from llm_core.types import Event, Loading, Progress, RunStats, Waiting


def parts(value: str) -> list[Any]:
    found: list[Any] = json.loads(value)["parts"]
    return found


@pytest.mark.parametrize(
    ("event", "key", "detail"),
    [
        (None, "status.running", []),
        (Waiting(3), "status.waiting", ["3"]),
        (Loading("minilm"), "status.loading", ["minilm"]),
        (Loading("qwen", lent=True), "zero_gpu.waiting", []),
        (Progress(4, 9), "status.running", ["4/9"]),
        (Progress(0, 1), "status.running", []),
    ],
)
def test_phases_are_named(event: Event | None, key: str, detail: list[str]) -> None:
    view = View()
    if event is not None:
        view.take(event)
    assert parts(describe_phase(view)) == [[{"say": key}, *detail]]


def test_a_decoder_has_four_figures_and_an_encoder_two() -> None:
    assert parts(describe_stats("SmolLM2", RunStats("smollm2", "cpu", 73.4, 1073.4, tokens=151))) == [
        ["✓", {"model": "smollm2", "title": "SmolLM2"}, "· cpu"],
        [{"say": "status.first"}, "73 ms"],
        [{"say": "status.total"}, "1.07 s"],
        ["150", {"say": "status.per_second"}],
    ]
    encoder = parts(describe_stats("MiniLM", RunStats("minilm", "cpu", 8.0, 8.0)))
    assert [part[0] for part in encoder] == ["✓", {"say": "status.total"}]


def test_who_did_not_answer_is_a_warning() -> None:
    shown = json.loads(describe_stats("Small", RunStats("small", "cpu", 8.0, 8.0), "Large"))
    assert shown["warning"] == [{"say": "remote.instead"}, "Large"]


def test_a_line_leaves_out_what_is_empty_and_stays_data() -> None:
    assert parts(line((), string("facts.detected", "English"), ())) == [[{"say": "facts.detected"}, "English"]]
    hostile = line(["<img src=x onerror=alert(1)> __i18n__{}"])
    assert "<" not in hostile and "__i18n__" not in hostile


@pytest.mark.parametrize("key", ["status.ready", "zero_gpu.waiting", "remote.instead", "facts.unsure"])
def test_the_view_has_the_strings_that_lines_name(key: str) -> None:
    table = translations().translations_dict["zh"][words("status").key]
    assert parts(told(key)) == [[{"say": key}]]
    assert key in {row.split("\t")[0] for row in table.split("\n")}
