"""pass@k against its definition, and programs that pass or only seem to."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from llm_core.errors import InputError
from llm_core.evaluation.code import Problem, code_scores, pass_at_k, passes
from llm_core.sandbox import Limits

ADD = "def add(a, b):\n    return a + b"
TESTS = "assert add(1, 2) == 3\nassert add(-1, 1) == 0"
LIMITS = Limits(cpu_seconds=1, wall_seconds=3.0)


@given(st.integers(1, 8), st.data())
def test_it_is_the_share_of_draws_with_a_right_program(samples: int, data: st.DataObject) -> None:
    right, k = data.draw(st.integers(0, samples)), data.draw(st.integers(1, samples))
    draws = list(combinations([i < right for i in range(samples)], k))
    assert pass_at_k(samples, right, k) == pytest.approx(sum(map(any, draws)) / len(draws))


def test_large_counts_do_not_overflow() -> None:
    assert pass_at_k(10_000, 100, 100) == pytest.approx(0.636, abs=0.001)


@pytest.mark.parametrize(
    ("program", "right"),
    [
        (ADD, True),
        (ADD + "\nprint('x' * 1_000_000)", True),
        ("def add(a, b):\n    return a - b", False),
        ("def add(a, b):\n    return", False),
        ("raise SystemExit(0)", False),
        ("import os; os._exit(0)", False),
        ("def add(a, b):\n    while True: pass", False),
        ("def add(a, b) return", False),
    ],
)
def test_only_what_reaches_the_end_of_its_tests_passes(program: str, right: bool) -> None:
    assert passes(program, TESTS, LIMITS) is right


def test_scores_over_problems() -> None:
    wrong = "def add(a, b):\n    return 3"
    problems = [Problem((ADD, wrong), TESTS), Problem((wrong, wrong), TESTS)]
    scores = code_scores(problems, (1, 2), limits=LIMITS)
    assert scores["pass@1"].value == 0.25 and scores["pass@2"].value == 0.5
    low, high = binomtest(1, 2).proportion_ci(method="wilson")
    assert (scores["pass@2"].low, scores["pass@2"].high, scores["pass@2"].rows) == pytest.approx((low, high, 2))


def test_mistakes_are_named() -> None:
    with pytest.raises(InputError, match="at least one problem"):
        code_scores([])
    with pytest.raises(InputError, match="k: must be between 1 and the 1 samples"):
        code_scores([Problem((ADD,), TESTS)], (1, 10))
    with pytest.raises(InputError, match="right: must be between 0 and 3"):
        pass_at_k(3, 4, 1)
