"""What a model cannot read is refused with a way out; ordinary text never is."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_core.errors import InputError
from llm_core.tasks.language import check_language, check_writes, is_chinese, readers, reads, script_shares, writers
from tests.support.encoders import encoder_spec

ENGLISH = encoder_spec("english", title="English Reader")
CHINESE = encoder_spec("chinese", languages=("zh",), title="Chinese Reader")
BOTH = encoder_spec("both", languages=("en", "zh"), title="Both Reader")


@pytest.mark.parametrize(
    "text",
    [
        "ok",
        "lol 😂😂😂 gr8 m8",
        "🎉🎉🎉",
        "12345",
        "!!!",
        "x = [i for i in range(10)]",
        "naïve café, señor",
        "I ate 北京烤鸭 in Beijing and loved it",
        "α and β are the angles of it",
        "𝓕𝓪𝓷𝓬𝔂 𝓽𝓮𝔁𝓽",
        "ＦＵＬＬ ｗｉｄｔｈ",
        "@user #win https://x.co",
    ],
)
def test_ordinary_english_is_read(text: str) -> None:
    check_language(ENGLISH, "text", text)


@given(st.text(alphabet=st.characters(max_codepoint=0x24F)))
@example("\u00b5")
def test_latin_text_is_never_refused(text: str) -> None:
    assert reads(ENGLISH, text)


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("这家餐厅的服务太好了！", "Chinese characters"),
        ("你好", "Chinese characters"),
        ("Привет, как дела?", "Cyrillic"),
        ("我用 iPhone 拍照", "Chinese characters"),
        ("안녕하세요", "Korean"),
        ("مرحبا بالعالم", "Arabic"),
        ("สวัสดี", "Thai"),
    ],
)
def test_other_scripts_are_refused(text: str, script: str) -> None:
    with pytest.raises(
        InputError, match=f"text: is mostly written in {script}, but English Reader reads English; no model"
    ):
        check_language(ENGLISH, "text", text)


def test_the_way_out_is_named() -> None:
    with pytest.raises(InputError, match="choose Chinese Reader or Both Reader"):
        check_language(ENGLISH, "text", "今天天气很好", [ENGLISH, CHINESE, BOTH])
    with pytest.raises(InputError, match="the Latin alphabet, but Chinese Reader reads Chinese; choose English Reader"):
        check_language(CHINESE, "text", "What a day", [ENGLISH])


def test_readers_come_in_order_and_alone() -> None:
    assert readers((ENGLISH, BOTH, CHINESE), "text", "今天天气很好") == (BOTH, CHINESE)
    assert readers((ENGLISH, BOTH, CHINESE), "text", "A fine day") == (ENGLISH, BOTH)
    assert readers((), "text", "今天天气很好") == ()
    with pytest.raises(InputError, match="no model here reads it yet"):
        readers((ENGLISH,), "text", "今天天气很好")


def test_writers_come_in_order_and_alone() -> None:
    assert writers((ENGLISH, BOTH, CHINESE), "language", "zh") == (BOTH, CHINESE)
    assert writers((), "language", "zh") == ()
    with pytest.raises(InputError, match="language: English Reader does not write Chinese; it writes English"):
        writers((ENGLISH,), "language", "zh")
    check_writes(BOTH, "language", "en")


def test_shares_and_chinese() -> None:
    assert script_shares("abc 你") == {"LATIN": 0.5, "CJK": 0.5}
    assert script_shares("123 !") == {}
    assert is_chinese("他说 hello") and not is_chinese("hello 他") and not is_chinese("これは日本語です")


def test_unknown_languages_are_trusted() -> None:
    assert reads(encoder_spec(languages=("xx",)), "今天天气很好")
