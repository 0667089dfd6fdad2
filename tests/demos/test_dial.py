"""What the confidence dial is told."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

from demos._demo import DemoContext
from demos._dial import describe_answer_dial, describe_dial, describe_entity_dial
from llm_core.evaluation.coverage import Coverage, write_coverage
from llm_core.tasks.answer import AnswerResult
from llm_core.tasks.entities import EntitiesResult, Entity
from tests.support.echo import echo_encoder, echo_engine

HEAD: dict[str, Any] = {"head": "sequence_classification", "tasks": ("sentiment",), "labels": ("Good", "Bad")}


def described(tmp_path: Path, scores: dict[str, float], **fields: Any) -> Any:
    with closing(echo_engine(echo_encoder("feelings", **HEAD, **fields), models_dir=tmp_path)) as engine:
        return json.loads(describe_dial(DemoContext(engine), "feelings", scores))


def local(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "feelings").mkdir()
    found = Coverage.of([0.9, 0.6], [True, False], data="films", title="reviews of films")
    write_coverage(tmp_path / "feelings" / "coverage.json", "feelings", [found])
    return {"local": "feelings", "files": ({"name": "a", "sha256": "0" * 64, "size": 1},)}


def test_the_model_that_answered_brings_its_validation_rows(tmp_path: Path) -> None:
    told = described(tmp_path, {"bad": 0.3, "good": 0.7}, **local(tmp_path))
    assert (told["kind"], told["answers"]) == ("label", [["good", 0.7]])
    [films] = told["sets"]
    assert (films["title"], films["rows"]) == ("reviews of films", 2)
    assert films["shares"][50][:2] == [1.0, 0.5] and films["shares"][80][:2] == [0.5, 1.0]
    assert films["shares"][95] == [0.0, None, None, None], "a share of nothing is not known, and JSON has no nan"


def test_labels_of_ones_own_have_no_validation_rows(tmp_path: Path) -> None:
    assert described(tmp_path, {"travel": 0.6, "food": 0.4}, **local(tmp_path))["sets"] == []


def test_a_model_without_the_file_has_none(tmp_path: Path) -> None:
    assert described(tmp_path, {"good": 0.6, "bad": 0.4})["sets"] == []


def test_a_visitors_own_model_is_in_no_catalogue() -> None:
    with closing(echo_engine(echo_encoder("feelings", **HEAD))) as engine:
        assert json.loads(describe_dial(DemoContext(engine), "own-0", {"late": 0.7, "fine": 0.3}))["sets"] == []


def test_names_and_answers_bring_what_is_found_of_the_true_ones_and_their_f1(tmp_path: Path) -> None:
    (tmp_path / "feelings").mkdir()
    sets = [
        Coverage.of([0.9, 0.6], [True, False], data="names", wanted=4),
        Coverage.of([0.9, 0.6], [True, False], data="answers", f1=[1.0, 0.4]),
    ]
    write_coverage(tmp_path / "feelings" / "coverage.json", "feelings", sets)
    fields = {"local": "feelings", "files": ({"name": "a", "sha256": "0" * 64, "size": 1},)}
    with closing(echo_engine(echo_encoder("feelings", **HEAD, **fields), models_dir=tmp_path)) as engine:
        entity = Entity(text="Ann", label="PER", start=0, end=3, score=0.8)
        named = EntitiesResult(entities=(entity,), mentions=(), sentences=1)
        told = json.loads(describe_entity_dial(DemoContext(engine), "feelings", named))
        assert (told["kind"], told["answers"]) == ("entity", [["Ann", 0.8]])
        names, answers = told["sets"]
        assert names["shares"][80][0] == 0.5 and names["shares"][80][4] == 0.25, "one of four true ones"
        assert [answers["shares"][step][4] for step in (0, 80, 95)] == [0.7, 1.0, None]
        missing = AnswerResult(answer="", start=0, end=0, score=0.6, passages=(), passages_total=0, alternatives=())
        told = json.loads(describe_answer_dial(DemoContext(engine), "another", missing))
        assert (told["kind"], told["answers"], told["sets"]) == ("answer", [["", 0.6]], [])
