"""Where several answers differ, and that every text is drawn whole."""

from __future__ import annotations

from demos._outcomes import MAX_COMPARED_WORDS, Labels, Spans, Words, compared


def marked(drawn: dict[str, object]) -> list[str]:
    return [piece[0] for piece in drawn["pieces"] if piece[-1]]  # type: ignore[attr-defined]


def test_words_of_one_text_only_are_marked_in_both() -> None:
    first, second = compared([Words("The old bridge opened in May."), Words("The new bridge opened in late May.")])
    assert first is not None and second is not None
    assert marked(first) == ["old"] and marked(second) == ["new", "late"]
    assert "".join(piece for piece, _ in second["pieces"]) == "The new bridge opened in late May."
    assert round(second["share"], 3) == round(2 * 6 / (7 + 8), 3), "six words in common, the full stop among them"


def test_neighbouring_words_are_marked_as_one_stretch() -> None:
    _, second = compared([Words("a b e"), Words("a b c d e")])
    assert second is not None and marked(second) == ["c d"]


def test_chinese_is_compared_by_words() -> None:
    first, second = compared([Words("今天天气很好。"), Words("今天天气不好。")])
    assert first is not None and second is not None
    assert "今天" not in "".join(marked(first)) and "".join(marked(second)).startswith("不")


def test_the_first_of_three_is_marked_where_any_other_differs() -> None:
    first, second, third = compared([Words("a b c"), Words("a b x"), Words("y b c")])
    assert [marked(each) for each in (first, second, third) if each] == [["a", "c"], ["x"], ["y"]]


def test_the_same_text_has_no_marks_and_no_text_is_an_answer() -> None:
    first, second = compared([Words("same words"), Words("same words")])
    assert first is not None and second is not None and marked(first) == [] and second["share"] == 1.0
    nothing, something = compared([Words(""), Words("1937", probability=0.8)])
    assert nothing is not None and nothing["empty"] and something is not None
    assert marked(something) == ["1937"] and something["probability"] == 0.8


def test_very_long_texts_are_shown_and_not_compared() -> None:
    long = "word " * (MAX_COMPARED_WORDS + 1)
    first, second = compared([Words(long), Words("other")])
    assert first is not None and second is not None and first["long"] and marked(first) == marked(second) == []


def test_labels_stand_in_the_same_order_in_all_columns() -> None:
    first, second = compared(
        [Labels("a", {"a": 0.9, "b": 0.06, "c": 0.04}), Labels("c", {"c": 0.7, "b": 0.2, "a": 0.1})]
    )
    assert first is not None and second is not None
    assert [label for label, _ in first["rows"]] == [label for label, _ in second["rows"]] == ["a", "b", "c"]
    assert (first["label"], second["label"], first["same"], second["same"]) == ("a", "c", True, False)


def test_spans_that_one_alone_found_are_marked_and_counted() -> None:
    text = "Ada met Alan in London."
    first, second = compared(
        [Spans(text, [(0, 3, "PER"), (16, 22, "LOC")]), Spans(text, [(0, 3, "PER"), (16, 22, "ORG")], ["Bob"])]
    )
    assert first is not None and second is not None
    assert marked(first) == marked(second) == ["London"], "of another type is another finding"
    assert (first["count"], first["own"], second["not_in_text"]) == (2, 1, ["Bob"])
    assert "".join(piece for piece, _, _ in first["pieces"]) == text


def test_what_has_no_outcome_yet_stays_open() -> None:
    first, second = compared([None, Words("done")])
    assert first is None and second is not None and marked(second) == []
