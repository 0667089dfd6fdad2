"""What is kept: marks, blocks, placeholders; nothing protected is ever lost, whatever the model answers."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_core.tasks.translate import TASK, TranslateRequest, TranslateResult
from llm_core.tasks.translate.layout import is_markdown, lay_out
from llm_core.tasks.translate.marks import find_marks
from tests.support.sessions import MemorySession, finish
from tests.support.translators import ScriptedTranslator

DOCUMENT = """---
title: Not this
---
# Head *word* here

> Quoted **bold. And
> more** lines.  
> New line with `co de`.

- item **b** [a link](http://x.y/z "t") here. See https://a.b/c?d=e. Mail me@x.org!
  goes on <b>bold</b> and {name} or %s, 50% discount.
1. Second \\* star ![alt text](pic.png)

| Left \\| right | c |
|---|---|
| `x` | One. Two. |

```py
code = "stays"
```

    indented code

[ref]: http://never.translated "title"
<div class="x">
html block
</div>

Set *extended*
===
"""
PROTECTED = [
    "title: Not this", "`co de`", '](http://x.y/z "t")', "https://a.b/c?d=e", "me@x.org", "{name}", "%s", "\\*",
    "](pic.png)", "`x`", '```py\ncode = "stays"\n```', "    indented code", '[ref]: http://never.translated "title"',
    '<div class="x">\nhtml block\n</div>', "\n===\n", "|---|---|", "<b>", "</b>", "\\|",
]  # fmt: skip


def run(model: Any, text: str, target: str = "de", **fields: Any) -> TranslateResult:
    request = TranslateRequest.parse({"text": text, "source": "en", "target": target, **fields})
    result: TranslateResult = finish(TASK.run(MemorySession(model), request))
    return result


def keeps(sentence: str) -> str:
    return sentence


def shouts(sentence: str) -> str:
    return sentence.upper()


def drops(sentence: str) -> str:
    """Loses every placeholder."""
    return re.sub(r"[{}\d]", "", sentence).upper()


def doubles(sentence: str) -> str:
    return f"{sentence} {sentence}".upper()


def mute(sentence: str) -> str:
    return ""


@pytest.mark.parametrize(
    "text", [DOCUMENT, DOCUMENT.replace("\n", "\r\n"), "", "a\n", "\n\n x", "* a\n* b", "```\nopen"]
)
def test_identity_gives_the_same_text(text: str) -> None:
    for shape in ("plain", "markdown"):
        layout = lay_out((text,), shape == "markdown")
        assert "".join(s.gap + s.raw for s in layout.sentences) + layout.tails[0] == text
        if text.strip():
            assert run(ScriptedTranslator(keeps), text, format=shape).text == text


@pytest.mark.parametrize("answer", [keeps, shouts, drops, doubles, mute])
def test_nothing_protected_is_lost(answer: Any) -> None:
    text = run(ScriptedTranslator(answer), DOCUMENT).text
    for part in PROTECTED:
        assert part in text, part
    assert text.count("**") == DOCUMENT.count("**") and text.count("`") == DOCUMENT.count("`")
    assert re.findall(r"^(?:#|>|- |1\. |\|)", text, re.MULTILINE) == re.findall(
        r"^(?:#|>|- |1\. |\|)", DOCUMENT.replace("> more", "more"), re.MULTILINE
    ) or answer in (keeps, mute)


def test_everything_else_reaches_the_model() -> None:
    model = ScriptedTranslator(shouts)
    text = run(model, DOCUMENT).text
    assert "# HEAD *WORD* HERE\n" in text and "SET *EXTENDED*\n===" in text
    assert '- ITEM **B** [A LINK](http://x.y/z "t") HERE. SEE https://a.b/c?d=e. MAIL me@x.org!\n' in text
    assert "  GOES ON <b>BOLD</b> AND {name} OR %s, 50% DISCOUNT." in text
    assert "| LEFT \\| RIGHT | C |" in text and "| `x` | ONE. TWO. |" in text
    assert "![ALT TEXT](pic.png)" in text
    assert "Head word here" in model.calls[0][0], "marks around words are not shown to the model"


def test_front_matter_is_no_text_but_a_rule_is() -> None:
    shout = ScriptedTranslator(shouts)
    for end in ("\n", "\r\n"):
        front = f"---{end}title: Not this{end}---{end}"
        assert run(shout, f"{front}# Head{end}").text == f"{front}# HEAD{end}"
        assert (
            run(shout, f"---{end}Words{end}{end}---{end}", format="markdown").text == f"---{end}WORDS{end}{end}---{end}"
        )


def test_marks_follow_their_words() -> None:
    swapped = ScriptedTranslator(lambda s: "eins zwei drei")
    assert run(swapped, "one **two** three").text == "eins **zwei** drei"
    assert run(swapped, "**one [two](u)** three").text == "**eins [zwei](u)** drei"
    assert run(swapped, "**one two three**").text == "**eins zwei drei**"


def test_a_lost_placeholder_means_a_second_call_around_it() -> None:
    model = ScriptedTranslator(drops)
    assert run(model, "Please open my own {file} now").text == "PLEASE OPEN MY OWN {file} NOW"
    assert [call[0] for call in model.calls] == [["Please open my own {0} now"], ["Please open my own", "now"]]


def test_sentences_without_words_do_not_reach_the_model() -> None:
    model = ScriptedTranslator(shouts)
    result = run(model, "12:30\n`code only`\nTwo words.\nhttps://x.y", format="plain")
    assert result.text == "12:30\n`code only`\nTWO WORDS.\nhttps://x.y"
    assert [pair.kept for pair in result.sentences] == ["no_words", "no_words", "", "no_words"]
    assert sum(len(call[0]) for call in model.calls) == 1


def test_places_of_sentences() -> None:
    result = run(ScriptedTranslator(doubles), "> **One.** Two `x`.\n> Three.", format="markdown")
    for pair in result.sentences:
        assert "> **One.** Two `x`.\n> Three."[pair.start :].startswith(pair.source)
        assert result.text[pair.target_start :].startswith(pair.target)
    units = run(ScriptedTranslator(shouts), "", units=["", "one. two.", "  ", "x\n"])
    assert units.units == ("", "ONE. TWO.", "  ", "X\n") and units.text == "\nONE. TWO.\n  \nX\n"
    assert [(p.unit, p.start, p.target_start) for p in units.sentences] == [(1, 0, 0), (1, 5, 5), (3, 0, 0)]


@pytest.mark.parametrize(
    ("paragraph", "expected"),
    [
        ("Best regards,\nTom Baker", ["Best regards,", "Tom Baker"]),
        ("12 High Street\nLondon", ["12 High Street", "London"]),
        ("此致\n敬礼", ["此致", "敬礼"]),
        ("We saw a lot of\nold houses", ["We saw a lot of old houses"]),
        (
            "It is a line that is as long as they are\nTom says so",
            ["It is a line that is as long as they are Tom says so"],
        ),
        (
            "这一行写得满满的，差不多有二十个汉字那么长\n所以下一行",
            ["这一行写得满满的，差不多有二十个汉字那么长 所以下一行"],
        ),
    ],
)
def test_lines_that_end_early_stand_alone_in_markdown(paragraph: str, expected: list[str]) -> None:
    assert [sentence.text for sentence in lay_out((f"- item\n\n{paragraph}",), markdown=True).sentences] == [
        "item",
        *expected,
    ]


@pytest.mark.parametrize(
    ("text", "expected"), [("# x", True), ("a **b** c", True), ("- x", True), ("2 * 3 * 4", False),
                           ("one_two_three", False), ("```", True), ("see `x`", True), ("Plain. Text!", False)]
)  # fmt: skip
def test_what_looks_like_markdown(text: str, expected: bool) -> None:
    assert is_markdown(text) is expected


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("a `b``c` d", ["`b``c`"]),
        ("x <https://e.org> y", ["<https://e.org>"]),
        ("go (https://e.org/a_(b)).", ["https://e.org/a_(b)"]),
        ("a < b > c", []),
        ("2*3 and 4*5", ["*", "*"]),
        ("a ** b", []),
        ("snake_case_name", []),
        ("*a **b** c*", ["*", "**", "**", "*"]),
        ("%(n)s of %1$d is 5%, %%", ["%(n)s", "%1$d", "%%"]),
        ("{{ user.name }} ${x} {} { }", ["{{ user.name }}", "${x}", "{}"]),
        ("[a [b] c](d 'e') [x][y] [z]", ["[", "](d 'e')", "[", "][y]"]),
        ("&amp; &nothing", ["&amp;"]),
        ("访问https://e.org/a，谢谢", ["https://e.org/a"]),
        ("note[^1] <!-- c --> <br/>", ["[^1]", "<!-- c -->", "<br/>"]),
    ],
)
def test_marks(text: str, marks: list[str]) -> None:
    assert [text[mark.start : mark.end] for mark in find_marks(text, markdown=True)] == marks


PARTS = st.sampled_from(
    ["word ", "Two. ", "**", "*", "_", "`c`", "[", "](u)", "<b>", "</b>", "<i>", "{x}", "%s ", "https://e.org/x ", "\n",
     "\n\n", "> ", "- ", "# ", "| ", "|\n|---|\n", "```\n", "你好。", "a@b.co ", "\\", "!", "&amp;", "~~", " ", "{0}",
     "1. "]
)  # fmt: skip


def _blanks_as_one(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(PARTS, min_size=1, max_size=14).map("".join).filter(lambda t: bool(t.strip())),
    st.sampled_from([True, False]),
)
def test_whatever_the_text_identity_holds_and_marks_survive(text: str, markdown: bool) -> None:
    shape = "markdown" if markdown else "plain"
    assert run(ScriptedTranslator(keeps), text, format=shape).text == text
    for answer in (drops, doubles, mute):
        shown = run(ScriptedTranslator(answer), text, format=shape)
        for sentence in lay_out((text,), markdown).sentences:
            for mark in sentence.marks:
                # a line break inside a sentence may have become a blank
                assert _blanks_as_one(sentence.text[mark.start : mark.end]) in _blanks_as_one(shown.text)
        assert shown.text.count("{x}") == text.count("{x}") and shown.text.count("%s ") == text.count("%s ")


@pytest.mark.parametrize(
    "part", ["![a]", "[", "<b>", "**a ", "`a ``", "<!--", "a.", "%1", "_a*", "[a](", "{", "](", "a@a."]
)
def test_hostile_texts_take_no_time(part: str) -> None:
    import time

    started = time.monotonic()
    find_marks(part * (20_000 // len(part)), markdown=True)
    assert time.monotonic() - started < 3
