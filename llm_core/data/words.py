"""Where the words of a text are, in English and in Chinese, and which pieces begin one.

English words are runs of letters and digits (with ``don't`` and ``well-known`` as one); Chinese is cut by rjieba, the
dictionary segmenter jieba in Rust; any other visible character stands alone. Positions are Python string indices.
The module knows no tokenizer and no model: it maps pieces to words by their offsets.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

Range = tuple[int, int]
"""First character, and the one after the last."""

HAN = r"\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
CHINESE_STOPS = "。！？；"
"""What ends a Chinese sentence, as a text is read for its answers."""
_TOKEN = re.compile(rf"(?P<han>[{HAN}]+)|[^\W_{HAN}]+(?:['’\-][^\W_{HAN}]+)*|\S")
_ADDRESS = rf"(?:https?://|www\.)[^\s{HAN}，。、；：）]*[\w/]|[a-zA-Z0-9_.+-]+@[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+"
"""Of the web, or of mail."""
_SMALL = re.compile(rf"{_ADDRESS}|[{HAN}]|[^\W_{HAN}]+(?:['’\-][^\W_{HAN}]+)*|\S")
_HAN = re.compile(rf"[{HAN}]")


def is_chinese(text: str) -> bool:
    """Whether the text holds a Chinese character."""
    return _HAN.search(text) is not None


def word_ranges(text: str) -> list[Range]:
    """Words of a text in order; blanks are of no word."""
    return [part for found in _TOKEN.finditer(text) for part in _segmented(found)]


def _segmented(found: re.Match[str]) -> list[Range]:
    if found["han"] is None or len(found[0]) == 1:
        return [found.span()]
    import rjieba  # its dictionary takes memory: only for Chinese

    return [(found.start() + first, found.start() + last) for _, first, last in rjieba.tokenize(found[0])]


def character_ranges(text: str) -> list[Range]:
    """As `word_ranges`, but each Chinese character alone, and addresses whole: the words of entities."""
    return [found.span() for found in _SMALL.finditer(text)]


def joined(words: Sequence[str], *, letters_apart: bool = False) -> tuple[str, list[Range]]:
    """Running text of a list of words, and where each of them is in it.

    No blank stands beside a Chinese character or mark, nor where every word is a single character.

    Args:
        words: In order.
        letters_apart: Where every word is a single character, put blanks as elsewhere.
    """
    single = not letters_apart and all(len(word) == 1 for word in words)
    text, places = "", []
    for word in words:
        if text and word and not single and not (_needs_no_blank(text[-1]) or _needs_no_blank(word[0])):
            text += " "
        places.append((len(text), len(text) + len(word)))
        text += word
    return text, places


def _is_chinese_mark(character: str) -> bool:
    wide = unicodedata.east_asian_width(character) in "WF" and unicodedata.category(character)[0] == "P"
    return wide or character in "“”‘’…—"


def _needs_no_blank(character: str) -> bool:
    return is_chinese(character) or _is_chinese_mark(character)


def words_of_characters(text: str, ranges: Iterable[Range]) -> list[int]:
    """Per character of the text the index of its word in `ranges`; -1: it is of none."""
    found = [-1] * len(text)
    for word, (first, last) in enumerate(ranges):
        found[first:last] = [word] * (last - first)
    return found


def words_of_pieces(of_characters: Sequence[int], offsets: Iterable[Range]) -> list[int]:
    """Per piece the word of its last character: SentencePiece counts the blank before a word to its first piece.

    Args:
        of_characters: From `words_of_characters`.
        offsets: Characters of each piece; (0, 0) for a special token, which is of no word (-1).
    """
    return [of_characters[last - 1] if last > first else -1 for first, last in offsets]


def word_starts(text: str, offsets: Sequence[Range]) -> list[int]:
    """1 for each piece that begins a word, 0 for one that goes on with it: what whole-word masking needs.

    Args:
        text: What was tokenised.
        offsets: Characters of each piece; (0, 0) for a special token, which begins a word of its own.
    """
    words = words_of_pieces(words_of_characters(text, word_ranges(text)), offsets)
    return [int(word == -1 or word != before) for before, word in zip([-1, *words], words, strict=False)]


def by_word(text: str, pieces: Iterable[tuple[int, int, float]]) -> list[tuple[int, int, float]]:
    """Values of pieces added up by word: first character, one past the last, and the sum.

    A piece belongs to the word of its last character, as in `words_of_pieces`; one of no word (blanks) stands alone.

    Args:
        text: What was tokenised.
        pieces: Characters ``start:end`` of each piece and its value, in any order.
    """
    words = word_ranges(text)
    owner = {place: word for word in words for place in range(*word)}
    sums: dict[Range, float] = dict.fromkeys(words, 0.0)
    for start, end, value in pieces:
        word = owner.get(end - 1, (start, end))
        sums[word] = sums.get(word, 0.0) + value
    return [(*word, value) for word, value in sorted(sums.items())]
