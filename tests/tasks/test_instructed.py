"""Tasks that a generating model is told to do in words: what it is asked, and what is read of what it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from llm_core.backends.base import Generates
from llm_core.catalog import Catalog
from llm_core.errors import InputError
from llm_core.session import Steps
from llm_core.tasks import find_task
from llm_core.tasks.instructed import InstructedResult, InstructedTask, instructed_specs
from llm_core.types import CancelToken, Sampling, Token
from tests.support.echo import echo_encoder, echo_spec

ENGLISH = echo_spec("english", languages=("en", "code"))


class Scripted:
    """A session on a model that says what a test chooses."""

    def __init__(self, answer: str, backend: str = "echo") -> None:
        hub = {"repo": "org/name", "revision": "main"}
        self.spec = echo_spec("told", backend=backend, hub=hub, languages=("en", "zh"))
        self.cancel = CancelToken()
        self.answer, self.prompts, self.samplings = answer, [], []  # type: ignore[var-annotated]
        self.context_length = 1000

    def open(self, capability: Any, model_id: str | None = None) -> Any:
        assert capability is Generates
        return self

    def generate(self, prompt: str, sampling: Sampling, cancel: CancelToken) -> Iterator[Token]:
        self.prompts.append(str(prompt))
        self.samplings.append(sampling)
        yield from map(Token, self.answer)


def result_of(steps: Steps[InstructedResult]) -> InstructedResult:
    try:
        while True:
            next(steps)
    except StopIteration as stop:
        result: InstructedResult = stop.value
        return result


def told(name: str, session: Scripted, **fields: Any) -> InstructedResult:
    task = InstructedTask(find_task(name))
    return result_of(task.run(session, task.request_type.parse(fields)))  # type: ignore[arg-type]


def test_the_model_may_only_name_one_of_the_labels() -> None:
    session = Scripted('say "no"', backend="llama_cpp")
    found = told("classify", session, text="Never!", labels=["yes", 'say "no"'])
    assert found.label == 'say "no"'
    assert session.samplings[0].grammar == r'root ::= "yes" | "say \"no\""' and session.samplings[0].temperature == 0
    assert "Never!" in session.prompts[0] and "yes" in session.prompts[0]


def test_a_model_that_cannot_be_held_is_read_as_it_speaks() -> None:
    session = Scripted("I think it is Very Positive, not negative.")
    found = told("classify", session, text="a", labels=["positive", "very positive"])
    assert found.label == "very positive" and session.samplings[0].grammar is None
    assert told("sentiment", Scripted("no idea"), text="a").label is None


def test_examples_are_told_with_their_labels() -> None:
    session = Scripted("b")
    found = told("classify", session, text="three", examples=[["one", "a"], ["two", "b"]])
    assert found.label == "b" and "Text: two\nLabel: b" in session.prompts[0]


def test_names_are_looked_for_in_the_text() -> None:
    text = "Ada Byron met Ada in New York, not in York."
    said = '{"persons": ["Ada", "Ada Byron", "Bob"], "organisations": [], "places": ["York", "New York"]}'
    found = told("entities", Scripted(said), text=text)
    assert [(text[s.start : s.end], s.label) for s in found.stretches] == [
        ("Ada Byron", "PER"), ("Ada", "PER"), ("New York", "LOC"), ("York", "LOC"),
    ]  # fmt: skip
    assert found.not_in_text == ("Bob",)
    assert told("entities", Scripted("I see no JSON {"), text=text).stretches == ()


def test_an_answer_is_found_in_the_passage_or_nowhere() -> None:
    context = "The bridge opened in May 1937."
    [place] = told("answer", Scripted('"may 1937".'), question="When?", context=context).stretches
    assert context[place.start : place.end] == "May 1937"
    assert told("answer", Scripted("Not in the text."), question="Who?", context=context).stretches == ()


def test_only_models_that_write_other_languages_are_told_to_translate() -> None:
    catalog = Catalog({spec.id: spec for spec in (ENGLISH, echo_spec("both"), echo_encoder())})
    assert [spec.id for spec in instructed_specs(catalog, "translate")] == ["both"]
    assert [spec.id for spec in instructed_specs(catalog, "sentiment")] == ["english", "both"]
    assert instructed_specs(catalog, "generate") == ()


def test_a_language_that_no_such_model_reads_is_refused() -> None:
    task = InstructedTask(find_task("sentiment"))
    request = task.request_type.parse({"text": "这家餐厅的服务太好了"})
    with pytest.raises(InputError, match="text"):
        task.candidates(Catalog({"english": ENGLISH}), request)
