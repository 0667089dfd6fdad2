"""Figures by label, the confusion matrix and the mistakes follow from the answers."""

from __future__ import annotations

from pathlib import Path

from llm_core.training.jobs.card import job_card
from llm_core.training.jobs.examples import check_examples
from llm_core.training.jobs.job import Base, Job
from llm_core.training.jobs.report import Prediction, Report, Training

TRAINING = Training(
    steps=120, tokens=9000, seconds=12.0, parameters=1000, trained=10, threads=1, number_format="float32"
)
ROWS = [
    *(Prediction(f"a{n}", "a", "a", 0.9) for n in range(8)),
    Prediction("a8", "a", "b", 0.6),
    Prediction("b0", "b", "b", 0.8),
    Prediction("b1", "b", "a", 0.95),
]
REPORT = Report(("a", "b", "c|`"), [*ROWS, Prediction("c0", "c|`", "a", 0.5)], TRAINING)


def test_the_figures_are_those_of_the_rows() -> None:
    a, b, c = REPORT.by_label
    assert (a.rows, a.precision, a.recall, a.f1_interval is None) == (9, 8 / 10, 8 / 9, False)
    assert (b.rows, b.precision, b.recall, b.f1_interval) == (2, 1 / 2, 1 / 2, None)
    assert (c.precision, c.recall, c.f1) == (None, 0.0, 0.0)
    assert REPORT.confusion == [[8, 1, 0], [1, 1, 0], [1, 0, 0]]
    assert [row.text for row in REPORT.mistakes] == ["b1", "a8", "c0"], "the surest first"
    assert REPORT.scores["accuracy"].value == 9 / 12


def test_an_interval_is_told_where_the_rows_can_tell_it() -> None:
    few, many = (Report(("a", "b"), [Prediction("", x, x, 0.9) for x in "ab" * n], TRAINING) for n in (3, 30))
    low, high = few.scores["accuracy"].interval or (1.0, 1.0)
    assert low < 0.7 and high == 1.0, "six right answers of six are no certainty"
    assert many.scores["accuracy"].low > 0.93
    assert REPORT.macro_f1_interval is few.macro_f1_interval is many.macro_f1_interval is None
    wrong = [Prediction("", "a", "b", 0.9)]
    mixed = Report(("a", "b"), [*many.predictions, *wrong], TRAINING)
    low, high = mixed.macro_f1_interval or (1.0, 0.0)
    assert low < mixed.scores["macro_f1"].value <= high


def test_it_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    REPORT.write(tmp_path)
    assert Report.read(tmp_path) == REPORT


def test_a_label_cannot_break_the_card() -> None:
    pairs = [(f"{label} {n}", label) for label in ("a", "b", "c|`") for n in range(8)]
    base = Base("somewhere", "somebody/base", "Apache-2.0", ("en",), True)
    card = job_card(Job(check_examples(pairs), base, "lora"), REPORT)
    assert card.startswith("---\nbase_model: somebody/base\nlibrary_name: peft\n")
    assert "| `c¦'` | 1 | – | 0.00 | 0.00 |" in card and "accuracy | 0.75 [" in card and "24 labelled texts" in card
