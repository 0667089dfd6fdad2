"""Holes in Python files, and the scores of what is written into them."""

from __future__ import annotations

import ast

import pytest

from llm_core.errors import InputError
from llm_core.evaluation.completion import (
    PASSAGE_CHARS,
    SHORTEST_PASSAGE_LINES,
    Filled,
    Hole,
    completion_scores,
    first_line,
    holes,
    passages,
)

FUNCTION = """def f{0}(x):
    # note {0}
    y = x + {0}
    if y > 3:
        y -= 1
    return [
        y,
    ]


"""
FILE = "import os\n\n" + "".join(FUNCTION.format(number) for number in range(40))


def test_passages_are_whole_statements_and_lose_nothing() -> None:
    found = list(passages(FILE))
    assert len(found) > 1
    assert "".join(found).rstrip() == FILE.rstrip()
    for passage in found:
        ast.parse(passage)
        assert len(passage) <= PASSAGE_CHARS


def test_what_is_no_python_has_no_passages() -> None:
    assert list(passages("def f(:\n")) == []
    assert list(passages("a\0b = 1")) == []


def test_a_hole_and_what_stands_around_it_are_the_passage() -> None:
    found = holes([FILE], gaps=True)
    assert len(found) == len([p for p in passages(FILE) if p.count("\n") >= SHORTEST_PASSAGE_LINES])
    for hole in found:
        assert hole.prefix + hole.hidden + hole.suffix in FILE
        assert hole.suffix and 1 <= hole.hidden.count("\n") <= 3 and hole.prefix.endswith("\n")


def test_the_next_line_is_one_and_shows_nothing_behind_it() -> None:
    for hole in holes([FILE], gaps=False):
        assert hole.hidden.strip() and hole.hidden.count("\n") == 1 and not hole.suffix


def test_the_same_seed_draws_the_same_holes_and_no_more_than_asked() -> None:
    assert holes([FILE], gaps=True) == holes([FILE], gaps=True)
    assert holes([FILE], gaps=True) != holes([FILE], gaps=True, seed=14)
    assert len(holes([FILE], gaps=True, most=2)) == 2


@pytest.mark.parametrize("texts", [[], ["x = 1\n"], ["not python at all (\n" * 30]])
def test_files_without_room_are_refused(texts: list[str]) -> None:
    with pytest.raises(InputError, match="data: must have Python files of at least 12 lines"):
        holes(texts, gaps=False)


def test_scores_count_lines_gaps_and_ends() -> None:
    lines = [Hole("a\n", "    return x\n"), Hole("b\n", "y = 1\n")]
    gaps = [Hole("a\n", "y = 1\nz = 2\n", "w\n"), Hole("b\n", "y = 1\n", "w\n")]
    scores = completion_scores(
        lines,
        [Filled("\nreturn x\n    more()", True, True), Filled("y = 2", True, True)],
        gaps,
        [Filled("y = 1\nz = 2\n", True, True), Filled("y = (", False, False)],
    )
    assert scores["next_line_exact_match"].value == 0.5
    assert scores["infilling_exact_match"].value == 0.5
    assert scores["infilling_parses"].value == 0.5
    assert scores["ended"].value == 0.75 and scores["ended"].rows == 4


def test_the_first_line_skips_blank_ones() -> None:
    assert first_line("\n   \n  a = 1  \nb") == "a = 1"
    assert first_line(" \n") == ""
