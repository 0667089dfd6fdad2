"""One call for every task; nothing heavy is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from llm_core.errors import InputError
from llm_core.evaluation.evaluate import Kind, evaluate

ANSWERS: list[dict[str, Any]] = [{"answers": [{"text": "x y"}]}, {"answers": [{"text": "z"}]}, {"answers": []}]


@pytest.mark.parametrize(
    ("task", "rows", "predictions", "options", "metric", "value"),
    [
        ("classification", [{"label": "a"}, {"label": "b"}], ["a", "a"], {}, "accuracy", 0.5),
        ("question_answering", ANSWERS, ["x", "z", ""], {}, "answerable_f1", (2 / 3 + 1) / 2),
        ("question_answering", [{"answers": [{"text": "北京市"}]}], ["北京"], {"language": "zh"}, "f1", 0.8),
        ("question_answering", [{"answers": [{"text": "北京市"}]}], ["北京"], {}, "f1", 0.0),
        ("tagging", [{"tags": ["B-PER", "O"]}], [["B-PER", "O"]], {}, "f1", 1.0),
        ("translation", [{"zh": "我喜欢吃水果"}], ["我喜欢吃水果"], {"language": "zh"}, "bleu[en-zh]", 100.0),
    ],
)
def test_each_task(
    task: Kind, rows: list[Any], predictions: list[Any], options: dict[str, str], metric: str, value: float
) -> None:
    estimate = evaluate(lambda _: predictions, rows, task, **options)[metric]
    assert estimate.value == pytest.approx(value)
    assert estimate.low <= estimate.value + 1e-6 and estimate.value <= estimate.high + 1e-6


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "at least one row"),
        ([{"label": "a"}], "one prediction for each of 1"),
        ([{"label": "a"}, {"tags": []}], "row 2 must have the field 'label'"),
    ],
)
def test_nothing_to_measure_is_an_error(rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        evaluate(lambda _: [], rows, "classification")


def test_the_libraries_are_imported_when_they_are_needed() -> None:
    modules = "answers bootstrap code evaluate labels language_model scores tags translation".split()
    imports = "; ".join(f"import llm_core.evaluation.{name}" for name in modules)
    heavy = "{'torch', 'sklearn', 'seqeval', 'sacrebleu', 'scipy', 'transformers'}"
    command = [sys.executable, "-c", f"import sys; {imports}; print(sorted({heavy} & set(sys.modules)))"]
    assert subprocess.run(command, capture_output=True, text=True, timeout=60).stdout == "[]\n"
