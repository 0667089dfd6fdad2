"""Numbers and names that are the same in both languages survive a model that loses them."""

from __future__ import annotations

import pytest

from llm_core.tasks.translate import TASK, TranslateRequest
from llm_core.tasks.translate.literals import literals
from tests.support.sessions import MemorySession, finish
from tests.support.translators import ScriptedTranslator


@pytest.mark.parametrize(
    ("text", "language", "found"),
    [
        ("TensorFlow 2.15 runs on Linux with GPUs.", "en", ["TensorFlow", "2.15", "GPUs"]),
        ("The word in capitals is HTTP, not Tom's.", "en", ["HTTP"]),
        ("Use str.format or os_name at 12:30.", "en", ["str.format", "os_name", "12:30"]),
        ("The handler is 0x0059A7ED.", "en", ["0x0059A7ED"]),
        ("Call ord('s') on each of the item(s).", "en", ["ord"]),
        ("He has 3 cats, 40 dogs and 1.5 million ants.", "en", ["40"]),
        ("在 Windows 10 上安装 Python。", "zh", ["Windows", "10", "Python"]),
        ("他有150万元和25本书。", "zh", ["25"]),
        ("他有 25 本书，共 150 万元。", "zh", ["25"]),
        ("{0} costs 1,200 euros", "en", ["1,200"]),
    ],
)
def test_literals(text: str, language: str, found: list[str]) -> None:
    occurrences = literals(text, language)
    assert [text[each.start : each.end] for each in occurrences] == found
    assert all(each.entry.term == each.entry.translation for each in occurrences)


def test_a_lost_number_is_put_where_the_model_looked() -> None:
    model = ScriptedTranslator(lambda s: "der Raum 13 ist frei")
    assert _text(model, "the room 1984 is free") == "der Raum 1984 ist frei"


def test_a_name_said_twice_makes_room_for_the_one_that_is_missing() -> None:
    model = ScriptedTranslator(lambda s: "json.dump und json.dump sind neu")
    assert _text(model, "json.dump and json.dumps are new") == "json.dump und json.dumps sind neu"


def test_a_name_keeps_its_capitals() -> None:
    model = ScriptedTranslator(lambda s: "der raum isNUMBER ist frei")
    assert _text(model, "the room isNumber is free") == "der raum isNumber ist frei"


def test_a_hypothesis_that_kept_the_number_is_preferred() -> None:
    model = ScriptedTranslator(lambda s: ["版本 3 可用", "版本 2.15 可用"])
    assert _text(model, "version 2.15 is there", "zh") == "版本 2.15 可用"


def test_what_the_visitor_wants_comes_first_and_literals_are_not_reported() -> None:
    model = ScriptedTranslator(lambda s: "der HTTP Server")
    request = TranslateRequest.parse({"text": "the HTTP server", "target": "de", "glossary": "HTTP => Netz"})
    sentence = finish(TASK.run(MemorySession(model), request)).sentences[0]
    assert sentence.target == "der Netz Server"
    assert [use.term for use in sentence.glossary] == ["HTTP"]
    plain = finish(TASK.run(MemorySession(model), TranslateRequest.parse({"text": "the HTTP server", "target": "de"})))
    assert plain.sentences[0].glossary == ()


def _text(model: ScriptedTranslator, text: str, target: str = "de") -> str:
    return str(finish(TASK.run(MemorySession(model), TranslateRequest.parse({"text": text, "target": target}))).text)
