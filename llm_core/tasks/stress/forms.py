"""A text in other forms. The same text gives the same forms."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

from llm_core.backends.base import Translates
from llm_core.errors import BackendError, ModelUnavailableError
from llm_core.evaluation.robustness import CHANGES
from llm_core.session import Session
from llm_core.tasks.entities import Entity
from llm_core.tasks.language import is_chinese
from llm_core.tasks.sentences import split_sentences

TYPING_ROUNDS = 3
MAX_PARAPHRASED_CHARS = 1200
NAMES = ("Mary", "Ahmed", "Wei", "Olga", "Diego", "Aisha", "John", "Priya", "Emma", "Kwame")
_OTHERS = {
    ("en", "PER"): ("Olga Petrova", "Kwame Mensah", "Mary Johnson", "Diego Torres", "Aisha Khan", "Priya Nair"),
    ("en", "LOC"): ("Nairobi", "Osaka", "Lima", "Oslo", "Hanoi", "Cairo"),
    ("zh", "PER"): ("王芳", "李强", "张伟", "刘洋", "陈静", "赵敏"),
    ("zh", "LOC"): ("成都", "武汉", "西安", "昆明", "青岛", "厦门"),
}
"""Names to put in the place of those found, by language and kind; organisations stay."""
_NAME = re.compile(rf"\b(?:{'|'.join((*NAMES, 'Anna', 'Peter', 'Paul', 'Sarah', 'Tom', 'Maria', 'David', 'Lisa'))})\b")
_PUNCTUATION = re.compile(r"[^\w\s'’-]")
_VERB = re.compile(r"\b(is|are|was|were|would|will|can|could|should|has|have|did|does|do)\b(?! not\b|n['’]t\b)", re.I)
_ZH_NEGATED = re.compile(r"(很|非常|特别|真|太|十分)")


def kept_forms(text: str) -> dict[str, str]:
    """The text with other letters and marks, by what was done; several of one kind are numbered."""
    draw = random.Random(len(text))
    found = {f"typos {number}": CHANGES["typos"](text, draw) for number in range(TYPING_ROUNDS)}
    found |= {name: change(text, draw) for name, change in CHANGES.items() if name != "typos"}
    return {**found, "no_punctuation": " ".join(_PUNCTUATION.sub(" ", text).split())}


def other_forms(text: str) -> dict[str, str]:
    """As `kept_forms`, and with other first names, and negated."""
    draw = random.Random(len(text))
    named = _NAME.sub(lambda name: draw.choice([other for other in NAMES if other != name[0]]), text)
    return {**kept_forms(text), "names": named, "negation": _negated(text)}


def renamed(text: str, entities: Sequence[Entity]) -> str:
    """With other names of persons and places in the place of those found; the same name gets the same other one."""
    language, chosen = "zh" if is_chinese(text) else "en", dict[tuple[str, str], str]()
    pieces, position = [], 0
    for entity in entities:
        others = _OTHERS.get((language, entity.label), ())
        taken = sum(label == entity.label for _, label in chosen)
        if (name := (entity.text, entity.label)) not in chosen:
            chosen[name] = others[taken % len(others)] if others else entity.text
        pieces += [text[position : entity.start], chosen[name]]
        position = entity.end
    return "".join([*pieces, text[position:]])


def _negated(text: str) -> str:
    """With a negation in every sentence that has a place for one."""
    if is_chinese(text):
        return _ZH_NEGATED.sub("不", text)
    return "".join(_VERB.sub(lambda verb: f"{verb[0]} not", part, count=1) for part in re.split(r"(?<=[.!?;,])", text))


def paraphrased(session: Session, text: str) -> Mapping[str, str]:
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
