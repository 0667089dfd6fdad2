"""A floor under the embedded translator, so that a broken one cannot land: sentences made for this test, as served."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from llm_core.backends.languages import target_token
from llm_core.engine import Engine
from llm_core.evaluation.translation import translation_scores
from llm_core.evaluation.translation_checks import translation_checks
from llm_core.tasks import find_task

pytestmark = pytest.mark.real_weights

MODEL = "translate-en-zh"
FLOOR = {("en", "zh"): 55.0, ("zh", "en"): 70.0}
"""chrF; the shipped model's is well above. In Chinese characters are words, and chrF is lower."""


@pytest.fixture(scope="module")
def pairs() -> list[dict[str, str]]:
    with Path(__file__).with_name("pairs_en_zh.tsv").open(encoding="utf-8", newline="") as stream:
        return [{"en": en, "zh": zh} for en, zh in csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)]


@pytest.mark.parametrize(("source", "target"), FLOOR)
def test_the_embedded_translator_is_above_the_floor(
    source: str, target: str, engine: Engine, pairs: list[dict[str, str]]
) -> None:
    task = find_task("translate")
    requests = [task.request_type.parse({"text": p[source], "source": source, "target": target}) for p in pairs]
    found = [result.text for result in engine.run_many(task, requests, model_id=MODEL)]
    references = [pair[target] for pair in pairs]
    assert translation_scores(found, references, target=target)["chrf"].value > FLOOR[source, target], found
    checks = translation_checks([pair[source] for pair in pairs], found, references)
    assert checks["no_loop"].value == checks["no_copy"].value == 1, found
    assert checks["names_kept"].value >= 0.75, found


@pytest.mark.parametrize(
    ("text", "target", "wanted"),
    [
        ("Hello!", "zh", "你好！"),
        ("goodbye", "zh", "再见"),
        ("Good night", "zh", "晚安"),
        ("再见！", "en", "Goodbye!"),
        ("马马虎虎", "en", "careless"),
        ("Nice to meet you.", "zh", "很高兴见到你。"),
    ],
)
def test_what_visitors_type_first_is_right(text: str, target: str, wanted: str, engine: Engine) -> None:
    task = find_task("translate")
    (found,) = engine.run_many(task, [task.request_type.parse({"text": text, "target": target})], model_id=MODEL)
    assert found.text == wanted


def test_a_model_of_both_directions_is_told_which_language_to_write() -> None:
    vocabulary = {">>eng<<", ">>zho<<"}
    assert [target_token(language, vocabulary) for language in ("en", "zh", "de")] == [">>eng<<", ">>zho<<", None]
