"""Faithfulness of what is explained, as it is served: what stays, what may leave, and who cannot be measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llm_core.backends.base import Decision
from llm_core.catalog import load_catalog
from llm_core.errors import InputError
from llm_core.served import Rows
from llm_core.served_coverage import measure_coverage
from llm_core.served_explanations import _Explained, explain_model, kind_of
from llm_core.settings import Settings

PASSAGE = "The bridge opened on May 27, 1937, to walkers. It was painted orange by Irving Morrow, who was an architect."
TOKENS = "The architect Irving Morrow , who lived in Berkeley for many years , painted the bridge orange .".split()
TAGS = ["O", "O", "B-PER", "I-PER", *["O"] * 4, "B-LOC", *["O"] * 9]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    answers = [{"text": "May 27, 1937", "answer_start": PASSAGE.index("May")}]
    rows: dict[str, list[dict[str, Any]]] = {
        "asked": [
            {"id": "1", "question": "When did the bridge open?", "context": PASSAGE, "answers": answers, "source": "a"},
            {"id": "2", "question": "What is the toll for a car?", "context": PASSAGE, "answers": [], "source": "a"},
        ],
        "named": [{"tokens": TOKENS, "tags": TAGS}, {"tokens": ["Это", "Россия"], "tags": ["O", "O"]}],
    }
    for name, own in rows.items():
        (tmp_path / name).mkdir()
        lines = "\n".join(json.dumps(row) for row in own)
        (tmp_path / name / "validation.jsonl").write_text(lines, encoding="utf-8")
    return tmp_path


def test_what_is_explained_moves_with_what_leaves_before_it() -> None:
    text = "We met Ann Lee there."
    explained = _Explained(Decision(("who", text), "PER", (7, 14)), [])
    shorter = explained.without(" met Ann Lee .", ((0, 2), (15, 20)))
    assert shorter.texts == ("who", " met Ann Lee .") and shorter.span == (5, 12)
    assert shorter.texts[1][5:12] == "Ann Lee"
    assert _Explained(Decision((text,), "news"), []).without("We", ((2, 21),)).span is None


def test_only_what_decides_can_be_measured(offline_settings: Settings, data_dir: Path) -> None:
    catalog = load_catalog()
    found = {kind_of(catalog[name]) for name in ("sentiment-en", "entities-en", "qa-en")}
    assert found == {"label", "entities", "answer"}
    with pytest.raises(InputError, match="translate-en-zh is no fine-tuned classifier, tagger or reader"):
        explain_model("translate-en-zh", Rows("named", data_dir=data_dir), offline_settings)


@pytest.mark.real_weights
@pytest.mark.parametrize(("model", "data"), [("entities-en", "named"), ("qa-en", "asked")])
def test_taggers_and_readers_are_measured(model: str, data: str, offline_settings: Settings, data_dir: Path) -> None:
    scores = {score.metric: score for score in explain_model(model, Rows(data, data_dir=data_dir), offline_settings)}
    assert set(scores) == {
        "deletion", "deletion[random]", "deletion_gain", "insertion", "insertion[random]", "insertion_gain",
    }  # fmt: skip
    assert all(score.rows == 1 for score in scores.values()), "one text names something, one question gets an answer"
    assert all(0 < scores[name].value < 1 for name in ("deletion", "deletion[random]", "insertion"))
    gain = scores["deletion[random]"].value - scores["deletion"].value
    assert scores["deletion_gain"].value == pytest.approx(gain, abs=2e-4)


@pytest.mark.real_weights
def test_coverage_of_entities_and_answers(offline_settings: Settings, data_dir: Path) -> None:
    named = measure_coverage("entities-en", Rows("named", data_dir=data_dir), offline_settings)
    assert (named.rows, named.right[0], named.wanted) == (2, 2, 2), "the Russian row is left out"
    asked = measure_coverage("qa-en", Rows("asked", data_dir=data_dir), offline_settings)
    assert (asked.rows, asked.right[0], asked.wanted) == (2, 2, None) and asked.f1 is not None
    assert asked.f1[0] == 1.0, 'an honest "not in the text" is right'
