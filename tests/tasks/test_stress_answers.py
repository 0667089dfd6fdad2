"""The same request written otherwise, for names, answers and translations: what counts as another answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from llm_core.backends.base import NamedSpan, Span
from llm_core.errors import InputError, ModelUnavailableError
from llm_core.session import Task
from llm_core.tasks.answer import TASK as ANSWER
from llm_core.tasks.entities import TASK as ENTITIES
from llm_core.tasks.entities import Entity
from llm_core.tasks.stress import MAX_ALIGNED_CHARS, StressResult, StressTask
from llm_core.tasks.stress.alignment import Alignment
from llm_core.tasks.stress.forms import renamed
from llm_core.tasks.translate import TASK as TRANSLATE
from tests.support.sessions import MemorySession, finish
from tests.support.translators import ScriptedTranslator

SPEC: Any = SimpleNamespace(id="fake", languages=("en", "zh"), title="Fake", language_pairs=(("en", "zh"),), labels=())


class Capitals:
    """Tags runs of words that begin with a capital as persons."""

    spec = SPEC

    def tag(self, texts: Sequence[str], cancel: Any) -> list[list[NamedSpan]]:
        runs = (re.finditer(r"[A-Z]\w*(?: [A-Z]\w*)*", text) for text in texts)
        return [[NamedSpan("PER", found.start(), found.end(), 0.9) for found in own] for own in runs]


class Finder:
    """Answers with the number of the text when the question ends with a mark, and with its first word otherwise."""

    spec = SPEC

    def extract(self, questions: Sequence[str], contexts: Sequence[str], cancel: Any) -> list[Span]:
        found = []
        for question, context in zip(questions, contexts, strict=True):
            place = re.search(r"\d+", context) if question.endswith("?") else re.search(r"\w+", context)
            assert place is not None
            found.append(Span(place.start(), place.end(), 5.0, 1.0))
        return found

    def answer_probability(self, span: Span) -> float:
        return 0.8


class Alone(MemorySession):
    def companion(self, task: str, capability: type[Any]) -> Any:
        raise ModelUnavailableError(task, "none is here")


def tried(task: Task[Any, Any], model: Any, **fields: Any) -> StressResult:
    result = finish(StressTask(task).run(Alone(model), task.request_type.parse(fields)))  # type: ignore[arg-type]
    assert isinstance(result, StressResult)
    return result


def test_names_are_found_again_where_they_are_in_the_other_form() -> None:
    result = tried(ENTITIES, Capitals(), text="today Ann Smith, an engineer, met Bob.")
    by_change = {outcome.change: outcome for outcome in result.outcomes}
    assert result.label == "2/2"
    assert not by_change["names"].flipped and "Olga Petrova" in by_change["names"].text
    assert by_change["names"].text.endswith("met Kwame Mensah.")
    assert not by_change["no_punctuation"].flipped
    small = by_change["lower_case"]
    assert (small.label, small.score, small.lost, small.new) == ("0/2", 0.0, ("Ann Smith (PER)", "Bob (PER)"), ())
    loud = by_change["upper_case"]
    assert loud.flipped and len(loud.new) > 1 and loud.label == "0/2"
    assert not {"negation", "paraphrase"} & set(by_change)
    assert result.flips == (sum(outcome.flipped for outcome in result.outcomes), len(result.outcomes))


def test_the_same_name_gets_the_same_other_one_and_organisations_stay() -> None:
    text = "Ann saw Ann in Rome with ACME."
    kinds = {"Ann": "PER", "Rome": "LOC", "ACME": "ORG"}
    places = re.finditer("Ann|Rome|ACME", text)
    entities = [
        Entity(text=each[0], label=kinds[each[0]], start=each.start(), end=each.end(), score=1.0) for each in places
    ]
    assert renamed(text, entities) == "Olga Petrova saw Olga Petrova in Nairobi with ACME."


def test_the_answer_stays_where_its_place_does() -> None:
    result = tried(ANSWER, Finder(), question="When was it?", context="It was in 1937, they say.")
    by_form = {(outcome.field, outcome.change): outcome for outcome in result.outcomes}
    assert result.label == "1937"
    assert by_form["question", "no_punctuation"].flipped and by_form["question", "no_punctuation"].label == "It"
    assert not by_form["question", "upper_case"].flipped and not by_form["context", "upper_case"].flipped
    assert by_form["question", "emoji"].flipped, "the question no longer ends with its mark"
    assert all(outcome.same_meaning for outcome in result.outcomes)


def test_a_long_text_is_left_as_it_is() -> None:
    long = "It was in 1937, they say. " * 90
    result = tried(ANSWER, Finder(), question="When was it?", context=long)
    assert len(long) > MAX_ALIGNED_CHARS
    assert {outcome.field for outcome in result.outcomes} == {"question"}


def test_translations_are_compared_by_their_letters() -> None:
    model = ScriptedTranslator(lambda sentence: sentence if sentence[0].isupper() else "什么？")
    result = tried(TRANSLATE, model, text="Good morning, my friend.", source="en", target="zh")
    by_change = {outcome.change: outcome for outcome in result.outcomes}
    assert by_change["emoji"].score > 0.5 and not by_change["emoji"].flipped
    assert by_change["lower_case"].score < 0.5 and by_change["lower_case"].flipped
    assert by_change["upper_case"].score == 1.0, "capitals are read as a sentence"
    assert all(0 <= outcome.score <= 1 for outcome in result.outcomes)


def test_markdown_keeps_its_marks() -> None:
    result = tried(TRANSLATE, ScriptedTranslator(str), text="# Title\n\n- Open *it*.", source="en", target="zh")
    assert "no_punctuation" not in {outcome.change for outcome in result.outcomes}


@pytest.mark.parametrize(("task", "model"), [(ENTITIES, Capitals()), (TRANSLATE, ScriptedTranslator(str))])
def test_what_is_too_long_is_refused_in_words(task: Task[Any, Any], model: Any) -> None:
    fields = {"target": "zh", "source": "en"} if task is TRANSLATE else {}
    with pytest.raises(InputError, match="at most 2,000 characters to be tried"):
        tried(task, model, text="Good morning. " * 200, **fields)


@pytest.mark.parametrize(
    ("text", "form", "name", "found"),
    [
        ("We met Ann Lee there.", "We mett Ann Lee tehre.", "Ann Lee", "Ann Lee"),
        ("We met Ann Lee there.", "We met Bo there.", "Ann Lee", "Bo"),
        ("We met Ann Lee there.", "We there.", "Ann Lee", ""),
        ("昨天王芳去了北京。", "昨天天王芳去北京。", "北京", "北京"),
    ],
)
def test_alignment(text: str, form: str, name: str, found: str) -> None:
    words = Alignment(text, form)
    place = words.found(words.here(text.index(name), text.index(name) + len(name)))
    expected = words.there(form.index(found), form.index(found) + len(found)) if found else (0, 0)
    assert place == expected
