"""Forms of verse: the regulated ones, and tunes as dictionaries of tunes describe them."""

from __future__ import annotations

from llm_core.data.verse_forms import COMMA, STOP, verse_forms


def test_regulated_verse() -> None:
    form = verse_forms()["七律"]
    assert form.regulated and [line.length for line in form.lines] == [7] * 8
    assert [line.rhyme for line in form.lines] == ["", "a"] * 4
    assert [line.mark for line in form.sentences[0]] == [COMMA, STOP] and len(form.sentences) == 4


def test_tunes() -> None:
    forms = verse_forms()
    changing = forms["菩萨蛮"]
    assert [line.length for line in changing.lines] == [7, 7, 5, 5, 5, 5, 5, 5]
    assert [line.rhyme for line in changing.lines] == list("aabbccdd") and not changing.regulated
    assert [line.rhyme for line in forms["浣溪沙"].lines] == ["a", "a", "a", "", "a", "a"]
    assert sum(line.length for line in forms["水调歌头"].lines) == 95
    assert all(form.lines[-1].mark == STOP and form.lines[-1].rhyme for form in forms.values())
