"""Glossary, alternatives, scores, alignment, languages, scripts and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_core.backends.base import Attention, Hypothesis
from llm_core.backends.echo import EchoBackend
from llm_core.backends.pieces import piece_spans
from llm_core.data.dictionary import FILE, Dictionary, write_dictionary
from llm_core.errors import InputError
from llm_core.tasks.translate import TASK, TranslateRequest, TranslateResult
from llm_core.tasks.translate.alignment import projected, word_links
from llm_core.tasks.translate.glossary import Entry, Glossary, parse_glossary
from llm_core.tasks.translate.languages import is_traditional, main_language, simplify, to_traditional
from llm_core.types import ModelFiles
from tests.support.echo import echo_spec
from tests.support.sessions import MemorySession, finish
from tests.support.translators import ScriptedTranslator


def run(model: Any, text: str, companions: Any = None, **fields: Any) -> TranslateResult:
    request = TranslateRequest.parse({"text": text, "target": "zh", **fields})
    result: TranslateResult = finish(TASK.run(MemorySession(model, companions), request))
    return result


def test_a_hypothesis_that_has_the_term_is_preferred() -> None:
    model = ScriptedTranslator(lambda s: ["他买了模型。", "他买了模特。", "无"])
    result = run(model, "He bought the model.", glossary="model\t模特\n\nunused => 没有\n")
    assert result.text == "他买了模特。"
    assert [use.model_dump() for use in result.sentences[0].glossary] == [
        {"term": "model", "translation": "模特", "applied": True}
    ]
    assert result.sentences[0].log_probability == -2.0
    assert run(model, "He bought the models.", glossary="model\t模特").sentences[0].glossary == ()


@pytest.fixture
def dictionary(tmp_path: Path) -> Dictionary:
    rows = [
        {"zh": "你好", "en": ["hello"]},
        {"zh": "您好", "en": ["hello (polite)"]},
        {"zh": "發展", "en": ["to grow"]},
    ]
    write_dictionary(rows, {"你好": 2, "您好": 1}, 9, tmp_path / FILE)
    return Dictionary(tmp_path / FILE)


def test_what_the_dictionary_has_comes_first(dictionary: Dictionary) -> None:
    model = ScriptedTranslator(lambda s: ["好", "咱", "嗨"], low=-0.5, dictionary=dictionary)
    (pair,) = run(model, "Hello!", alternatives=2).sentences
    assert (pair.target, pair.in_dictionary, pair.low_confidence, pair.log_probability) == ("你好！", True, False, 0)
    assert [other.text for other in pair.alternatives] == ["您好！", "好"]
    assert run(model, "hello", target="zh-Hant").text == "你好"


def test_what_the_model_and_the_dictionary_say_comes_before(dictionary: Dictionary) -> None:
    model = ScriptedTranslator(lambda s: ["好", "您好。", "嗨"], dictionary=dictionary)
    (pair,) = run(model, "hello", alternatives=2).sentences
    assert (pair.target, pair.in_dictionary, pair.log_probability) == ("您好。", True, -2)
    assert [other.text for other in pair.alternatives] == ["你好", "好"]


def test_sentences_and_what_the_glossary_has_are_not_looked_up(dictionary: Dictionary) -> None:
    model = ScriptedTranslator(lambda s: "好", low=-0.5, dictionary=dictionary)
    result = run(model, "Hello there. Hello", glossary="Hello\t嗨")
    assert [(pair.target, pair.in_dictionary) for pair in result.sentences] == [("嗨", False), ("嗨", False)]
    (pair,) = run(model, "Hello there.").sentences
    assert (pair.target, pair.in_dictionary, pair.low_confidence) == ("好", False, True)


def test_else_the_aligned_words_are_replaced() -> None:
    model = ScriptedTranslator(lambda s: "der rote Wagen hält")
    result = run(model, "the red car stops", target="de", glossary="car → Auto\nstops → steht", alignment=True)
    assert result.text == "der rote Auto steht"
    alignment = result.sentences[0].alignment
    assert alignment is not None and [result.text[a:b] for a, b in alignment.target] == ["der", "rote", "Auto", "steht"]
    both = run(model, "the **red car** stops", target="de", glossary="red car ⇥ Flitzer\ncar ⇥ Auto")
    assert both.text == "der **Flitzer** hält", "the longest term counts"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("PLEASE CLOSE THE DOOR WHEN I LEAVE.", "Please close the door when I leave."),
        ("  — ROOM 204 IS CLOSED", "— Room 204 is closed"),
        ("NASA", "NASA"),
        ("USB OR GPS", "USB OR GPS"),
        ("CLOSE THE Door", "CLOSE THE Door"),
        ("İZMİR VE İSTANBUL", "İZMİR VE İSTANBUL"),
    ],
)
def test_capitals_are_read_as_a_sentence_and_shown_as_they_stood(text: str, read: str) -> None:
    model = ScriptedTranslator(lambda s: "好")
    result = run(model, text, source="en", alignment=True)
    assert model.calls == [([read], "en", "zh")]
    assert result.sentences[0].source == text.strip()


class ByCase(ScriptedTranslator):
    """Finds words in small letters likelier than names, but for one name."""

    def _hypotheses(self, sentence: str, count: int, attention: bool) -> list[Hypothesis]:
        known = sentence.islower() != (sentence.lower() == "tom")
        return [Hypothesis(f"<{sentence}>", -0.5 if known else -1.5) for _ in range(count)]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Refund", "refund"),
        ("Refund:", "refund:"),
        ("Tom", "Tom"),
        ("NASA", "NASA"),
        ("My refund", "my refund"),
        ("My refund.", "My refund."),
    ],
)
def test_a_title_begins_with_a_name_or_with_a_word_whichever_is_likelier(text: str, read: str) -> None:
    model = ByCase(lambda s: "")
    [pair] = run(model, text, source="en", alternatives=1).sentences
    assert pair.source == text and pair.target == f"<{read}>"
    assert len(model.calls) == 1


@pytest.mark.parametrize("text", ["以下代码检查 GPU 和 DLL。", "盖板为PC材质，请勿通入溶剂。"])
def test_abbreviations_in_chinese_stay_in_capitals(text: str) -> None:
    model = ScriptedTranslator(lambda s: "The code checks the GPU, the DLL and the PC.")
    run(model, text, source="zh", target="en")
    assert model.calls == [([text], "zh", "en")]


def test_terms_are_found_in_capitals() -> None:
    model = ScriptedTranslator(lambda s: "关门")
    for term in ("door", "DOOR"):
        [use] = run(model, "CLOSE THE DOOR NOW", source="en", glossary=f"{term}\t门").sentences[0].glossary
        assert use.applied


def test_what_cannot_be_respected_is_said() -> None:
    class Blind(ScriptedTranslator):
        def _hypotheses(self, sentence: str, count: int, attention: bool) -> list[Hypothesis]:
            return super()._hypotheses(sentence, count, False)

    result = run(Blind(lambda s: "der Wagen"), "the car", target="de", glossary="car\tAuto")
    assert result.text == "der Wagen" and not result.sentences[0].glossary[0].applied
    safe = run(ScriptedTranslator(lambda s: "{0} car"), "the `x`", target="de", glossary="the\tdas")
    assert safe.text == "`x` car" and not safe.sentences[0].glossary[0].applied, "a placeholder is no word"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a\tb\nno separator", "line 2 must be a term, a tab"),
        ("\tb", "line 1 must be a term"),
        ("a\t", "line 1 must be a term"),
        ("a\tb\tc", "line 1 must be a term"),
        ("a\tb\n\na\tc", "line 3 repeats the term 'a'"),
        ("x" * 101 + "\tb", "line 1 must have at most 100 characters"),
        ("".join(f"t{n}\tx\n" for n in range(501)), "must have at most 500 entries"),
        ("a\x00\tb", "must not contain NUL"),
    ],
)
def test_bad_glossaries_name_the_line(text: str, rule: str) -> None:
    with pytest.raises(InputError, match=f"^glossary: {rule}"):
        TranslateRequest.parse({"text": "x", "target": "zh", "glossary": text})


def test_terms_are_whole_words_of_any_case_unless_they_have_capitals() -> None:
    glossary = Glossary(parse_glossary("ai => 1\nUS => 2\n模型 => 3\nbig model => 4\nmodel => 5\nC++ => 6"))
    text = "AI said: the us and US like 大模型吗, a Big model, remodel, C++!"
    assert [(text[o.start : o.end], o.entry.translation) for o in glossary.occurrences(text)] == [
        ("AI", "1"), ("US", "2"), ("模型", "3"), ("Big model", "4"), ("C++", "6"),
    ]  # fmt: skip
    assert Glossary(()).occurrences("x") == [] and Entry("a", "b").term == "a"


def test_alternatives_come_with_probabilities_and_marks() -> None:
    model = ScriptedTranslator(lambda s: ["{0} eins", "zwei {0}", "drei ohne", "{0} eins", "vier {0}"])
    (pair,) = run(model, "see `x`", target="de", alternatives=4).sentences
    assert (pair.target, pair.log_probability) == ("`x` eins", -1.0)
    assert [(a.text, a.log_probability) for a in pair.alternatives] == [("zwei `x`", -2.0), ("vier `x`", -5.0)]
    assert run(model, "see `x`", target="de").sentences[0].alternatives == ()


def test_low_confidence_needs_a_threshold() -> None:
    def confidence(low: float | None) -> bool:
        return run(ScriptedTranslator(lambda s: "x", low), "Hello").sentences[0].low_confidence

    assert (confidence(None), confidence(-1.5), confidence(-0.5)) == (False, False, True)
    piecewise = run(ScriptedTranslator(lambda s: "lost", -0.5), "Hello `x` there").sentences[0]
    assert piecewise.low_confidence and piecewise.log_probability == -1.0


def test_alignment_speaks_of_what_is_shown() -> None:
    model = ScriptedTranslator(lambda s: "eins {0} drei")
    result = run(model, "- **one** `code` three", target="de", alignment=True)
    (pair,) = result.sentences
    assert pair.alignment is not None and result.text == "- **eins** `code` drei"
    assert [pair.source[a:b] for a, b in pair.alignment.source] == ["one", "`code`", "three"]
    assert [pair.target[a:b] for a, b in pair.alignment.target] == ["eins", "`code`", "drei"]
    assert pair.alignment.links == ((0, 0), (1, 1), (2, 2)) and pair.alignment.weights[0] == (1.0, 0.0, 0.0)


def test_pieces_become_words() -> None:
    source, target = "unhappy cats!", "不高兴的猫"
    attention = Attention(
        np.array([[0.3, 0.5, 0.1, 0.0, 0.1], [0.0, 0.1, 0.6, 0.3, 0.0]], dtype=np.float32),
        piece_spans(source, ["▁un", "happy", "▁cats", "!", ""]),
        piece_spans(target, ["不高兴", "的猫"]),
    )
    links = word_links(source, target, attention)
    assert [source[a:b] for a, b in links.source] == ["unhappy", "cats", "!"]
    assert [links.best(0), links.best(1)] == [0, 1] and links.weights[0, 0] == pytest.approx(0.8)
    hypothesis = Hypothesis(target, -1.0, attention)
    assert projected((0, 7), len(source), hypothesis) == (0, 3)
    assert projected((12, 13), len(source), hypothesis) is None, "nothing looks at the exclamation mark"
    assert projected((0, 3), 13, Hypothesis(target, -1.0)) is None


@pytest.mark.parametrize(
    ("text", "pieces", "said"),
    [
        ("Ｈello，世界", ["▁Hello", ",", "世", "界"], ["Ｈello", "，", "世", "界"]),
        ("a 𠮷b", ["▁a", "▁", "<0xF0>", "<0xA0>", "<0xAE>", "<0xB7>", "b"], ["a", "", " ", " ", " ", " ", "b"]),
        ("x", ["▁nowhere", "x", ""], ["", "x", ""]),
        ("①2", ["12"], ["①2"]),
    ],
)
def test_places_of_pieces(text: str, pieces: list[str], said: list[str]) -> None:
    spans = piece_spans(text, pieces)
    if "<0xF0>" in pieces:
        assert len(set(spans[2:6])) == 1 and text[slice(*spans[-1])] == "b"
    else:
        assert [text[a:b] for a, b in spans] == said


@given(st.text(max_size=30), st.lists(st.text(max_size=4), max_size=8))
def test_places_of_any_pieces_are_in_the_text(text: str, pieces: list[str]) -> None:
    spans = piece_spans(text, [*pieces, "<0x41>", "<0xE4>"])
    assert all(0 <= a <= b <= len(text) for a, b in spans)


def test_mixed_text_keeps_what_is_in_the_target_language() -> None:
    model = ScriptedTranslator(lambda s: "译")
    result = run(model, "Good morning. 早上好。 Привет.\n12:30")
    assert (result.text, result.source, result.kept_sentences) == ("译早上好。译\n12:30", "en", 1)
    assert [(p.language, p.kept) for p in result.sentences] == [
        ("en", ""), ("zh", "target_language"), ("ru", ""), ("", "no_words"),
    ]  # fmt: skip
    assert [call[1] for call in model.calls] == ["en", "ru"]
    chosen = run(ScriptedTranslator(lambda s: "译"), "Привет. Hello.", source="en")
    assert [p.language for p in chosen.sentences] == ["en", "en"], "a chosen language is not doubted"


def test_the_main_language_is_what_needs_translation() -> None:
    assert main_language(["Long English sentence.", "短句"], "en") == "zh"
    assert main_language(["English."], "en") == "en" and main_language(["12"], "en") == ""
    assert main_language(["漢語很難學"], "en") == "zh-Hant"
    with pytest.raises(InputError, match="target: must be another language than the text's, which is Chinese"):
        from llm_core.catalog import Catalog

        TASK.candidates(Catalog({}), TranslateRequest.parse({"text": "汉语", "target": "zh-Hant"}))


def test_traditional_chinese_goes_in_and_out() -> None:
    model = ScriptedTranslator(lambda s: "这个软件")
    result = run(model, "漢字與 `軟體` 很難", target="en", source="zh-Hant")
    assert model.calls[0][0] == ["汉字与 {0} 很难"] and result.source == "zh-Hant" and "`軟體`" in result.text
    assert run(model, "漢字很難", target="en").source == "zh-Hant"
    shown = run(model, "This software. 简体 `简体`。", target="zh-Hant", alignment=True)
    assert shown.text == "這個軟件簡體 `简体`。" and shown.sentences[0].alignment is not None
    assert is_traditional("漢語") and not is_traditional("汉语") and not is_traditional("人山")
    assert simplify(to_traditional("头发和发现")) == "头发和发现"
    with pytest.raises(
        InputError, match="target: must be an ISO 639-1 code such as en or zh, or zh-Hant; 'zh-TW' is none"
    ):
        TranslateRequest.parse({"text": "x", "target": "zh-TW"})


def test_glossaries_may_be_in_traditional_characters() -> None:
    model = ScriptedTranslator(lambda s: ["这个模特", "这个软件"])
    result = run(model, "This software.", target="zh-Hant", glossary="software\t軟件")
    assert result.text == "這個軟件" and result.sentences[0].glossary[0].applied
    result = run(ScriptedTranslator(lambda s: "soft ware"), "軟 體", target="en", glossary="軟\tgentle")
    assert result.text == "gentle ware"


def test_back_translation_compares() -> None:
    model = ScriptedTranslator(lambda s: {"Good morning.": "早上好。", "早上好。": "Good day."}.get(s, s))
    result = run(model, "Good morning. 你好。", back_translation=True)
    back = result.back_translation
    assert back is not None and back.sentences == ("Good day.", "你好。") and back.model == "scripted"
    assert 0 < back.chrf < 100 and back.sentence_chrf == (back.chrf, None)
    assert result.record()["back_translation"]["chrf"] == back.chrf
    one_way = ScriptedTranslator(lambda s: "早", pairs=(("en", "zh"),))
    with pytest.raises(InputError, match="back_translation: needs a model that translates from Chinese into English"):
        run(one_way, "Hi", {"translate": one_way}, back_translation=True)
    assert run(one_way, "Hi", {"translate": model}, back_translation=True).back_translation is not None


def test_records_have_what_was_asked_for() -> None:
    spec = echo_spec("e", head="seq2seq", tasks=("translate",), language_pairs=(("en", "de"),))
    echo = EchoBackend().open(spec, ModelFiles(None))  # type: ignore[arg-type]
    assert run(echo, "one two", target="de").record() == {"text": "two one"}
    assert run(echo, "", target="de", units=["one two", "x"]).record() == {
        "text": "two one\nx",
        "units": ["two one", "x"],
    }
    detailed = run(echo, "one two", target="de", alternatives=1, alignment=True).record()
    assert set(detailed) == {"text", "source", "target", "sentences", "back_translation"}
    assert detailed["sentences"][0]["alternatives"] == [{"text": ".two one", "log_probability": -1.0}]
    assert detailed["sentences"][0]["alignment"]["links"] == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"text": " "}, "text: must not be empty"),
        ({}, "text: must not be empty"),
        ({"text": "a", "units": ["b"]}, "text: must be empty where units are given"),
        ({"units": [" ", ""]}, "units: must not be empty"),
        ({"units": ["x" * 200_001] * 2}, "units: must have at most 400,000 characters together"),
        ({"text": "a", "alternatives": 5}, "alternatives: must be at most 4"),
        ({"text": "a", "format": "html"}, "format: "),
        ({"text": "a", "target": "auto"}, "target: must be a language"),
    ],
)
def test_bad_requests(fields: dict[str, Any], rule: str) -> None:
    with pytest.raises(InputError, match=f"^{rule}"):
        TranslateRequest.parse({"target": "zh", **fields})
