"""Augmentation: each rate does its own thing and nothing at 0, the same at the same seed, and never moves a span."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from llm_core.data.augmentation import Augmentation, augmented, changed
from llm_core.data.lexicon import from_dictionary, load_lexicon
from llm_core.errors import InputError

TEXT = "The film was good, truly good! 电影很好看。"
LEXICON = {"film": ["movie"], "good": ["fine", "nice"], "电影": ["影片"]}
TEXTS = st.text(alphabet="ab C,.!我们喜欢", max_size=40)


def _rows(count: int = 200) -> list[dict[str, Any]]:
    return [{"text": f"the film number {number} was good", "label": "p"} for number in range(count)]


def _run(rows: Sequence[dict[str, Any]] | None = None, **options: Any) -> list[dict[str, Any]]:
    more: dict[str, Any] = {"kind": "classification", "field": "text", "seed": 1, "lexicon": LEXICON}
    wanted = {
        name: options.pop(name) for name in list(options) if name in Augmentation.model_fields and name != "lexicon"
    }
    return augmented(_rows() if rows is None else rows, Augmentation(**wanted), **(more | options))


@given(text=TEXTS, seed=st.integers(0, 99))
def test_at_rate_nought_a_text_stays(text: str, seed: int) -> None:
    assert changed(text, Augmentation(), LEXICON, random.Random(seed)) == text.lstrip(" ")


@given(text=TEXTS, seed=st.integers(0, 99), rate=st.floats(0, 1))
def test_swaps_keep_the_words_and_all_between(text: str, seed: int, rate: float) -> None:
    found = changed(text, Augmentation(swaps=rate), {}, random.Random(seed))
    assert Counter(found) == Counter(text.lstrip(" ")) or Counter(found.strip()) == Counter(text.strip())


@given(seed=st.integers(0, 99))
def test_dropout_leaves_at_least_a_word_and_no_double_blanks(seed: int) -> None:
    found = changed("a b c d", Augmentation(dropout=1.0), {}, random.Random(seed))
    assert found in ("a", "b", "c", "d")
    some = changed("a b c d", Augmentation(dropout=0.5), {}, random.Random(seed))
    assert "  " not in some and set(some) <= set("a b c d")


def test_dropout_keeps_its_rate() -> None:
    rows = _rows(2000)
    kept = sum(len(row["text"].split()) for row in _run(rows, dropout=0.2))
    same = 2000 - len(_run(rows, dropout=0.2))
    assert (kept + 6 * same) / (6 * 2000) == pytest.approx(0.8, abs=0.02)


def test_capitals_are_written_in_a_share_of_the_copies() -> None:
    found = _run(_rows(1000), capitals=0.3)
    assert len(found) == pytest.approx(300, abs=50), "the copies that did not change are left out"
    assert all(row["text"].startswith("THE FILM NUMBER") and row["label"] == "p" for row in found)


def test_synonyms_keep_case_and_place() -> None:
    found = changed(TEXT.replace("film", "Film"), Augmentation(synonyms=1.0), LEXICON, random.Random(0))
    assert found.startswith("The Movie was ")
    assert found.endswith("! 影片很好看。")
    assert "good" not in found and "," in found


def test_copies_are_added_beside_the_rows_and_keep_the_label() -> None:
    found = _run(synonyms=1.0, copies=3)
    assert len(found) == 600
    assert all(row["label"] == "p" and "movie" in row["text"] for row in found)
    assert found == _run(synonyms=1.0, copies=3)
    assert found != _run(synonyms=1.0, copies=3, seed=2)


def test_nothing_wanted_is_nothing_added() -> None:
    assert _run() == []
    assert not Augmentation().enabled and Augmentation(swaps=0.1).enabled
    assert _run([{"text": "unknown", "label": "p"}], synonyms=1.0) == [], "an unchanged copy teaches nothing"


def test_back_translation_asks_the_caller_for_its_share() -> None:
    asked: list[str] = []

    def translate(texts: Sequence[str]) -> list[str]:
        asked.extend(texts)
        return [f"{text}, translated" for text in texts]

    found = _run(_rows(1000), back_translation=0.3, translate=translate)
    assert len(asked) == pytest.approx(300, abs=50)
    assert [row["text"] for row in found] == [f"{text}, translated" for text in asked]


def test_the_source_side_of_translation_may_change() -> None:
    rows = [{"en": "the film", "zh": "电影", "source": "s"}]
    found = _run(rows, kind="translation", field="en", synonyms=1.0)
    assert found == [{"en": "the movie", "zh": "电影", "source": "s"}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "question_answering"}, "only classification and translation rows"),
        ({"rows": [{"text": "a", "answers": []}]}, "row 1: answers and tags stand at places"),
        ({"rows": [{"text": "a", "tags": []}]}, "row 1: answers and tags stand at places"),
        ({"field": "en"}, "en: row 1: must be a string"),
        ({"lexicon": None}, "synonyms: needs a lexicon"),
        ({"back_translation": 1.0}, "back_translation: needs a translator"),
        ({"back_translation": 1.0, "translate": lambda texts: []}, "translate: must give 200 texts, one for each"),
    ],
)
def test_what_would_break_labels_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        _run(**({"synonyms": 0.5} | options))


def test_a_recipe_cannot_ask_for_what_is_not_there() -> None:
    with pytest.raises(ValidationError, match="dropout"):
        Augmentation(dropout=1.5)
    with pytest.raises(ValidationError, match="noise"):
        Augmentation.model_validate({"noise": 0.1})


def test_words_with_two_shared_translations_are_synonyms() -> None:
    lexicon = from_dictionary(
        [
            ("电影", ["movie", "film"]),
            ("影片", ["a film", "movie (Tw)"]),
            ("胶卷", ["film", "roll of film"]),
            ("买", ["to buy", "to purchase"]),
            ("购买", ["to purchase; to buy"]),
            ("被", ["by", "not"]),
            ("为", ["by", "not"]),
        ]
    )
    assert lexicon == {
        "电影": ["影片"],
        "影片": ["电影"],
        "film": ["movie"],
        "movie": ["film"],
        "买": ["购买"],
        "购买": ["买"],
        "buy": ["purchase"],
        "purchase": ["buy"],
    }


def test_lexicons_are_data_sets(tmp_path: Path) -> None:
    rows = {
        "thesaurus": [{"word": "Good", "synonyms": ["fine"]}],
        "dictionary": [{"zh": "电影", "en": ["movie", "film"]}, {"zh": "影片", "en": ["movie", "film"]}],
        "broken": [{"word": "good", "synonyms": "fine"}],
        "other": [{"text": "good"}],
    }
    for name, content in rows.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.jsonl").write_text("\n".join(map(json.dumps, content)), encoding="utf-8")
    assert load_lexicon("thesaurus", tmp_path) == {"good": ["fine"]}
    assert load_lexicon("dictionary", tmp_path)["影片"] == ["电影"]
    with pytest.raises(InputError, match="synonyms: must be a list of strings"):
        load_lexicon("broken", tmp_path)
    with pytest.raises(InputError, match="zh: must be in every row of a lexicon"):
        load_lexicon("other", tmp_path)
