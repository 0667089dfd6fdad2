"""The real embedded models behind every task, through the command line, without any network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from llm_core.engine import Engine, create_engine
from llm_core.jsonl import run_jsonl
from llm_core.settings import Settings
from llm_core.tasks import find_task
from llm_core.types import RunStats

pytestmark = pytest.mark.real_weights


@pytest.fixture(scope="module")
def engine(offline_settings: Settings) -> Iterator[Engine]:
    with closing(create_engine(offline_settings)) as engine:
        yield engine


def records(
    engine: Engine, folder: Path, task: str, *requests: dict[str, Any], model: str = "auto"
) -> list[dict[str, Any]]:
    source, target = folder / "in.jsonl", folder / "out.jsonl"
    source.write_text("".join(json.dumps(request) + "\n" for request in requests))
    run_jsonl(engine, find_task(task), model, source, target)
    return [json.loads(line) for line in target.read_text(encoding="utf-8").split("\n")[:-1]]


def fields_of(record: dict[str, Any]) -> set[str]:
    return set(record) - {"model", "seconds"}


def check_scores(record: dict[str, Any]) -> None:
    assert record["label"] == max(record["scores"], key=record["scores"].get)
    assert sum(record["scores"].values()) == pytest.approx(1.0, abs=1e-3)


def test_topics_spam_own_labels_and_own_examples(engine: Engine, tmp_path: Path) -> None:
    answers = records(
        engine,
        tmp_path,
        "classify",
        {"text": "The striker scored twice as the home team won the cup final.", "label_set": "ag_news"},
        {"text": "The oak is a tree native to most of Europe west of the Caucasus.", "label_set": "dbpedia14"},
        {"text": "WINNER!! You have won a free prize. Call 09061701461 now to claim.", "label_set": "spam"},
        {
            "text": "My parcel arrived broken and I want my money back.",
            "labels": ["refund request", "praise", "weather"],
        },
        {"text": "国足一球小胜晋级亚洲杯八强"},
        {"text": "北京二手房成交量环比下降", "label_set": "ag_news"},
    )
    expected = ["Sports", "Plant", "spam", "refund request", "sports", "realty"]
    assert [answer["label"] for answer in answers] == expected
    for answer in answers:
        assert fields_of(answer) == {"label", "scores"}
        check_scores(answer)


def test_sentiment(engine: Engine, tmp_path: Path) -> None:
    answers = records(
        engine,
        tmp_path,
        "sentiment",
        {"text": "A wonderful, moving film."},
        {"text": "Dull, slow and badly acted."},
        {"text": "The meeting is at three on Tuesday."},
    )
    assert [answer["label"] for answer in answers] == ["positive", "negative", "neutral"]
    for answer in answers:
        assert fields_of(answer) == {"label", "scores"}
        check_scores(answer)


def test_answers_are_spans_or_honestly_missing(engine: Engine, tmp_path: Path) -> None:
    context = "Marie Curie was born in Warsaw in 1867. She won the Nobel Prize in Physics in 1903."
    found, missing = records(
        engine,
        tmp_path,
        "answer",
        {"question": "Where was Marie Curie born?", "context": context},
        {"question": "What is the capital of Mongolia?", "context": context},
    )
    assert fields_of(found) == {"answer", "start", "end", "score"}
    assert found["answer"] == "Warsaw"
    assert context[found["start"] : found["end"]] == "Warsaw"
    assert missing["answer"] == ""


def test_entities_are_stretches_of_the_text(engine: Engine, tmp_path: Path) -> None:
    text = "Angela Merkel met Tim Cook in Berlin."
    (answer,) = records(engine, tmp_path, "entities", {"text": text})
    assert fields_of(answer) == {"entities"}
    assert {(each["text"], each["label"]) for each in answer["entities"]} == {
        ("Angela Merkel", "PER"),
        ("Tim Cook", "PER"),
        ("Berlin", "LOC"),
    }
    assert all(text[each["start"] : each["end"]] == each["text"] and each["score"] > 0.5 for each in answer["entities"])


def test_generation_is_text_and_a_seed_repeats_it(engine: Engine, tmp_path: Path) -> None:
    request = {"prompt": "Write one sentence about the sea.", "max_new_tokens": 40, "seed": 7}
    first, again = records(engine, tmp_path, "generate", request, request)
    assert fields_of(first) == {"text"}
    assert len(first["text"].split()) > 3
    assert first["text"] == again["text"]
    assert "<|im_" not in first["text"]


@pytest.mark.parametrize("prefix", ["def add(a, b):", "def add(a, b):\n", "def add(a, b):\n    "])
def test_completion_is_code(engine: Engine, tmp_path: Path, prefix: str) -> None:
    (answer,) = records(engine, tmp_path, "complete", {"prefix": prefix, "max_new_tokens": 32, "seed": 1})
    assert fields_of(answer) == {"text"}
    assert prefix + answer["text"] == "def add(a, b):\n    return a + b"


def test_translation_both_ways_and_what_would_enable_another_language(engine: Engine, tmp_path: Path) -> None:
    answers = records(
        engine,
        tmp_path,
        "translate",
        {"text": "I like tea. This is `x = 1`.", "target": "zh"},
        {"text": "我有一本书。", "target": "en"},
        {"text": "Good morning.", "source": "en", "target": "fr"},
    )
    assert "茶" in answers[0]["text"] and "`x = 1`" in answers[0]["text"]
    assert "book" in answers[1]["text"]
    assert set(answers[2]) == {"error", "line"} and "nllb" in answers[2]["error"].lower()


def test_a_language_that_no_embedded_model_reads_is_refused_by_name(engine: Engine, tmp_path: Path) -> None:
    (answer,) = records(
        engine, tmp_path, "sentiment", {"text": "这家酒店的房间很干净，服务也很好。"}, model="sentiment-en"
    )
    assert "text" in answer["error"] and "Chinese" in answer["error"]


def test_every_answer_says_what_it_cost(engine: Engine) -> None:
    task = find_task("generate")
    request = task.request_type.parse({"prompt": "Count to ten.", "max_new_tokens": 24, "seed": 1})
    stats: RunStats = engine.answer(task, request).stats
    assert stats.model_id == "smollm2-135m-instruct"
    assert stats.device == "cpu"
    assert 0 < stats.first_token_ms <= stats.total_ms
    assert stats.tokens > 5
