"""Answer scores against values known from the data sets' scripts and by hand."""

from __future__ import annotations

import pytest

from llm_core.evaluation.answers import answer_scores, cmrc_f1, cmrc_segments, exact_match, squad_f1


@pytest.mark.parametrize(
    ("prediction", "references", "em", "f1"),
    [
        ("The  Norman Conquest!", ["norman conquest"], 1.0, 1.0),
        ("in 1066", ["1066", "the year 1066"], 0.0, 2 / 3),
        ("Denmark, Iceland", ["Denmark, Iceland and Norway"], 0.0, 2 * (2 / 2) * (2 / 4) / (2 / 2 + 2 / 4)),
        ("Paris", ["London"], 0.0, 0.0),
        ("", [], 1.0, 1.0),
        ("Paris", [], 0.0, 0.0),
        ("", ["Paris"], 0.0, 0.0),
        ("the", ["a"], 1.0, 1.0),
        ("to be to", ["to to to be"], 0.0, 2 * 1.0 * 0.75 / 1.75),
    ],
)
def test_answers_are_compared_as_squad_does(prediction: str, references: list[str], em: float, f1: float) -> None:
    assert exact_match(prediction, references) == em
    assert squad_f1(prediction, references) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("prediction", "references", "em", "f1"),
    [
        ("《红楼梦》", ["红楼梦"], 1.0, 1.0),
        ("作者是曹雪芹", ["曹雪芹"], 0.0, 2 * 3 / (6 + 3)),
        # the longest common run, not the overlap: 水 果 stand apart
        ("果喜水欢", ["水果"], 0.0, 2 * 1 / (4 + 2)),
        ("IBM公司", ["ibm 公司"], 0.0, 1.0),
        ("ＩＢＭ", ["微软", "IBM"], 0.0, 0.0),
        ("北京", ["上海", "北京市"], 0.0, 2 * 2 / (2 + 3)),
        ("3.5亿元", ["3.5 亿"], 0.0, 2 * 2 / (3 + 2)),
        ("", [], 1.0, 1.0),
        ("北京", [], 0.0, 0.0),
    ],
)
def test_chinese_answers_are_compared_as_cmrc_does(
    prediction: str, references: list[str], em: float, f1: float
) -> None:
    assert exact_match(prediction, references, "zh") == em
    assert cmrc_f1(prediction, references) == pytest.approx(f1)


def test_mixed_segmentation() -> None:
    assert cmrc_segments("于1,949年，在New-York（纽约）成立……") == [
        "于", "1,949", "年", "在", "newyork", "纽", "约", "成", "立", "…", "…",
    ]  # fmt: skip


def test_means_with_and_without_unanswerable_rows() -> None:
    references = [["x y"], ["z"], []]
    scores = answer_scores(["x", "z", ""], references)
    assert scores["answerable_f1"].value == pytest.approx((2 / 3 + 1) / 2)
    assert scores["f1"].value == pytest.approx((2 / 3 + 2) / 3)
    assert 2 / 3 <= scores["f1"].low < scores["f1"].value < scores["f1"].high == 1.0
    assert (scores["no_answer_accuracy"].value, scores["no_answer_accuracy"].rows) == (1.0, 1)
    assert "no_answer_accuracy" not in answer_scores(["x", "z"], references[:2])
    assert set(answer_scores(["x"], [[]])) == {"exact_match", "f1", "no_answer_accuracy"}
