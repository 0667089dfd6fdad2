"""The Hub's data sets: their columns become our fields, checked against the rules that local rows follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets import ClassLabel, Features, List, Value

from llm_core.data.hub import HUB_DATASETS, HubDataset, labelled
from llm_core.data.loaders import RowKind, load_rows, stream_rows
from llm_core.errors import ModelUnavailableError

TAGS = ["O", "B-PER", "I-PER"]
SQUAD = {"id": "1", "context": "c d", "question": "q", "answers": {"text": ["d"], "answer_start": [2]}}
PUBLISHED: dict[str, tuple[RowKind, list[dict[str, Any]], Features | None, dict[str, Any]]] = {
    "sst2": ("classification", [{"sentence": " a ", "label": 1}], None, {"text": "a", "label": "positive"}),
    "tweet_emotion": (
        "classification",
        [{"text": "a", "label": 1}],
        Features({"text": Value("string"), "label": ClassLabel(names=["anger", "joy"])}),
        {"text": "a", "label": "joy"},
    ),
    "tnews": ("classification", [{"sentence": "a", "label": 14, "idx": 0}], None, {"text": "a", "label": "game"}),
    "qa_zh": (
        "question_answering",
        [SQUAD],
        None,
        SQUAD | {"answers": [{"text": "d", "answer_start": 2}], "source": "cmrc2018"},
    ),
    "ner_zh_wikiann": (
        "tagging",
        [{"tokens": ["王", "明"], "ner_tags": [1, 2]}],
        Features({"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=TAGS))}),
        {"tokens": ["王", "明"], "tags": ["B-PER", "I-PER"]},
    ),
    "translation_en_zh_general": (
        "translation",
        [{"translation": {"en": "cat", "zh": "猫"}}],
        None,
        {"en": "cat", "zh": "猫", "source": "opus-100"},
    ),
    "translation_en_de": (
        "translation",
        [{"en": "cat", "de": "Katze"}],
        None,
        {"en": "cat", "de": "Katze", "source": "multi30k"},
    ),
    "wikitext_en": ("text", [{"text": ""}, {"text": " = A = \n"}], None, {"text": " = A = \n"}),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_rows_get_our_fields(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, rows, features, expected = PUBLISHED[name]
    asked: list[tuple[Any, ...]] = []

    def load_dataset(hub_id: str, config: str | None, split: str, streaming: bool) -> Any:
        asked.append((hub_id, config, split, streaming))
        table = datasets.Dataset.from_list(rows, features=features)
        return table.to_iterable_dataset() if streaming else table

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert load_rows(name, "train", kind=kind) == [expected]
    assert list(stream_rows(name, "validation", kind=kind)) == [expected]
    source = HUB_DATASETS[name]
    assert asked == [
        (source.hub_id, source.config, source.splits[0], False),
        (source.hub_id, source.config, source.splits[1], True),
    ]


def test_several_columns_make_one_text() -> None:
    source = HubDataset("x/y", rename=labelled("title", "content"))
    assert source.rename({"title": " A ", "content": "b", "label": 1}, ("n", "p")) == {"text": "A b", "label": "p"}


def test_a_hub_that_does_not_answer_says_what_would_help(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_dataset(*arguments: Any, **options: Any) -> Any:
        raise ConnectionError("no route")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(ModelUnavailableError, match="could not give stanfordnlp/sst2: no route.*LLM_CORE_DATA_DIR"):
        load_rows("sst2", "train")


def test_a_local_folder_without_the_set_falls_back_to_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = datasets.Dataset.from_list([{"text": "Once"}])
    monkeypatch.setattr(datasets, "load_dataset", lambda *arguments, **options: table)
    assert load_rows("tinystories_en", "train", tmp_path) == [{"text": "Once"}]
