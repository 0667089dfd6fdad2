"""Long sentences are cut at clauses, and put together again with what belongs to each."""

from __future__ import annotations

from typing import Any

import pytest

from llm_core.tasks.translate import TASK, TranslateRequest, TranslateResult
from llm_core.tasks.translate.clauses import clauses
from llm_core.tasks.translate.layout import Sentence
from llm_core.tasks.translate.marks import find_marks
from tests.support.sessions import MemorySession, finish
from tests.support.translators import ScriptedTranslator

CLAUSE = "the committee of the northern district has met once again in the old hall"
LONG = f"{CLAUSE}, {CLAUSE}; {CLAUSE}: {CLAUSE}."
CHINESE = "委员会今天上午在旧礼堂里再次开会讨论，" * 3 + "随后各方代表都同意在明年春天开始修建新的桥梁。"


def sentence(text: str, *, markdown: bool = False) -> Sentence:
    return Sentence(0, 0, len(text), text, text, tuple(find_marks(text, markdown=markdown)), "")


def translated(model: ScriptedTranslator, text: str, **fields: Any) -> TranslateResult:
    request = TranslateRequest.parse({"text": text, "source": "en", "target": "zh", **fields})
    result: TranslateResult = finish(TASK.run(MemorySession(model), request))
    return result


@pytest.mark.parametrize("text", [LONG, CHINESE])
def test_clauses_are_the_whole_sentence(text: str) -> None:
    found = clauses(sentence(text))
    assert len(found) == 4 and (found[0].start, found[-1].end) == (0, len(text))
    assert [each.end for each in found[:-1]] == [each.start for each in found[1:]]
    assert [text[each.start : each.end].rstrip() for each in found] == [each.text for each in found]


def test_short_sentences_and_short_clauses_stay_whole() -> None:
    assert clauses(sentence(f"{CLAUSE}, {CLAUSE}.")) == []
    assert clauses(sentence("one, two, three, " * 20)) != []
    assert all(len(each.text) >= 69 for each in clauses(sentence("one, two, three, " * 20)))
    assert clauses(sentence(" ".join([CLAUSE] * 5))) == [], "nothing to cut at"
    assert clauses(sentence(f"{CLAUSE} 1,000,000 {CLAUSE} 12:30 {CLAUSE} {CLAUSE}")) == [], "within numbers"


def test_marks_stay_whole_and_keep_their_partners() -> None:
    text = f"{CLAUSE}, **{CLAUSE}, {CLAUSE}**, `a, b` and {CLAUSE}"
    first, second, third = clauses(sentence(text, markdown=True))
    assert (first.text, third.text) == (f"{CLAUSE},", f"`a, b` and {CLAUSE}")
    opening, closing = second.marks
    assert (second.text[opening.start : opening.end], second.text[closing.start : closing.end]) == ("**", "**")
    assert opening.partner is closing and closing.partner is opening
    (code,) = third.marks
    assert third.text[code.start : code.end] == "`a, b`"


def scripted(text: str) -> str:
    if len(text) > 200:
        return "句子太长"
    return {",": "委员会又开会了。", ";": "他们又见面了，", ":": "结果如下：", ".": "好。"}[text[-1]]


def test_a_long_sentence_that_the_model_is_unsure_of_is_translated_in_clauses() -> None:
    (pair,) = translated(ScriptedTranslator(scripted, low=-0.5), LONG).sentences
    assert (pair.source, pair.target) == (LONG, "委员会又开会了，他们又见面了；结果如下：好。")
    assert pair.low_confidence and pair.log_probability == -1.0
    (sure,) = translated(ScriptedTranslator(scripted, low=-1.5), LONG).sentences
    assert sure.target == "句子太长", "who is sure is asked once"


def test_the_sentence_as_a_whole_is_the_first_alternative() -> None:
    model = ScriptedTranslator(lambda text: [scripted(text), "二", "三"], low=-0.5)
    (pair,) = translated(model, LONG, alternatives=2).sentences
    assert [each.text for each in pair.alternatives] == ["句子太长", "二"]


def test_a_clause_without_words_stays_as_it_is() -> None:
    codes = ", ".join(f"`name_{number}`" for number in range(8))
    model = ScriptedTranslator(lambda text: "好，" if text.endswith(",") else "没有了。", low=-0.5)
    (pair,) = translated(model, f"{CLAUSE}, {CLAUSE}, {codes}").sentences
    assert pair.target == f"好，好，{codes}"


def test_words_are_aligned_with_those_of_their_clause() -> None:
    model = ScriptedTranslator(lambda text: "The " + text[4:], low=-0.5)
    source = LONG.replace("the", "The", 1)
    (pair,) = translated(model, source, source="en", target="de", alignment=True).sentences
    assert pair.target == source and pair.alignment is not None
    aligned = pair.alignment
    assert [source[a:b] for a, b in aligned.source][:3] == ["The", "committee", "of"]
    assert all(pair.target[a:b].strip() == pair.target[a:b] for a, b in aligned.target)
    assert [len(row) for row in aligned.weights] == [len(aligned.source)] * len(aligned.target)
    for first, second in aligned.links:
        assert source[: aligned.source[first][0]].count("committee") == pair.target[: aligned.target[second][0]].count(
            "committee"
        ), "of the same clause"
