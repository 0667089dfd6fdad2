"""The tab's rows, from a sample, a file or the box; and what the browser draws of a training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from demos._train_view import describe_training
from demos.train import SAMPLES, _filled, _filled_from, _request, _sample
from llm_core.catalog import load_catalog
from llm_core.errors import InputError
from llm_core.tasks.train.request import TrainRequest, base_of, bases
from llm_core.tasks.train.run import TrainResult
from llm_core.training.jobs.job import Base, Job, State
from llm_core.training.jobs.report import Prediction, Report, Training


@pytest.mark.parametrize("language", SAMPLES)
def test_a_sample_can_be_trained_on_at_once(language: str) -> None:
    request = TrainRequest.parse(_request(_sample(language), "lora"))
    assert len(request.examples) == 64 and len({label for _, label in request.examples}) == 4
    assert base_of(load_catalog(), "auto", request).id == {"en": "minilm", "zh": "encoder-zh-en"}[language]


def test_a_base_that_does_not_read_the_texts_is_refused() -> None:
    request = TrainRequest.parse(_request(_sample("zh"), "lora"))
    with pytest.raises(InputError, match="examples: is mostly written in Chinese"):
        base_of(load_catalog(), "minilm", request)
    with pytest.raises(InputError, match="model: must be one of minilm"):
        base_of(load_catalog(), "qa-en", request)
    assert [spec.id for spec in bases(load_catalog())][:2] == ["minilm", "encoder-zh-en"]


def test_a_file_fills_the_box_and_its_columns_can_be_changed(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    lines = [f'{n};"Where is\tparcel {n}?";{"late" if n % 2 else "fine"}' for n in range(10)]
    file.write_text("id;message;kind\n" + "\n".join(lines), encoding="utf-8")
    text, label, box, found, message = _filled(str(file))
    assert (text["value"], label["value"], message) == ("message", "kind", "") and "10" in found
    assert box.split("\n")[:2] == ["Where is parcel 0?\tfine", "Where is parcel 1?\tlate"]
    assert _filled_from(str(file), "message", "id")[0].startswith("Where is parcel 0?\t0\n")
    assert "rule.other_column" in _filled_from(str(file), "id", "id")[2]
    (tmp_path / "bad.xlsx").write_bytes(b"MZ")
    assert "rule.unreadable" in _filled(str(tmp_path / "bad.xlsx"))[-1]


def test_an_empty_box_is_told_so() -> None:
    with pytest.raises(InputError, match="must not be empty"):
        _request(" \n", "lora")


def test_what_is_drawn_is_data() -> None:
    pairs = [(f"<b>{label} {n}", label) for label in ("a", "b") for n in range(8)]
    request = TrainRequest.parse({"examples": [list(pair) for pair in pairs]})
    job = Job(request.examples, Base("x", "x", "x", ("en",), True), "lora")  # type: ignore[arg-type]
    rows = [Prediction(row.text, row.label, "a", 0.75) for row in job.division.validation]
    report = Report(job.labels, rows, Training(10, 100, 1.0, 1000, 10, 1, "float32"))
    curve = [{"step": 1.0, "loss": 0.7}, {"step": 2.0, "eval_loss": 0.6, "eval_accuracy": 0.5}]
    before = [("b", 0.6)] * len(rows)
    spec = load_catalog()["minilm"]
    drawn = describe_training(TrainResult(spec, job, State("done", 10, 10), curve, before, True, report, Path("x")))
    assert "<" not in drawn
    told = json.loads(drawn)
    assert told["curves"] == {"loss": [[1.0, 0.7]], "kept_loss": [[2.0, 0.6]], "kept_accuracy": [[2.0, 0.5]]}
    assert told["before"] == {"accuracy": 0.5, "by_meaning": True} and told["rows"] == [12, 4]
    assert told["report"]["matrix"] == {"labels": ["a", "b"], "counts": [[2, 0], [2, 0]]}
    assert [row[:2] for row in told["report"]["mistakes"]] == [[row.text, "b"] for row in rows if row.label == "b"]
    assert told["report"]["answers"][0][1:] == ["b", "b", 0.6, "a", 0.75], "what went wrong comes first"
