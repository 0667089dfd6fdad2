"""How much an answer hangs on how a text is written: the same question on the same text, written otherwise.

Works for the tasks that give one label for a `text`. Slips, letters, punctuation, emoji, other names and a paraphrase
(the translation into another language and back) keep what the text says, so that another label is a weakness of the
model. A negation changes it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from llm_core.backends.base import Translates
from llm_core.catalog import Catalog, ModelSpec
from llm_core.errors import BackendError, ModelUnavailableError
from llm_core.evaluation.robustness import CHANGES
from llm_core.session import Session, Steps
from llm_core.tasks.base import Result
from llm_core.tasks.language import is_chinese
from llm_core.tasks.sentences import split_sentences

TYPING_ROUNDS = 3
MAX_PARAPHRASED_CHARS = 1200
NAMES = ("Mary", "Ahmed", "Wei", "Olga", "Diego", "Aisha", "John", "Priya", "Emma", "Kwame")
_NAME = re.compile(rf"\b(?:{'|'.join((*NAMES, 'Anna', 'Peter', 'Paul', 'Sarah', 'Tom', 'Maria', 'David', 'Lisa'))})\b")
_PUNCTUATION = re.compile(r"[^\w\s'’-]")
_VERB = re.compile(r"\b(is|are|was|were|would|will|can|could|should|has|have|did|does|do)\b(?! not\b|n['’]t\b)", re.I)
_ZH_NEGATED = re.compile(r"(很|非常|特别|真|太|十分)")


class Outcome(BaseModel):
    """The answer to the text in another form."""

    model_config = ConfigDict(frozen=True)

    change: str
    """What was done: a key of `robustness.CHANGES`, ``no_punctuation``, ``names``, ``paraphrase`` or ``negation``."""
    text: str
    label: str
    score: float
    """Probability of the label."""
    flipped: bool
    """Whether the label is another than that of the text as written."""
    same_meaning: bool


class StressResult(Result):
    """The answer to a text, and to its other forms."""

    record_fields: ClassVar[tuple[str, ...]] = ("label", "score", "outcomes")

    label: str
    score: float
    outcomes: tuple[Outcome, ...]

    @property
    def flips(self) -> tuple[int, int]:
        """Outcomes of the same meaning with another label, and how many have the same meaning."""
        same = [outcome for outcome in self.outcomes if outcome.same_meaning]
        return sum(outcome.flipped for outcome in same), len(same)


class LabelsTexts(Protocol):
    """A task that gives each text a label; see `session.Task`."""

    name: str
    request_type: type[Any]

    def candidates(self, catalog: Catalog, request: Any) -> tuple[ModelSpec, ...]:
        """See `session.Task`."""
        ...

    def run_many(self, session: Session, requests: Sequence[Any]) -> list[Any]:
        """Results with ``label`` and ``scores``."""
        ...


class StressTask:
    """A labelling task on a text and its other forms; see `session.Task`."""

    def __init__(self, task: LabelsTexts) -> None:
        self.task, self.name, self.request_type = task, task.name, task.request_type

    def candidates(self, catalog: Catalog, request: Any) -> tuple[ModelSpec, ...]:
        """The task's own."""
        return self.task.candidates(catalog, request)

    def run(self, session: Session, request: Any) -> Steps[StressResult]:
        """See `session.Task.run`."""
        yield from ()
        forms = {**other_forms(request.text), **_paraphrased(session, request.text)}
        asked = [(name.partition(" ")[0], text) for name, text in forms.items() if text.strip() != request.text.strip()]
        requests = [request.model_copy(update={"text": text}) for _, text in asked]
        first, *others = self.task.run_many(session, [request, *requests])
        return StressResult(
            label=first.label,
            score=first.scores[first.label],
            outcomes=tuple(
                Outcome(
                    change=change,
                    text=text,
                    label=found.label,
                    score=found.scores[found.label],
                    flipped=found.label != first.label,
                    same_meaning=change != "negation",
                )
                for (change, text), found in zip(asked, others, strict=True)
            ),
        )


def other_forms(text: str) -> dict[str, str]:
    """The text in other forms, by what was done; several of one kind are numbered. The same text gives the same."""
    draw = random.Random(len(text))
    found = {f"typos {number}": CHANGES["typos"](text, draw) for number in range(TYPING_ROUNDS)}
    found |= {name: change(text, draw) for name, change in CHANGES.items() if name != "typos"}
    found["no_punctuation"] = " ".join(_PUNCTUATION.sub(" ", text).split())
    found["names"] = _NAME.sub(lambda name: draw.choice([other for other in NAMES if other != name[0]]), text)
    found["negation"] = _negated(text)
    return found


def _negated(text: str) -> str:
    """With a negation in every sentence that has a place for one."""
    if is_chinese(text):
        return _ZH_NEGATED.sub("不", text)
    return "".join(_VERB.sub(lambda verb: f"{verb[0]} not", part, count=1) for part in re.split(r"(?<=[.!?;,])", text))


def _paraphrased(session: Session, text: str) -> Mapping[str, str]:
    """There and back by the embedded translator; nothing where there is none, or it does not read the language."""
    here, there = ("zh", "en") if is_chinese(text) else ("en", "zh")
    if len(text) > MAX_PARAPHRASED_CHARS:
        return {}
    try:
        translator = session.companion("translate", Translates)
        if not {(here, there), (there, here)} <= translator.language_pairs():
            return {}
        sentences = [place.of(text) for place in split_sentences(text)]
        abroad = translator.translate(sentences, here, there, session.cancel)
        returned = translator.translate(abroad, there, here, session.cancel)
    except (ModelUnavailableError, BackendError):
        return {}
    return {"paraphrase": ("" if here == "zh" else " ").join(returned)}
