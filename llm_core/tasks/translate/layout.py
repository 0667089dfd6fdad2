"""Sentences of a text to translate, and everything between them, which stays as it is.

Plain text is read line by line. Markdown is read block by block (by `markdown-it-py`): the lines of a paragraph belong
together, but for those that end early; fences, HTML blocks, link definitions, front matter, list bullets, heading
signs, quote signs and table rules are never translated. The module knows nothing of models and languages, but that some
take no blank between sentences.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from llm_core.tasks.sentences import Range, split_sentences, split_windows, units
from llm_core.tasks.translate.languages import UNSPACED
from llm_core.tasks.translate.marks import Mark, find_marks, moved

MAX_SENTENCE_UNITS = 1200
"""About 300 tokens; a longer run without a full stop is cut at blanks."""
MIN_WRAPPED_COLUMNS = 40
"""A shorter line of Markdown was ended on purpose, unless the next one goes on in lower case."""
_BREAK = "\x00"
"""Stands for a line break within a paragraph; no request holds it."""
_MARKDOWN_SIGNS = re.compile(
    r"^ {0,3}(?:#{1,6} |```|~~~|>|[-*+] |\d{1,9}[.)] |\|.*\|)|\*\*\S|\]\(|`[^`\n]+`|(?:^|\s)[*_]\w[^*_\n]*[*_](?:\W|$)",
    re.MULTILINE,
)
_FRONT_MATTER = re.compile(
    r"\A---[ \t]*\r?\n(?=[\w.-]+[ \t]*:).*?^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence in its place."""

    unit: int
    """Number of the text it is in."""
    start: int
    """Its first character in that text."""
    end: int
    raw: str
    """As it stands there."""
    text: str
    """In one line: the same but for line breaks."""
    marks: tuple[Mark, ...]
    """In `text`."""
    gap: str
    """What stands between the sentence before, or the start of the text, and this one."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """All sentences of some texts."""

    sentences: tuple[Sentence, ...]
    tails: tuple[str, ...]
    """What follows the last sentence of each text; all of it if it has none."""


def is_markdown(text: str) -> bool:
    """Whether a text looks as if its signs were Markdown's."""
    return _MARKDOWN_SIGNS.search(text) is not None


@functools.lru_cache(maxsize=4)
def lay_out(texts: tuple[str, ...], markdown: bool) -> Layout:
    """Find the sentences.

    Args:
        texts: They belong together, such as the paragraphs of a file.
        markdown: Whether they are Markdown.
    """
    sentences: list[Sentence] = []
    tails: list[str] = []
    for number, unit in enumerate(texts):
        cursor = 0
        for block in _markdown_blocks(unit) if markdown else _lines(unit):
            for sentence in _sentences(unit, number, block, cursor, markdown):
                sentences.append(sentence)
                cursor = sentence.end
        tails.append(unit[cursor:])
    return Layout(tuple(sentences), tuple(tails))


def gap_in(gap: str, before: tuple[str, str], target: str) -> str:
    """What stands between two translated sentences: blanks as the target language has them, all else as it was.

    Args:
        gap: What stands between the two in the source.
        before: The sentence before and its translation; empty if there is none.
        target: Language of the translation.
    """
    if not before[0] or gap.strip(" \t\u3000"):
        return gap
    if target in UNSPACED:
        return ""
    # No blank stands after a full stop of Chinese; elsewhere its absence means something.
    return gap or (" " if _is_wide(before[0]) and not _is_wide(before[1]) else "")


def _is_wide(text: str) -> bool:
    """Whether it ends as Chinese does."""
    return unicodedata.east_asian_width(text[-1:] or " ") in "WF"


Block = Sequence[Range]
"""The lines of a paragraph without what is before and after them."""


def _lines(text: str) -> Iterator[Block]:
    for line in re.finditer(r"[^\r\n]+", text):
        yield [Range(*line.span())]


def _markdown_blocks(text: str) -> Iterator[Block]:
    """Lines to be read as one, in the order of the text."""
    front = _FRONT_MATTER.match(text)
    cursor = front.end() if front else 0
    lines = [cursor + line.start() for line in re.finditer(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+", text[cursor:])]
    lines.append(len(text))
    for content, first, last in _inline_contents(text[cursor:]):
        cursor = max(cursor, lines[min(first, len(lines) - 1)])
        block: list[Range] = []
        for line, following in pairwise([*content.split("\n"), ""]):
            place = _found(text, line.strip(), cursor, lines[min(last, len(lines) - 1)])
            if place is None:
                continue
            cursor = place.end
            broken = line.endswith("\\")
            block.append(Range(place.start, place.end - broken))
            if broken or line.endswith("  ") or _ends_early(line.strip(), following.strip()):  # a hard line break
                yield block
                block = []
        if block:
            yield block


def _ends_early(line: str, following: str) -> bool:
    """Whether nobody would have wrapped a line here: those of an address, of a greeting, of verse."""
    columns = sum(1 + _is_wide(character) for character in line)
    return columns < MIN_WRAPPED_COLUMNS and not following[:1].islower()


def _found(text: str, line: str, start: int, end: int) -> Range | None:
    """Where a line of running text stands; bars of table cells lost the backslash before them."""
    for said in (line, line.replace("|", "\\|")):
        place = text.find(said, start, end) if said else -1
        if place >= 0:
            return Range(place, place + len(said))
    return None


def _inline_contents(text: str) -> Iterator[tuple[str, int, int]]:
    """What is running text, with the lines that it stands in."""
    for token in _parser().parse(text):
        if token.type == "inline" and token.map and token.content.strip():
            yield token.content, token.map[0], token.map[1]


@functools.cache
def _parser() -> Any:
    from markdown_it import MarkdownIt

    # Blocks only: what is within a line, `marks` finds with its places.
    return MarkdownIt("commonmark").enable("table").disable(["inline", "text_join"])


def _sentences(unit: str, number: int, block: Block, cursor: int, markdown: bool) -> Iterator[Sentence]:
    start = block[0].start
    text = _in_one_line(unit, block)
    marks = find_marks(text, markdown=markdown)
    for place in _pieces(_without_marks(text, marks)):
        place = _peeled(text, _with_pairs(place, marks), marks)
        raw = unit[start + place.start : start + place.end]
        inside = [mark for mark in marks if place.start <= mark.start and mark.end <= place.end]
        said, moved = _joined(place.of(text), inside, place.start)
        yield Sentence(
            number, start + place.start, start + place.end, raw, said, moved, unit[cursor : start + place.start]
        )
        cursor = start + place.end


def _in_one_line(unit: str, block: Block) -> str:
    """The block with as many break characters as stand between its lines, so that places stay."""
    text = block[0].of(unit)
    for before, after in zip(block, block[1:], strict=False):
        text += _BREAK * (after.start - before.end) + after.of(unit)
    return text


def _without_marks(text: str, marks: Sequence[Mark]) -> str:
    """Of the same length, for finding sentences: marks around words are blank, single ones a word."""
    characters = list(text.replace(_BREAK, " "))
    for mark in marks:
        characters[mark.start : mark.end] = (" " if mark.partner else "X") * (mark.end - mark.start)
    return "".join(characters)


def _pieces(text: str) -> Iterator[Range]:
    for sentence in split_sentences(text):
        if units(sentence.of(text)) <= MAX_SENTENCE_UNITS:
            yield sentence
            continue
        for piece in split_windows(sentence.of(text), MAX_SENTENCE_UNITS):
            yield Range(sentence.start + piece.start, sentence.start + piece.end)


def _with_pairs(place: Range, marks: Sequence[Mark]) -> Range:
    """The place with the marks beside it of which the partner is inside; no single mark is cut."""
    start, end = place
    for mark in marks:
        if not mark.partner:
            start = mark.start if mark.start < start < mark.end else start
            end = mark.end if mark.start < end < mark.end else end
    for mark in reversed(marks):
        if mark.opens and mark.end == start and mark.partner is not None and mark.partner.start <= end:
            start = mark.start
    for mark in marks:
        if mark.closes and mark.start == end and mark.partner is not None and mark.partner.start >= start:
            end = mark.end
    return Range(start, end)


def _peeled(text: str, place: Range, marks: Sequence[Mark]) -> Range:
    """The place without the pairs around all of it, and without the blanks that were inside them."""
    start, end = place
    for mark in marks:
        partner = mark.partner
        if mark.opens and partner is not None and mark.start == start and partner.end == end:
            inner = text[mark.end : partner.start]
            start = mark.end + len(inner) - len(inner.lstrip())
            end = max(start, partner.start - len(inner) + len(inner.rstrip()))
    return Range(start, end)


def _joined(text: str, marks: Sequence[Mark], start: int) -> tuple[str, tuple[Mark, ...]]:
    """A sentence with its line breaks as blanks, and its marks moved.

    Args:
        text: With break characters.
        marks: In it, with places that count from `start` characters before it.
        start: See there.
    """
    said, places = "", list(range(len(text) + 1))
    if _BREAK in text:
        places = []
        for character, run in re.findall(f"([^{_BREAK}])|({_BREAK}+)", text):
            places += [len(said)] * (len(run) or 1)
            said += character or (_BREAK if run else "")
        places.append(len(said))
    else:
        said = text
    return said.replace(_BREAK, " "), moved(marks, lambda place: places[place - start])
