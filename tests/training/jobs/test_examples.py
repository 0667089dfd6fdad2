"""Labelled texts: every bound names its row, and the division keeps labels in proportion and texts apart."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_core.errors import InputError
from llm_core.tasks.train.request import TrainRequest
from llm_core.training.jobs.examples import MAX_ROWS, MAX_VALIDATION, Example, check_examples, divide


def rows(**counts: int) -> list[tuple[str, str]]:
    return [(f"{label} {number}", label) for label, count in counts.items() for number in range(count)]


@pytest.mark.parametrize(
    ("pairs", "rule"),
    [
        ([], "must not be empty"),
        (rows(a=8), "at least 2 different labels; all rows are 'a'"),
        (rows(a=8, b=3), "at least 4 different texts of each label; 'b' has 3"),
        ([*rows(a=8, b=3), ("b 0", "b")], "'b' has 3"),
        (rows(**{f"l{n}": 4 for n in range(21)}), "20 different labels"),
        ([*rows(a=4, b=4), (" ", "a")], "row 9 has no text"),
        ([*rows(a=4, b=4), ("x", " ")], "row 9 has no label"),
        ([*rows(a=4, b=4), ("a 0", "b")], "row 9 has the text of row 1 with another label: 'b', not 'a'"),
        ([*rows(a=4, b=4), ("x" * 2001, "a")], "row 9: the text is limited to 2,000 characters, it has 2,001"),
        ([*rows(a=4, b=4), ("x", "y" * 81)], "row 9: the label is limited to 80 characters"),
        ([*rows(a=4, b=4), ("a\x00b", "a")], "row 9 must not contain NUL"),
        (rows(a=MAX_ROWS, b=4), "at most 2,000 rows, there are 2,004"),
    ],
)
def test_every_bound_is_told(pairs: list[tuple[str, str]], rule: str) -> None:
    with pytest.raises(InputError) as error:
        TrainRequest.parse({"examples": [list(pair) for pair in pairs]})
    assert rule in str(error.value) and error.value.field == "examples"


def test_rows_that_come_again_are_left_out() -> None:
    assert check_examples([*rows(a=4, b=4), (" a 0 ", "a")]) == tuple(Example(*row) for row in rows(a=4, b=4))


@given(st.lists(st.integers(4, 60), min_size=2, max_size=6))
def test_the_division_is_stratified_and_repeats(counts: list[int]) -> None:
    examples = check_examples(rows(**{f"l{place}": count for place, count in enumerate(counts)}))
    train, validation = divide(examples)
    assert sorted(train + validation) == sorted(examples) and not set(train) & set(validation)
    kept = Counter(row.label for row in validation)
    for place, count in enumerate(counts):
        assert 1 <= kept[f"l{place}"] and abs(kept[f"l{place}"] - count / 4) <= 1
    assert divide(examples) == (train, validation)


def test_many_rows_leave_a_bounded_part_out() -> None:
    division = divide(check_examples(rows(a=1000, b=1000)))
    assert len(division.validation) == MAX_VALIDATION and len(division.train) == 1600
