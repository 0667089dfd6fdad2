"""Translation: sentence by sentence, so that the first one is there early and paragraphs stay as they are.

Sentences are found and translated within lines; blanks and line breaks between them are kept, except that Chinese,
Japanese and the like take no blank between sentences. The source may be ``"auto"``: it is then told by its script,
which cannot tell French from English.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict

from llm_core.backends.base import Translates
from llm_core.catalog import Catalog, ModelSpec
from llm_core.errors import InputError, ModelUnavailableError
from llm_core.limits import Text
from llm_core.session import Session, Steps
from llm_core.tasks.base import Request, Result
from llm_core.tasks.language import LANGUAGE_NAMES, is_chinese, script_shares
from llm_core.tasks.sentences import Range, split_sentences, split_windows
from llm_core.types import Delta, Progress

AUTO = "auto"
SENTENCES_PER_CALL = 16
"""Translated together; the first call takes one sentence, so that something is to be read soon."""
MAX_SENTENCE_UNITS = 1200
"""About 300 tokens; a longer run without a full stop is cut at blanks."""
_UNSPACED = frozenset({"zh", "ja"})
_LANGUAGE_OF_SCRIPT = {
    "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "CYRILLIC": "ru", "GREEK": "el", "ARABIC": "ar", "HEBREW": "he",
    "DEVANAGARI": "hi", "THAI": "th", "LATIN": "en",
}  # fmt: skip


def _language_code(code: str) -> str:
    if not (code.isascii() and code.islower() and code.isalpha() and len(code) in (2, 3)) and code != AUTO:
        raise ValueError(f"must be an ISO 639-1 code such as en or zh; {code[:20]!r} is none")
    return code


def _not_auto(code: str) -> str:
    if code == AUTO:
        raise ValueError("must be a language; only the source can be detected")
    return code


Code = Annotated[str, AfterValidator(_language_code)]


class TranslateRequest(Request):
    """What to translate."""

    text: Text
    source: Code = AUTO
    """Language of the text (ISO 639-1), or ``"auto"``."""
    target: Annotated[Code, AfterValidator(_not_auto)]
    """Language to translate into (ISO 639-1)."""


class SentencePair(BaseModel):
    """A sentence and its translation."""

    model_config = ConfigDict(frozen=True)

    source: str
    target: str


class TranslateResult(Result):
    """The translation."""

    record_fields: ClassVar[tuple[str, ...]] = ("text",)

    text: str
    source: str
    """Language of the text, also when it was to be detected."""
    target: str
    sentences: tuple[SentencePair, ...]


class TranslateTask:
    """See `Task`."""

    name: ClassVar[str] = "translate"
    request_type: ClassVar[type[TranslateRequest]] = TranslateRequest

    def candidates(self, catalog: Catalog, request: TranslateRequest) -> tuple[ModelSpec, ...]:
        """Models that have the pair.

        Raises:
            InputError: Both languages are the same, or no model has the pair.
            ModelUnavailableError: The catalogue has no translator at all.
        """
        pair = source_language(request), request.target
        if pair[0] == pair[1]:
            raise InputError("target", f"must be another language than the text's, which is {_name(pair[0])}")
        translators = catalog.for_task("translate")
        if not translators:
            raise _no_translator()
        able = tuple(spec for spec in translators if pair in spec.language_pairs)
        if not able:
            raise InputError("target", _no_pair(pair, translators))
        return able

    def run(self, session: Session, request: TranslateRequest) -> Steps[TranslateResult]:
        """See `Task.run`."""
        source = source_language(request)
        model = session.open(Translates)
        if (source, request.target) not in model.language_pairs():
            raise InputError("target", f"{session.spec.title} has no translation from {source} to {request.target}")
        ranges = _sentences(request.text)
        pairs: list[SentencePair] = []
        text = ""
        for batch in _batches(ranges):
            sentences = [place.of(request.text) for place in batch]
            answers = model.translate(sentences, source, request.target, session.cancel)
            for place, sentence, answer in zip(batch, sentences, answers, strict=True):
                before = ranges[len(pairs) - 1].end if pairs else 0
                gap = _gap(request.text[before : place.start], request.target, first=not pairs)
                pairs.append(SentencePair(source=sentence, target=answer))
                text += gap + answer
                yield Delta(gap + answer)
            yield Progress(len(pairs), len(ranges))
        return TranslateResult(text=text, source=source, target=request.target, sentences=tuple(pairs))


def source_language(request: TranslateRequest) -> str:
    """The language of a request's text.

    Raises:
        InputError: It is to be detected, and the text has no letters of a known script.
    """
    if request.source != AUTO:
        return request.source
    if is_chinese(request.text):
        return "zh"
    shares = script_shares(request.text)
    # Japanese mixes Chinese characters with its own two scripts.
    japanese = shares.get("HIRAGANA", 0.0) + shares.get("KATAKANA", 0.0) > 0 and next(iter(shares)) != "LATIN"
    script = "HIRAGANA" if japanese else next(iter(shares), "")
    if script not in _LANGUAGE_OF_SCRIPT:
        raise InputError("source", "cannot be detected: the text has no letters; choose the language")
    return _LANGUAGE_OF_SCRIPT[script]


def _sentences(text: str) -> list[Range]:
    """Sentences, line by line; those that are too long in pieces, and a text without any as a whole."""
    found: list[Range] = []
    start = 0
    for line in text.splitlines(keepends=True):
        for sentence in split_sentences(line):
            pieces = split_windows(sentence.of(line), MAX_SENTENCE_UNITS)
            offset = start + sentence.start
            found.extend(Range(offset + piece.start, offset + piece.end) for piece in pieces)
        start += len(line)
    return found or [Range(len(text) - len(text.lstrip()), len(text.rstrip()))]


def _batches(ranges: Sequence[Range]) -> Iterator[Sequence[Range]]:
    yield ranges[:1]
    for start in range(1, len(ranges), SENTENCES_PER_CALL):
        yield ranges[start : start + SENTENCES_PER_CALL]


def _gap(between: str, target: str, *, first: bool) -> str:
    """What stands between two translated sentences: line breaks and indentation as they were, blanks as the target has
    them."""
    if first or "\n" in between:
        return between
    return "" if target in _UNSPACED else between or " "


def _name(code: str) -> str:
    return LANGUAGE_NAMES.get(code, code)


def _no_translator() -> ModelUnavailableError:
    return ModelUnavailableError(
        "translate",
        "the embedded English–Chinese model arrives in a later version, and the catalogue has no other translator",
        "With a connection, add opus-mt-en-zh to the catalogue and run: python -m llm_core pull opus-mt-en-zh",
    )


def _no_pair(pair: tuple[str, str], translators: Sequence[ModelSpec]) -> str:
    targets = sorted({target for spec in translators for source, target in spec.language_pairs if source == pair[0]})
    offered = ", ".join(_name(target) for target in targets) or "nothing"
    return f"no model translates from {_name(pair[0])} into {_name(pair[1])}; from {_name(pair[0])} there is {offered}"


TASK = TranslateTask()
