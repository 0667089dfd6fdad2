"""The same text written otherwise: what is changed, and what is said about it."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from llm_core.backends.base import Translates
from llm_core.errors import ModelUnavailableError
from llm_core.tasks.sentiment import TASK, SentimentRequest
from llm_core.tasks.stress import NAMES, StressResult, StressTask, other_forms
from llm_core.types import Progress
from tests.support.sessions import MemorySession, finish


class Shouter:
    """Finds whatever has a capital or the word not in it negative."""

    spec: Any = SimpleNamespace(id="shouter", labels=("positive", "negative"), languages=("en", "zh"), title="Shouter")

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def classify(self, texts: Sequence[str], cancel: Any) -> Any:
        self.calls.append(list(texts))
        bad = np.array([text != text.lower() or " not " in text for text in texts], dtype=np.float32)
        return np.stack([0.9 - 0.8 * bad, 0.1 + 0.8 * bad], axis=1)


class Mirror:
    """A translator that writes sentences backwards, word by word, in either direction."""

    low_log_probability = None
    dictionary = None

    def language_pairs(self) -> frozenset[tuple[str, str]]:
        return frozenset({("en", "zh"), ("zh", "en")})

    def translate(self, sentences: Sequence[str], source: str, target: str, cancel: Any, *, beam_size: int = 4) -> Any:
        return [sentence.upper() if target == "zh" else sentence.lower() + "~" for sentence in sentences]

    def hypotheses(self, *args: Any, **options: Any) -> Any:
        raise NotImplementedError


class LonelySession(MemorySession):
    def companion(self, task: str, capability: type[Any]) -> Any:
        raise ModelUnavailableError(task, "none is here")


def run(text: str, session: Any = None) -> StressResult:
    session = session or MemorySession(Shouter(), {"translate": Mirror()})
    result = finish(StressTask(TASK).run(session, SentimentRequest.parse({"text": text})))
    assert isinstance(result, StressResult)
    return result


def test_flips_are_counted_where_the_meaning_stays() -> None:
    result = run("the room is clean, and we were happy with it.")
    by_change = {outcome.change: outcome for outcome in result.outcomes}
    assert result.label == "positive" and result.score == pytest.approx(0.9)
    assert by_change["upper_case"].flipped and by_change["upper_case"].same_meaning
    assert by_change["negation"].flipped and not by_change["negation"].same_meaning
    assert not by_change["emoji"].flipped and by_change["paraphrase"].text.endswith("~")
    assert "lower_case" not in by_change and "names" not in by_change, "what changes nothing is left out"
    assert result.flips == (1, sum(outcome.same_meaning for outcome in result.outcomes))


def test_without_a_translator_there_is_no_paraphrase() -> None:
    result = run("it is good.", LonelySession(Shouter()))
    assert "paraphrase" not in {outcome.change for outcome in result.outcomes} and len(result.outcomes) >= 3


def test_forms_are_read_together_and_their_progress_is_told() -> None:
    model = Shouter()
    steps = StressTask(TASK).run(
        MemorySession(model, {"translate": Mirror()}), SentimentRequest.parse({"text": "it is good."})
    )
    told = [(step.done, step.total) for step in steps if isinstance(step, Progress)]
    first, *others = model.calls
    texts = [text for call in others for text in call]
    assert first == ["it is good."] and "IT IS GOOD." in texts and "it is not good." in texts
    assert len(others) == 2 and told == [(0, told[0][1]), (4, told[0][1])] and told[0][1] <= 8


@pytest.mark.parametrize(
    ("text", "change", "changed"),
    [
        ("They were helpful, and it is clean. It isn't old.", "negation",
         "They were not helpful, and it is not clean. It isn't old."),
        ("房间很干净，服务非常热情。", "negation", "房间不干净，服务不热情。"),
        ("Well - it's fine, \"really\"!", "no_punctuation", "Well - it's fine really"),
    ],
)  # fmt: skip
def test_changes(text: str, change: str, changed: str) -> None:
    assert other_forms(text)[change] == changed


def test_names_are_others_and_the_same_text_gives_the_same_forms() -> None:
    text = "Mary met Tom in Berlin."
    first, again = other_forms(text), other_forms(text)
    assert first == again and first["names"].endswith("in Berlin.")
    one, _, other, *_ = first["names"].split()
    assert one in NAMES and other in NAMES and (one, other) != ("Mary", "Tom")


def test_capabilities() -> None:
    assert isinstance(Mirror(), Translates)
