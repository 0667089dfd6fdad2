"""Chinese verse: a form, what it is about, and if wanted its first line or the characters its lines begin with (藏头).

A decoder that was trained on poems headed by form and title writes sentence by sentence. A grammar holds each sentence
to the form and to the rhyme that the first ones set (`grammar`), several are written, and the best one is kept
(`choosing`). Without `hold_form` it writes freely, once, to show what it does by itself.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from llm_core.backends.base import Generates
from llm_core.catalog import Catalog, ModelSpec
from llm_core.data.poetry import lines_of
from llm_core.data.prosody import Sound, rhymes_kept, sounds, tones_kept
from llm_core.data.verse_forms import TUNE, Line, VerseForm, fits, verse_forms
from llm_core.limits import Seed, Temperature
from llm_core.prompt import Prompt, literal
from llm_core.session import Session, Steps
from llm_core.tasks.base import Request, Result
from llm_core.tasks.poem.choosing import Candidate, best, endings, rhymes_after
from llm_core.tasks.poem.grammar import sentence_grammar
from llm_core.tasks.translate.languages import simplify
from llm_core.types import Delta, Sampling

UNTITLED = "偶成"
"""A customary title of poems about nothing in particular."""
CANDIDATES = 6
"""Sentences to choose from."""
MAX_TITLE_CHARS = 30
_MARKS = "，。！？；：、 "


def _chinese(text: str) -> str:
    """Simplified characters, as the poems are written in; no others."""
    found = simplify(text.strip().strip(_MARKS))
    if not all("一" <= character <= "龥" for character in found):
        raise ValueError("must be written in Chinese characters, without punctuation")
    return found


def _form(name: str) -> str:
    if name not in verse_forms():
        raise ValueError(f"must be one of {', '.join(verse_forms())}")
    return name


Characters = Annotated[str, Field(max_length=MAX_TITLE_CHARS), AfterValidator(_chinese)]


class PoemRequest(Request):
    """What to write."""

    form: Annotated[str, AfterValidator(_form)]
    """五绝, 七绝, 五律, 七律, or a tune such as 浣溪沙."""
    hold_form: bool = True
    """Length, rhyme and tones are seen to; otherwise the model writes by itself."""
    title: Characters = ""
    """What it is about; poems to a tune have the tune as title."""
    first_line: Characters = ""
    """How it begins."""
    acrostic: Characters = ""
    """First characters of all lines, or of all sentences; needs `hold_form`."""
    temperature: Temperature = 0.8
    seed: Seed | None = None
    """The same seed gives the same poem; ``None`` draws a new one."""

    @field_validator("first_line")
    @classmethod
    def _is_a_line_of_the_form(cls, first_line: str, info: ValidationInfo) -> str:
        if first_line and (form := verse_forms().get(info.data.get("form", ""))):
            if len(first_line) != form.lines[0].length:
                raise ValueError(f"must have {form.lines[0].length} characters, as the first line of {form.name} has")
        return first_line

    @field_validator("acrostic")
    @classmethod
    def _has_a_character_for_each(cls, acrostic: str, info: ValidationInfo) -> str:
        if acrostic and (form := verse_forms().get(info.data.get("form", ""))):
            sizes = sorted({len(form.sentences), len(form.lines)})
            if len(acrostic) not in sizes:
                counts = " or ".join(map(str, sizes))
                raise ValueError(f"must have {counts} characters, for the lines or sentences of {form.name}")
        if acrostic and not info.data.get("hold_form", True):
            raise ValueError("needs hold_form, because a model by itself does not keep to it")
        if acrostic and not (info.data.get("first_line") or acrostic).startswith(acrostic[0]):
            raise ValueError("must begin with the first character of first_line")
        return acrostic


class PoemLine(BaseModel):
    """A line of a poem."""

    model_config = ConfigDict(frozen=True)

    text: str
    mark: str
    """The punctuation after it."""
    sounds: tuple[Sound, ...]
    """Of each character."""
    rhyme: str = ""
    """Letter of the lines that it is to rhyme with."""


class PoemResult(Result):
    """A poem."""

    record_fields: ClassVar[tuple[str, ...]] = ("text", "title", "form", "in_form", "rhymes_kept", "tones_kept")

    text: str
    """With punctuation, a sentence a line."""
    title: str
    form: str
    lines: tuple[PoemLine, ...]
    in_form: bool
    """Number and lengths of the lines are the form's."""
    rhymes_kept: tuple[int, int]
    """Lines that rhyme as the form says, of how many; none are counted out of form."""
    tones_kept: tuple[int, int]
    """Rules of level and oblique tones that are kept, of how many; regulated verse only."""


class PoemTask:
    """See `Task`."""

    name: ClassVar[str] = "poem"
    request_type: ClassVar[type[PoemRequest]] = PoemRequest

    def candidates(self, catalog: Catalog, request: PoemRequest) -> tuple[ModelSpec, ...]:
        """Decoders of poems."""
        return catalog.for_task(self.name)

    def run(self, session: Session, request: PoemRequest) -> Steps[PoemResult]:
        """See `Task.run`."""
        form = verse_forms()[request.form]
        title = (request.title or UNTITLED) if form.regulated else form.name
        writer = _Writer(session, request, form, f"{form.name if form.regulated else TUNE}\n{title}\n")
        text = yield from writer.held() if request.hold_form else writer.free()
        return poem_result(text, title, form.name)


class _Writer:
    """Writes one poem."""

    def __init__(self, session: Session, request: PoemRequest, form: VerseForm, heading: str) -> None:
        self.session, self.request, self.form, self.heading = session, request, form, heading
        self.model = session.open(Generates)
        self.draw = random.Random(request.seed)

    def held(self) -> Steps[str]:
        """Sentence by sentence, each the best of several."""
        text, rhymes, done = "", dict[str, str](), 0
        for lines in self.form.sentences:
            sentence = self._next(lines, text, done, rhymes)
            rhymes = rhymes_after(lines, lines_of(sentence), rhymes)
            done += len(lines)
            sentence += "\n" if done < len(self.form.lines) else ""
            text += sentence
            yield Delta(sentence)
        return text

    def _next(self, lines: Sequence[Line], before: str, done: int, rhymes: Mapping[str, str]) -> str:
        """The best of several sentences for these lines of the form; `done` lines stand before it."""
        begun = ""
        if self.request.first_line and not before:
            begun = f"{self.request.first_line}{lines[0].mark}"
            rhymes = rhymes_after(lines[:1], [self.request.first_line], rhymes)
            lines, before, done = lines[1:], begun, 1
        if not lines:
            return begun
        heads, level = self._heads(done, len(lines)), self.form.regulated
        grammar = sentence_grammar(lines, heads, rhymes, taken=endings(before), level=level)
        found = [self._sentence(before, grammar, lines) for _ in range(CANDIDATES)]
        return begun + best(found, self.form, lines, before, rhymes).text

    def free(self) -> Steps[str]:
        """As the model goes on from the heading."""
        begun = f"{self.request.first_line}{self.form.lines[0].mark}" if self.request.first_line else ""
        text = begun
        if begun:
            yield Delta(begun)
        sampling = self._sampling(2 * sum(line.length + 2 for line in self.form.lines))
        for token in self.model.generate(self._prompt(begun), sampling, self.session.cancel):
            text += token.text
            yield Delta(token.text, (token,))
        return text.strip()

    def _sentence(self, before: str, grammar: str, lines: Sequence[Line]) -> Candidate:
        length = 2 * sum(line.length + 1 for line in lines)
        sampling = self._sampling(length, grammar)
        return Candidate.of(list(self.model.generate(self._prompt(before), sampling, self.session.cancel)))

    def _heads(self, start: int, count: int) -> list[str]:
        given, ends = self.request.acrostic, [0]
        if len(given) != len(self.form.lines):  # one for each sentence
            for sentence in self.form.sentences:
                ends.append(ends[-1] + len(sentence))
            placed = dict(zip(ends, given, strict=False))
        else:
            placed = dict(enumerate(given))
        return [placed.get(place, "") for place in range(start, start + count)]

    def _prompt(self, text: str) -> Prompt:
        return Prompt(literal(self.heading + text))

    def _sampling(self, length: int, grammar: str | None = None) -> Sampling:
        return Sampling(
            max_new_tokens=length,
            temperature=self.request.temperature,
            repeat_penalty=1.0,
            seed=self.draw.randrange(2**32),
            top_alternatives=1,
            grammar=grammar,
        )


def poem_result(text: str, title: str, form_name: str) -> PoemResult:
    """A poem with its sounds, held against its form."""
    form, found = verse_forms()[form_name], lines_of(text)
    in_form = fits(found, form.lines)
    marks = [character for character in text if character in _MARKS.strip()]
    wanted = form.lines if in_form else ()
    return PoemResult(
        text=text,
        title=title,
        form=form.name,
        lines=tuple(
            PoemLine(
                text=line,
                mark=marks[place] if place < len(marks) else "",
                sounds=tuple(sounds(line)),
                rhyme=wanted[place].rhyme if wanted else "",
            )
            for place, line in enumerate(found)
        ),
        in_form=in_form,
        rhymes_kept=rhymes_kept(found, form.lines) if in_form else (0, 0),
        tones_kept=tones_kept(found) if in_form and form.regulated else (0, 0),
    )


TASK = PoemTask()
