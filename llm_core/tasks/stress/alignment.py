"""Which words of a text are which of another form of it: so that an answer can be found again.

Words are those of `data.words.character_ranges` (each Chinese character alone), without punctuation.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from difflib import SequenceMatcher

from llm_core.data.words import Range, character_ranges, is_chinese


class Alignment:
    """Maps ranges of words.

    Args:
        text: As written.
        form: In another form.
    """

    def __init__(self, text: str, form: str) -> None:
        self._here, self._there = _words(text), _words(form)
        first, second = (
            [each[a:b].lower() for a, b in words] for each, words in ((text, self._here), (form, self._there))
        )
        if len(first) == len(second) and not is_chinese(text):  # slips and letters change no number of words
            self._blocks = [(0, len(first), 0, len(second))]
        else:
            matcher = SequenceMatcher(None, first, second, autojunk=False)
            self._blocks = [tuple(block[1:]) for block in matcher.get_opcodes()]  # type: ignore[misc]

    def here(self, start: int, end: int) -> Range:
        """Words of the text that characters ``start:end`` are of."""
        return _numbers(self._here, start, end)

    def there(self, start: int, end: int) -> Range:
        """Words of the form that its characters ``start:end`` are of."""
        return _numbers(self._there, start, end)

    def found(self, words: Range) -> Range:
        """Where a range of the text's words is in the form; empty where it was left out."""
        places = [self._place(number) for number in range(*words)]
        return min((a for a, b in places if a < b), default=0), max((b for a, b in places if a < b), default=0)

    def _place(self, number: int) -> Range:
        for first, last, start, end in self._blocks:
            if first <= number < last:
                same = last - first == end - start
                return (start + number - first, start + number - first + 1) if same else (start, end)
        return 0, 0


def _words(text: str) -> list[Range]:
    return [(start, end) for start, end in character_ranges(text) if text[start].isalnum()]


def _numbers(words: list[Range], start: int, end: int) -> Range:
    return bisect_right([last for _, last in words], start), bisect_left([first for first, _ in words], end)
