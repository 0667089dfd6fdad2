"""Patterns of tunes, told from poems."""

from __future__ import annotations

from tools.build_tunes import rhyme_labels, shape

POEM = "玉炉香，红蜡泪。\n偏照画堂秋思。\n眉翠薄、鬓云残。\n夜长衾枕寒（一作凉）。"


def test_shape_is_lengths_and_stops() -> None:
    assert shape(POEM) == ((3, "，"), (3, "。"), (6, "。"), (3, "、"), (3, "。"), (5, "。"))
    assert shape("天！地？人；") == ((1, "。"), (1, "。"), (1, "，"))


def test_lines_that_rhyme_in_half_of_the_poems_share_a_letter() -> None:
    poems = [["天", "年", "水", "鬼"], ["山", "关", "美", "归"], ["光", "长", "雪", "飞"]]
    assert rhyme_labels(poems) == ["a", "a", "b", "b"]
    assert rhyme_labels([["天", "水", "花", "月"]] * 3) == ["", "", "", ""]
