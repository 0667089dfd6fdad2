"""Questions made of a passage's own sentences."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llm_core.data.cloze import cloze_questions

PASSAGE = (
    "北京大学创办于1898年，初名京师大学堂，是中国近代第一所国立综合性大学。"
    "鲁迅的小说《狂人日记》发表在《新青年》杂志上，是第一部用现代白话写成的小说。"
    "该市面积16410平方公里，人口2189万人，共有16个区。"
)


def _row(context: str, question: str = "谁？") -> dict[str, object]:
    return {"id": "1", "context": context, "question": question, "answers": [], "source": "made"}


def test_answers_stand_where_they_are_said_to() -> None:
    rows = list(cloze_questions([_row(PASSAGE)], 50, seed=3))
    for row in rows:
        [answer] = row["answers"]
        assert PASSAGE[answer["answer_start"] :].startswith(answer["text"])
        assert row["context"] == PASSAGE and row["source"] == "made" and 6 <= len(row["question"]) <= 61
    assert {"1898年", "狂人日记", "新青年"} <= {row["answers"][0]["text"] for row in rows}
    assert len({row["id"] for row in rows}) == len(rows)


def test_a_year_is_asked_for_as_one() -> None:
    asked = {
        row["answers"][0]["text"]: row["question"]
        for seed in range(5)
        for row in cloze_questions([_row(PASSAGE)], 50, seed)
    }
    assert any(word in asked["1898年"] for word in ("哪一年", "什么时候", "何时"))
    assert any(word in asked["狂人日记"] for word in ("什么", "哪个", "谁"))


def test_a_passage_is_asked_once_however_often_it_comes() -> None:
    once = list(cloze_questions([_row(PASSAGE)], 3, seed=0))
    assert len(once) == 3
    assert list(cloze_questions([_row(PASSAGE), _row(PASSAGE, "哪里？")], 3, seed=0))[0]["context"] == PASSAGE
    assert len(list(cloze_questions([_row(PASSAGE), _row(PASSAGE, "哪里？")], 3, seed=0))) == 3


def test_the_seed_decides() -> None:
    first, again, other = (list(cloze_questions([_row(PASSAGE)], 4, seed)) for seed in (1, 1, 2))
    assert first == again != other


@given(st.text(alphabet="北京的是年1《》·aB，。？\n ", max_size=80))
def test_any_passage_is_taken(text: str) -> None:
    for row in cloze_questions([_row(text)], 9, seed=0):
        [answer] = row["answers"]
        assert answer["text"] and text[answer["answer_start"] :].startswith(answer["text"])
