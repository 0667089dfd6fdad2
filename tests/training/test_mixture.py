"""The rows a recipe trains on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from llm_core.training.mixture import Mixture
from llm_core.training.recipe import Recipe


def test_a_field_that_rows_do_not_have_is_told_from_the_others(scratch: Callable[..., Recipe], tmp_path: Path) -> None:
    (tmp_path / "poems").mkdir()
    poem = {
        "title": "绝句",
        "text": "两个黄鹂鸣翠柳，一行白鹭上青天。\n窗含西岭千秋雪，门泊东吴万里船。",
        "kind": "tang",
    }
    (tmp_path / "poems" / "train.jsonl").write_text(json.dumps(poem) + "\n", encoding="utf-8")
    part = {"name": "poems", "licence": "MIT", "fields": ["form", "title", "text"]}
    (row,) = Mixture(scratch("causal_lm", data=[part]), tmp_path).training()
    assert row["text"] == f"七绝\n绝句\n{poem['text']}"


def test_words_of_a_list_become_running_text(scratch: Callable[..., Recipe], tmp_path: Path) -> None:
    rows = [
        ["我", "爱", "北京", "，", "真", "的", "。"],
        ["He", "left", "."],
        ["用", "Java", "和", "C", "写", "！"],
        list("共2339元"),
    ]
    (tmp_path / "names").mkdir()
    lines = [json.dumps({"tokens": words}) + "\n" for words in rows]
    (tmp_path / "names" / "train.jsonl").write_text("".join(lines), encoding="utf-8")
    recipe = scratch("masked_lm", data=[{"name": "names", "licence": "MIT", "fields": ["tokens"]}])
    texts = [row["text"] for row in Mixture(recipe, tmp_path).training()]
    assert texts == ["我爱北京，真的。", "He left .", "用Java和C写！", "共2339元"]


def test_prose_is_read_in_paragraphs_and_without_the_titles_left_out(
    scratch: Callable[..., Recipe], tmp_path: Path
) -> None:
    rows = [{"title": "Foxes", "text": "A fox\nslept.\n\nIt woke."}, {"title": "Wolves", "text": "A wolf\nran."}]
    (tmp_path / "tales").mkdir()
    lines = [json.dumps(row) + "\n" for row in rows]
    (tmp_path / "tales" / "train.jsonl").write_text("".join(lines), encoding="utf-8")
    part = {"name": "tales", "licence": "MIT", "fields": ["paragraphs"], "except_titles": ["Wolves"]}
    texts = [row["text"] for row in Mixture(scratch("causal_lm", data=[part]), tmp_path).training()]
    assert texts == ["A fox slept.\n\nIt woke."]


def test_a_reader_is_asked_about_the_sentences_of_its_passages(reader: Recipe, tmp_path: Path) -> None:
    context = "北京大学创办于1898年，是中国近代第一所国立综合性大学。"
    row = {"context": context, "question": "北大何时创办？", "answers": [{"text": "1898年", "answer_start": 7}]}
    (tmp_path / "facts").mkdir()
    lines = [json.dumps({"id": str(number), "source": "made", **row}) + "\n" for number in range(3)]
    (tmp_path / "facts" / "train.jsonl").write_text("".join(lines), encoding="utf-8")
    part = reader.data[0].model_copy(update={"repeat": 2.0, "foreign_questions": 0.0, "cloze_questions": 2})
    rows = list(Mixture(reader.model_copy(update={"data": (part,)}), tmp_path).training())
    made = [row for row in rows if row["id"].startswith("cloze-")]
    assert len(rows) == 2 * 3 + len(made) and 2 <= len(made) <= 2 * 2
    assert all(row["answers"][0]["text"] in context for row in made)
