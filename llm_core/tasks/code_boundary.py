"""Where a code completion should end, decided while it streams.

`CodeBoundary` is fed the model's text piece by piece and gives back what may be shown. It never gives back text past
the boundary, what it gives back is always a beginning of what it was fed, and how the text was cut into pieces makes no
difference.

For Python the boundary is the first of: a line that leaves the enclosing ``def`` or ``class``; the next top-level
definition; a code fence. For all languages: the suffix's first line; the third run of the same lines. Strings and
brackets are followed, so that a line inside them is no dedent. The module knows no model and does not check syntax.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

StopReason = Literal["dedent", "next_definition", "suffix", "repetition", "end"]

_HEADER = re.compile(r"[ \t]*(?:async[ \t]+def|def|class)\b")
_DEFINITION_STARTS = ("def ", "class ", "async def ", "@")
_LONGEST_CYCLE = 4
_TAB = 8


@dataclass
class _Scanner:
    """Follows strings, comments and brackets of Python, character by character."""

    quote: str = ""
    """What closes the current string; empty outside strings."""
    comment: bool = False
    depth: int = 0
    """Open brackets."""
    _body: str = ""
    """The end of the current string so far."""
    _empty: str = ""
    """The quote of an empty string that has just closed: once more, and it was a triple-quoted one that opened."""
    _escaped: bool = False

    @property
    def in_code(self) -> bool:
        """Whether the next character is neither in a string nor in a comment."""
        return not self.quote and not self.comment

    @property
    def starts_statement(self) -> bool:
        """Whether a line that begins here begins a statement."""
        return self.in_code and self.depth == 0

    def feed(self, character: str) -> None:
        """Read one character."""
        if character == "\n":
            self.comment = False
            if len(self.quote) == 1:
                self.quote = ""
        if self.quote:
            self._feed_string(character)
        elif not self.comment:
            self._feed_code(character)

    def _feed_string(self, character: str) -> None:
        if self._escaped:
            self._escaped, self._body = False, "."
            return
        self._escaped = character == "\\"
        self._body = (self._body + character)[-3:]
        if self._body.endswith(self.quote):
            self._empty = character if self._body == character and len(self.quote) == 1 else ""
            self.quote = ""

    def _feed_code(self, character: str) -> None:
        if character in "\"'":
            self.quote, self._body = character * (3 if self._empty == character else 1), ""
        elif character == "#":
            self.comment = True
        elif character in "([{":
            self.depth += 1
        elif character in ")]}":
            self.depth = max(0, self.depth - 1)
        self._empty = ""


class CodeBoundary:
    """Streaming filter for one completion.

    Args:
        prefix: Code before the cursor.
        suffix: Code after the cursor; may be empty.
        python: Whether Python's rules apply.
    """

    def __init__(self, prefix: str, suffix: str = "", *, python: bool = True) -> None:
        self.reason: StopReason | None = None
        """Why it stopped; ``None`` while it goes on."""
        self._prefix = prefix
        self._python = python
        self._floor = enclosing_indent(prefix) if python else None
        self._scanner = scan(prefix) if python else _Scanner()
        self._suffix_line, self._one_line = _first_line(suffix)
        last = prefix.rpartition("\n")[2]
        self._line = "" if last.strip() else last
        """The current line so far, with the blanks that the prefix ends in."""
        self._judged = bool(last.strip())
        """Whether the current line is known to belong to the completion; the rest of the prefix's last line does."""
        self._begins_statement = self._scanner.starts_statement
        """Whether the current line is no continuation of the one before."""
        self._pending = ""
        """What was fed and not yet given back."""
        self._past: list[str] = []
        """Finished lines that are not blank."""

    def feed(self, text: str) -> str:
        """Take the next piece; give back what may be shown."""
        return "".join(map(self._take, text))

    def finish(self) -> str:
        """The model has ended: give back what was held and belongs to the completion."""
        if self.reason is not None:
            return ""
        if self._one_line:
            return self._cut_at_suffix()
        if self._line.strip() and not self._belongs(complete=True):
            return ""
        return self._release()

    def _take(self, character: str) -> str:
        if self.reason is not None:
            return ""
        if self._python and character == "`" and self._scanner.in_code:
            shown = self.finish()
            self.reason = self.reason or "end"
            return shown
        if self._python:
            self._scanner.feed(character)
        if character == "\n":
            return self._end_line()
        self._line += character
        self._pending += character
        shows = not character.isspace() and not self._one_line and self._belongs(complete=False)
        return self._release() if shows else ""

    def _end_line(self) -> str:
        if self._one_line:
            shown = self._cut_at_suffix()
            self.reason = "suffix"
            return shown
        shown = ""
        if self._line.strip():
            if not self._belongs(complete=True):
                return ""
            shown = self._release()
            self._past.append(self._line.rstrip())
        self._pending += "\n"
        self._line, self._judged = "", False
        self._begins_statement = self._scanner.starts_statement
        return shown

    def _release(self) -> str:
        """What is pending but for the blanks at its end, which wait for what follows them."""
        shown = self._pending.rstrip()
        self._pending = self._pending[len(shown) :]
        return shown

    def _cut_at_suffix(self) -> str:
        line = self._pending.rstrip()
        kept = line.removesuffix(self._suffix_line)
        if kept != line:
            self.reason = "suffix"
        return kept.rstrip()

    def _belongs(self, *, complete: bool) -> bool:
        """Whether the current line is known to belong to the completion; sets `reason` when it does not."""
        if self._judged:
            return True
        if not complete and self._undecided():
            return False
        self.reason = self._verdict(complete=complete)
        self._judged = self.reason is None
        return self._judged

    def _undecided(self) -> bool:
        """Whether more characters of this line are needed to tell."""
        line = self._line.rstrip()
        if self._suffix_line.startswith(line.lstrip()) or any(again.startswith(line) for again in self._loop_lines()):
            return True
        return self._leaves() and any(word.startswith(self._line.lstrip()) for word in _DEFINITION_STARTS)

    def _verdict(self, *, complete: bool) -> StopReason | None:
        if complete and self._line.strip() == self._suffix_line:
            return "suffix"
        if complete and self._line.rstrip() in self._loop_lines():
            return "repetition"
        if not self._leaves():
            return None
        if not self._past and not self._prefix_line():
            # The model has left the block at once: what it begins instead is the completion.
            self._floor = enclosing_indent(f"{self._prefix}\n{self._line}")
            return None
        if self._line.lstrip().startswith(_DEFINITION_STARTS):
            return "next_definition"
        return None if self._floor is None else "dedent"

    def _prefix_line(self) -> bool:
        """Whether the completion began in the middle of a line."""
        return bool(self._prefix.rpartition("\n")[2].strip())

    def _leaves(self) -> bool:
        """Whether a statement begins here that is outside the enclosing definition, or at top level where there is
        none."""
        if not self._python or not self._begins_statement:
            return False
        return indentation(self._line) <= (self._floor or 0)

    def _loop_lines(self) -> set[str]:
        """Lines that would begin the third run of the lines before."""
        past = self._past
        return {
            past[-period]
            for period in range(1, _LONGEST_CYCLE + 1)
            if len(past) >= 2 * period and past[-period:] == past[-2 * period : -period]
            if any(character.isalnum() for character in past[-period])
        }


def enclosing_indent(prefix: str) -> int | None:
    """Indentation of the ``def`` or ``class`` that encloses the end of `prefix`; ``None`` at top level."""
    *before, last = prefix.split("\n")
    if _HEADER.match(last):
        return indentation(last)
    limit = _cursor_indent(before, last)
    for line in reversed(before):
        if line.strip() and indentation(line) < limit:
            limit = indentation(line)
            if _HEADER.match(line):
                return limit
    return None


def _cursor_indent(before: list[str], last: str) -> int:
    """How far the statement at the cursor is indented, as far as the prefix tells."""
    finished = len(before) > 2 and not any(line.strip() for line in before[-2:])  # two blank lines end a definition
    if last or finished:
        return indentation(last)
    above = next((line for line in reversed(before) if line.strip()), "")
    return indentation(above) + (1 if above.rstrip().endswith(":") else 0)


def indentation(line: str) -> int:
    """Width of the blanks before the first letter, in columns."""
    blanks = line[: len(line) - len(line.lstrip(" \t"))]
    return len(blanks.expandtabs(_TAB))


def scan(text: str) -> _Scanner:
    """A scanner that has read `text`."""
    scanner = _Scanner()
    for character in text:
        scanner.feed(character)
    return scanner


def _first_line(suffix: str) -> tuple[str, bool]:
    """The suffix's first line that is not blank, and whether it continues the cursor's own line."""
    first = next((line.strip() for line in suffix.split("\n") if line.strip()), "")
    return first, bool(suffix.split("\n", 1)[0].strip())
