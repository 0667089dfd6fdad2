"""From token ids to pieces of text: whole characters only, up to the first stop string. Knows no model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llm_core.types import Token

_UNFINISHED = "\ufffd"
"""What a tokenizer shows for the bytes of a character that is not complete yet."""
_LONGEST_CHARACTER = 8
"""Tokens; a piece that shows the replacement character for longer really holds it."""


class TextStream:
    """Turns generated ids into `Token`s.

    Args:
        decode: Text of a row of ids.
        stop: Strings that end the text; not part of it.
    """

    def __init__(self, decode: Callable[[list[int]], str], stop: Sequence[str] = ()) -> None:
        self.stopped = False
        """Whether a stop string has come."""
        self._decode = decode
        self._stop = tuple(string for string in stop if string)
        self._ids: list[int] = []
        self._context = 0
        """Ids before it are no longer needed to know how later ones look."""
        self._shown = 0
        """Ids before it have become tokens."""
        self._held: list[Token] = []
        """Tokens that may be the beginning of a stop string."""

    def add(self, token_id: int, probability: float | None, alternatives: tuple[tuple[str, float], ...]) -> list[Token]:
        """Take the next id; give back the tokens that are certain now."""
        self._ids.append(token_id)
        before = self._decode(self._ids[self._context : self._shown])
        text = self._decode(self._ids[self._context :])
        count = len(self._ids) - self._shown
        if text.endswith(_UNFINISHED) and count < _LONGEST_CHARACTER:
            return []
        self._context, self._shown = self._shown, len(self._ids)
        piece = text[len(before) :]
        if not piece:
            return []
        # A character of several tokens has no probability of its own.
        return self._pass(Token(piece, probability, alternatives) if count == 1 else Token(piece))

    def finish(self) -> list[Token]:
        """The model has ended: what was held is text after all."""
        held, self._held = self._held, []
        return held

    def _pass(self, token: Token) -> list[Token]:
        if not self._stop:
            return [token]
        self._held.append(token)
        text = "".join(held.text for held in self._held)
        found = [place for string in self._stop if (place := text.find(string)) >= 0]
        if found:
            self.stopped = True
            certain = self._take(min(found), cut=True)
            self._held = []
            return certain
        return self._take(len(text) - self._longest_beginning(text), cut=False)

    def _longest_beginning(self, text: str) -> int:
        """Length of the longest end of `text` with which a stop string begins."""
        longest = max(map(len, self._stop)) - 1
        lengths = range(min(longest, len(text)), 0, -1)
        return next((n for n in lengths if any(string.startswith(text[-n:]) for string in self._stop)), 0)

    def _take(self, length: int, *, cut: bool) -> list[Token]:
        """Held tokens that end within the first `length` characters; with `cut`, the beginning of the next one too."""
        taken: list[Token] = []
        while self._held and len(self._held[0].text) <= length:
            taken.append(self._held.pop(0))
            length -= len(taken[-1].text)
        if cut and length and self._held:
            taken.append(Token(self._held[0].text[:length]))
        return taken
