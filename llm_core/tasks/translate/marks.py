"""What of a text is not translated: code, addresses, tags, placeholders, and the marks around words.

A mark is either single (a URL, ``{name}``, inline code) or one of a pair (``**``…``**``, ``<b>``…``</b>``, ``[``…
``](target)``). Only what is inside one line or paragraph is looked at; blocks are the layout's business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

_SINGLE = {
    "code": r"(?<!`)(?P<ticks>`+)(?!`)(?:.{0,2000}?[^`])(?P=ticks)(?!`)",
    "comment": r"<!--.{0,2000}?-->",
    "autolink": r"<(?:[a-z][a-z0-9+.-]*:|[^\s<>@]+@)[^\s<>]*>",
    "tag": r"</?[A-Za-z][\w:-]*(?:\s[^<>]*|/)?>",
    "entity": r"&(?:[A-Za-z][A-Za-z0-9]{1,30}|#\d{1,7}|#[xX][0-9A-Fa-f]{1,6});",
    "url": r"(?:https?://|ftp://|\bwww\.)[^\s<>\"'`{}|\\^\[\]()，。；、：！？（）《》【】「」“”]+(?:\([^\s()]*\)[^\s<>()，。]*)?",
    "email": r"\b[A-Za-z0-9](?:[\w.+-]{0,63})@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}\b",
    "braces": r"\{\{[^{}]*\}\}|[$#%@]?\{[^{}\s][^{}]{0,80}\}|\{\}",
    "printf": r"%(?:\(\w+\)|\d+\$)?[-+#0]*(?:\d+|\*)?(?:\.(?:\d+|\*))?"
    r"(?:hh|h|ll|l|L|z|j|t)?[diouxXeEfFgGcsrq@](?![A-Za-z])|%%",
}
_MARKDOWN = {
    "escape": r"\\[!-#&-/:-@\[-`|-~]",
    "footnote": r"\[\^[^\]\s]+\]",
    "task": r"(?<![^\s])\[[ xX]\](?=\s)",
    "link": r"!?\[(?P<label>(?:[^\[\]\\]|\\.|\[[^\[\]]*\])*)\]"
    r"(?:\((?:<[^<>]*>|(?:[^\s()\\]|\\.|\([^\s()]*\))*)(?:\s+(?:\"[^\"]*\"|'[^']*'|\([^()]*\)))?\s*\)|\[[^\[\]]*\])",
    "emphasis": r"\*{1,3}|(?<!_)_{1,3}(?!_)|~~",
}
_FLAGS = re.DOTALL


def _compiled(patterns: dict[str, str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in patterns.items()), _FLAGS)


# Code, comments and what is escaped come first: nothing within them is a mark.
_IN_PLAIN = _compiled(_SINGLE)
_IN_MARKDOWN = _compiled({"escape": _MARKDOWN["escape"], **_SINGLE, **_MARKDOWN})
_MAX_OPEN = 100
"""Marks that may wait for their partner at once; bounds the time a hostile text takes."""
_TRAILING = ".,;:!?'*_~"
"""Ends of a URL that belong to the sentence."""


@dataclass(slots=True)
class Mark:
    """Characters ``start:end`` that are kept as they are."""

    start: int
    end: int
    partner: Mark | None = None
    """The other one of a pair."""

    @property
    def opens(self) -> bool:
        """Whether it is the first of a pair."""
        return self.partner is not None and self.partner.start > self.start

    @property
    def closes(self) -> bool:
        """Whether it is the second of a pair."""
        return self.partner is not None and self.partner.start < self.start


def moved(marks: Sequence[Mark], place: Callable[[int], int]) -> tuple[Mark, ...]:
    """Copies of marks in another text; a partner that is not among them does not count.

    Args:
        marks: Of the text before.
        place: Where a character of it went.
    """
    copies = {id(mark): Mark(place(mark.start), place(mark.end)) for mark in marks}
    for mark in marks:
        copies[id(mark)].partner = copies.get(id(mark.partner))
    return tuple(copies.values())


def find_marks(text: str, *, markdown: bool) -> list[Mark]:
    """All marks in order, none overlapping another.

    Args:
        text: A line, or a paragraph.
        markdown: Whether emphasis, links and escapes mean something.
    """
    marks: list[Mark] = []
    delimiters: list[tuple[str, Mark]] = []
    tags: list[tuple[str, Mark]] = []
    for name, mark in _scan(text, 0, len(text), _IN_MARKDOWN if markdown else _IN_PLAIN):
        if name == "emphasis":
            _pair_emphasis(text, mark, delimiters, marks)
            continue
        marks.append(mark)
        if name == "tag":
            _pair_tag(text, mark, tags)
    return _nested(sorted(marks, key=lambda mark: mark.start))


def _scan(text: str, start: int, end: int, pattern: re.Pattern[str]) -> Iterator[tuple[str, Mark]]:
    """Marks by name; those of a link come as a pair, with the label's between them."""
    while found := pattern.search(text, start, end):
        name = found.lastgroup or ""
        stop = found.end()
        if name == "url":
            stop = found.start() + len(found[0].rstrip(_TRAILING))
        if name == "link":
            opening = Mark(found.start(), found.start("label"))
            closing = Mark(found.end("label"), stop, opening)
            opening.partner = closing
            yield name, opening
            yield from _scan(text, opening.end, closing.start, pattern)
            yield name, closing
        else:
            yield name, Mark(found.start(), stop)
        start = max(stop, found.start() + 1)


def _pair_emphasis(text: str, mark: Mark, waiting: list[tuple[str, Mark]], marks: list[Mark]) -> None:
    """Pair a run of ``*``, ``_`` or ``~~`` with the last one like it that waits; runs without a partner are text."""
    run = text[mark.start : mark.end]
    before, after = text[mark.start - 1 : mark.start], text[mark.end : mark.end + 1]
    closes = bool(before.strip()) and not (run[0] == "_" and after.isalnum())
    opens = bool(after.strip()) and not (run[0] == "_" and before.isalnum())
    if closes:
        for number in range(len(waiting) - 1, -1, -1):
            if waiting[number][0] == run and waiting[number][1].end < mark.start:
                opening = waiting[number][1]
                opening.partner, mark.partner = mark, opening
                marks += [opening, mark]
                del waiting[number:]
                return
    if opens and len(waiting) < _MAX_OPEN:
        waiting.append((run, mark))


def _pair_tag(text: str, mark: Mark, waiting: list[tuple[str, Mark]]) -> None:
    tag = text[mark.start : mark.end]
    name = re.sub(r"[^\w:-].*", "", tag.lstrip("</"), flags=_FLAGS).lower()
    if tag.endswith("/>"):
        return
    if not tag.startswith("</"):
        if len(waiting) < _MAX_OPEN:
            waiting.append((name, mark))
        return
    for number in range(len(waiting) - 1, -1, -1):
        if waiting[number][0] == name:
            waiting[number][1].partner, mark.partner = mark, waiting[number][1]
            del waiting[number:]
            return


def _nested(marks: list[Mark]) -> list[Mark]:
    """Pairs that cross another pair become single marks."""
    opened: list[Mark] = []
    for mark in marks:
        if mark.opens:
            opened.append(mark)
        elif mark.closes:
            while opened and opened[-1] is not mark.partner:
                _separate(opened.pop())
            if opened:
                opened.pop()
    return marks


def _separate(mark: Mark) -> None:
    if mark.partner is not None:
        mark.partner.partner = None
        mark.partner = None
