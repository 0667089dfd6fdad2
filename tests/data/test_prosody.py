"""Sounds of Chinese characters, told on poems whose rhymes and tones are in every textbook."""

from __future__ import annotations

import pytest

from llm_core.data.prosody import rhyme_of, rhymes_kept, rhyming_characters, sounds, tones_kept
from llm_core.data.verse_forms import verse_forms

HERON_TOWER = ["白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼"]
SPRING_NIGHT = ["月落乌啼霜满天", "江枫渔火对愁眠", "姑苏城外寒山寺", "夜半钟声到客船"]


def test_each_character_has_its_sound() -> None:
    found = sounds("黄河流")
    assert [sound.pinyin for sound in found] == ["huáng", "hé", "liú"]
    assert [sound.rhyme for sound in found] == ["ang", "e", "ou"] and all(sound.level for sound in found)
    assert [sound.level for sound in sounds("更上海")] == [False, False, False]
    assert [sound.rhyme for sound in sounds("诗雪云英中儿")] == ["i", "e", "en", "eng", "ong", "er"]


def test_a_reading_depends_on_the_word() -> None:
    assert sounds("银行")[1].pinyin == "háng" and sounds("行人")[0].pinyin == "xíng"


def test_what_no_dictionary_has_is_silent() -> None:
    assert [sound.pinyin for sound in sounds("a水")] == ["", "shuǐ"]
    assert sounds("a水")[0].rhyme == "" and not sounds("a水")[0].level


def test_rhyming_characters_rhyme_and_are_level_where_wanted() -> None:
    found = rhyming_characters("ang", level=True)
    assert {"光", "霜", "乡"} <= set(found) and "上" not in found and "上" in rhyming_characters("ang")
    assert all(rhyme_of(character) == "ang" for character in found)


@pytest.mark.parametrize(("poem", "form"), [(HERON_TOWER, "五绝"), (SPRING_NIGHT, "七绝")])
def test_famous_poems_rhyme(poem: list[str], form: str) -> None:
    assert rhymes_kept(poem, verse_forms()[form].lines) == (1, 1)
    other = [*poem[:3], "人间万事休" if form == "五绝" else "夜半钟声到客人"]
    assert rhymes_kept(other, verse_forms()[form].lines)[0] == (1 if form == "五绝" else 0)


def test_rules_of_tones() -> None:
    kept, rules = tones_kept(SPRING_NIGHT)
    assert rules == 14 and kept == 14
    level_everywhere = ["天天天天天天天"] * 4
    assert tones_kept(level_everywhere)[0] < 5
    assert tones_kept(SPRING_NIGHT[:1]) == (2, 2), "a poem that is not finished has fewer rules"
