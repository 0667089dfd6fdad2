"""A floor under the embedded tagger, so that a broken one cannot land: sentences made for this test, as served."""

from __future__ import annotations

from contextlib import closing

import pytest

from llm_core.engine import create_engine
from llm_core.settings import Settings
from llm_core.tasks import find_task

pytestmark = pytest.mark.real_weights

FLOOR = 0.75
"""F1 of (text, label); the shipped model's is above."""
SENTENCES = {
    "Maria Gonzalez moved from Madrid to Berlin last year.": {
        ("Maria Gonzalez", "PER"), ("Madrid", "LOC"), ("Berlin", "LOC"),
    },
    "Microsoft bought a small company in Seattle.": {("Microsoft", "ORG"), ("Seattle", "LOC")},
    "The meeting was cancelled because of the rain.": set(),
    "John asked whether Peter had written to the United Nations.": {
        ("John", "PER"), ("Peter", "PER"), ("United Nations", "ORG"),
    },
    "Toyota will build the factory in Kentucky, said Akio Toyoda.": {
        ("Toyota", "ORG"), ("Kentucky", "LOC"), ("Akio Toyoda", "PER"),
    },
    "She studied at Oxford University before she went to India.": {("Oxford University", "ORG"), ("India", "LOC")},
    "He opened the window and made some tea.": set(),
    "President Barack Obama spoke in Cairo on Thursday.": {("Barack Obama", "PER"), ("Cairo", "LOC")},
}  # fmt: skip


def test_the_embedded_tagger_is_above_the_floor(offline_settings: Settings) -> None:
    task = find_task("entities")
    requests = [task.request_type.parse({"text": text}) for text in SENTENCES]
    with closing(create_engine(offline_settings)) as engine:
        results = engine.run_many(task, requests, model_id="entities-en")
    found = [{(entity.text, entity.label) for entity in result.entities} for result in results]
    right = sum(len(own & wanted) for own, wanted in zip(found, SENTENCES.values(), strict=True))
    f1 = 2 * right / (sum(map(len, found)) + sum(map(len, SENTENCES.values())))
    assert f1 >= FLOOR, found
    for text, result in zip(SENTENCES, results, strict=True):
        assert all(text[entity.start : entity.end] == entity.text for entity in result.entities)
