"""Request and result of the translation task."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from llm_core.limits import MAX_DOCUMENT_CHARS, MAX_TEXT_CHARS, Alternatives, Count, check_characters
from llm_core.tasks.base import Request, Result, tuple_of
from llm_core.tasks.translate.glossary import GlossaryText
from llm_core.tasks.translate.languages import AUTO, Code, TargetCode

MAX_UNITS = 20_000
BEAM = 4

Format = Literal["auto", "plain", "markdown"]

TextToTranslate = Annotated[str, Field(max_length=MAX_TEXT_CHARS), AfterValidator(check_characters)]
Unit = Annotated[str, AfterValidator(check_characters)]


class TranslateRequest(Request):
    """What to translate: one `text`, or the `units` of a file."""

    units: Annotated[tuple[Unit, ...], BeforeValidator(tuple_of), Field(max_length=MAX_UNITS)] = ()
    """Texts that belong together, such as the paragraphs of a document; their translations are given one by one."""
    text: TextToTranslate = Field("", validate_default=True)
    source: Code = AUTO
    """Language of the text (ISO 639-1, or ``zh-Hant``), or ``"auto"``: told sentence by sentence."""
    target: TargetCode
    """Language to translate into (ISO 639-1, or ``zh-Hant``)."""
    format: Format = "auto"
    """``auto`` takes a text for Markdown if it has its signs."""
    glossary: GlossaryText = ""
    """One ``term ⇥ translation`` a line."""
    alternatives: Alternatives = 0
    """Other translations to give of each sentence."""
    beam_size: Count = BEAM
    """How many beginnings of a translation are kept while it is searched for; 1 is greedy search. What is chosen from
    several translations (alternatives, terms, numbers) needs as many beams."""
    alignment: bool = False
    """Whether to say which words stand for which."""
    back_translation: bool = False
    """Whether to translate the result back and compare."""

    @field_validator("units")
    @classmethod
    def _not_too_long(cls, units: tuple[str, ...]) -> tuple[str, ...]:
        if sum(map(len, units)) > MAX_DOCUMENT_CHARS:
            raise ValueError(f"must have at most {MAX_DOCUMENT_CHARS:,} characters together")
        if units and not any(unit.strip() for unit in units):
            raise ValueError("must not be empty")
        return units

    @field_validator("text")
    @classmethod
    def _one_of_both(cls, text: str, info: ValidationInfo) -> str:
        if info.data.get("units", ()):
            if text:
                raise ValueError("must be empty where units are given")
        elif "units" in info.data and not text.strip():
            raise ValueError("must not be empty")
        return text

    @property
    def texts(self) -> tuple[str, ...]:
        """The units, or the text as the only one."""
        return self.units or (self.text,)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Alternative(_Part):
    """Another translation of a sentence."""

    text: str
    log_probability: float
    """Per token; 0 for a dictionary's."""


class Alignment(_Part):
    """Which words of a translation look at which words of its source; S source and T target words."""

    source: tuple[tuple[int, int], ...]
    """Characters ``start:end`` of the sentence's `source`, length S."""
    target: tuple[tuple[int, int], ...]
    """Characters of its `target`, length T."""
    weights: tuple[tuple[float, ...], ...]
    """T rows of S weights."""
    links: tuple[tuple[int, int], ...]
    """(source word, target word), by number: for each target word the source word it looks at most."""


class TermUse(_Part):
    """A glossary entry that a sentence calls for."""

    term: str
    translation: str
    applied: bool
    """Whether the translation has it."""


class SentencePair(_Part):
    """A sentence and its translation."""

    source: str
    target: str
    unit: int = 0
    """Number of the text it is in."""
    start: int = 0
    """Its first character in that text; one past its last is ``start + len(source)``."""
    target_start: int = 0
    """The first character of `target` in the translation of that text."""
    language: str = ""
    """What it is written in; empty when it has no words."""
    kept: Literal["", "target_language", "no_words"] = ""
    """Why it was not translated."""
    log_probability: float | None = None
    """Mean over its tokens of the natural logarithm of their probability; 0 where a dictionary gave the translation."""
    in_dictionary: bool = False
    """Whether the model's dictionary has this translation of the whole."""
    low_confidence: bool = False
    """Whether that is below the model's threshold: the text is outside what the model knows."""
    glossary: tuple[TermUse, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    alignment: Alignment | None = None
    """Not there when the sentence was translated piece by piece around what is protected."""


class BackTranslation(_Part):
    """The translation, translated back."""

    text: str
    sentences: tuple[str, ...]
    """Back-translation of each sentence; those that were kept as they are."""
    chrf: float
    """Character F-score with the source (Popović 2015), in [0, 100]; over all sentences that were translated."""
    sentence_chrf: tuple[float | None, ...]
    """The same for each sentence; ``None`` for those that were kept."""
    model: str
    """Id of the model that translated back."""


class TranslateResult(Result):
    """The translation."""

    record_fields: ClassVar[tuple[str, ...]] = ("text",)

    text: str
    """Of units, their translations in lines of their own."""
    units: tuple[str, ...] = ()
    """Translation of each unit; empty when the request had a text."""
    source: str
    """Language of the text, also when it was to be detected; that of most sentences to be translated."""
    target: str
    sentences: tuple[SentencePair, ...]
    kept_sentences: int = 0
    """How many were in the target language already."""
    back_translation: BackTranslation | None = None
    detailed: bool = False
    """Whether more than the text was asked for: the record then has it."""

    def record(self) -> dict[str, Any]:
        """The text; of units, their translations; and what was asked for beyond."""
        fields = {"text"} | ({"units"} if self.units else set())
        if self.detailed:
            fields |= {"source", "target", "sentences", "back_translation"}
        return self.model_dump(mode="json", include=fields)
