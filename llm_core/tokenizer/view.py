"""Which characters a token covers, and how probable a way to cut a text is: functions on plain strings and numbers.

The module knows nothing of vocabularies' files or of special tokens.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from llm_core.errors import InputError

UNKNOWN_PENALTY = 10.0
"""SentencePiece's unigram model scores a character without a piece this far below its rarest piece."""


@dataclass(frozen=True)
class Piece:
    """One token of a text."""

    text: str
    """As in the vocabulary: blanks are ``▁``, a byte is ``<0xE4>``."""
    id: int
    start: int
    end: int
    """Characters ``start:end`` of the original text."""
    log_probability: float | None
    """Natural logarithm of the piece's unigram probability; None for bytes, special tokens, and in BPE, which has
    no probabilities."""


@dataclass(frozen=True)
class Segmentation:
    """One way to cut a text."""

    pieces: tuple[str, ...]
    log_probability: float
    """Sum of the pieces' log-probabilities; a character spelt in bytes counts once, 10 below the rarest piece."""
    share: float
    """Its probability among all segmentations of the text, 0…1 (arXiv:1804.10959, eq. 2 and 8)."""


class Token(NamedTuple):
    """An id and the characters ``start:end`` it covers."""

    id: int
    start: int
    end: int


def check_unicode(text: str) -> None:
    """Raises:
    InputError: `text` holds half of a surrogate pair, which no encoding can write."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError("text", "must be valid Unicode: it holds half of a surrogate pair", text) from error


def byte_of(piece: str) -> int:
    """The byte that a byte piece such as ``<0xE4>`` stands for."""
    return int(piece[1:-1], 16)


def aligned(ids: Sequence[int], sizes: Sequence[int], normal: str, origins: Sequence[int]) -> list[Token]:
    """Tokens with the original characters they come from.

    Args:
        ids: Tokens that spell `normal`.
        sizes: Per token, how many UTF-8 bytes of `normal` it spells.
        normal: The normalised text.
        origins: Per character of `normal`, and for its end, the original character it starts at.
    """
    characters = [place for place, character in enumerate(normal) for _ in character.encode()]
    ends = _ends(origins)
    tokens, position = [], 0
    for token, size in zip(ids, sizes, strict=True):
        first, last = characters[position], characters[position + size - 1]
        # SentencePiece's own first blank has the origin of what follows, but covers nothing of it.
        own_blank = normal[first : last + 1] == "▁" and origins[first] == origins[last + 1]
        tokens.append(Token(token, origins[first], origins[first] if own_blank else ends[last]))
        position += size
    return tokens


def _ends(origins: Sequence[int]) -> list[int]:
    """Where each normal character's original ends: at the next larger origin, since the ``f`` and ``i`` of one ﬁ share
    theirs."""
    ends = [origins[-1]]
    for origin, after in zip(reversed(origins[:-1]), reversed(origins[1:]), strict=True):
        ends.append(after if after > origin else ends[-1])
    return ends[:0:-1]


def settled(tokens: Sequence[Token], text: str, values: Mapping[int, int], blank: int | None) -> list[Token]:
    """Tokens of a fast tokenizer with ranges a reader can mark in the text.

    A byte gets the range of its character; a blank put in front of the text covers nothing; a combining mark that
    was composed with its letter (``e`` + ``\u0301``) belongs to the letter's token.

    Args:
        tokens: In order of the text; special tokens around it have empty ranges.
        text: The original text.
        values: Id to byte of every byte piece.
        blank: Id of the piece that is one blank.
    """
    result: list[Token] = []
    later, bound = Token(-1, len(text), len(text)), len(text)  # the token after, as it came; where it starts
    for token in reversed(_split_byte_runs(tokens, values)):
        start, end = token.start, token.end
        if token.id == blank and start == later.start:
            end = start
        elif end > start and (start, end) == (later.start, later.end):
            end = result[-1].end
        else:
            while start < end < bound and unicodedata.combining(text[end]):
                end += 1
        if token.end > token.start:
            later, bound = token, start
        result.append(Token(token.id, start, end))
    return result[::-1]


def _split_byte_runs(tokens: Sequence[Token], values: Mapping[int, int]) -> list[Token]:
    result: list[Token] = []
    for is_byte, group in groupby(tokens, key=lambda token: token.id in values):
        run = list(group)
        result += _byte_run(run, bytes(values[token.id] for token in run)) if is_byte else run
    return result


def _byte_run(run: list[Token], content: bytes) -> list[Token]:
    """The unigram tokenizer gives a whole run of bytes one range, the merging one gives each its character's."""
    start, end = run[0].start, run[0].end
    text = content.decode(errors="replace")
    if run[-1].end != end or len(text) != end - start:
        return run
    characters = [start + place for place, character in enumerate(text) for _ in character.encode()]
    return [Token(token.id, place, place + 1) for token, place in zip(run, characters, strict=True)]


def log_evidence(normal: str, scores: Mapping[str, float]) -> float:
    """log Σ exp(score) over every way to cut `normal`: the forward pass over the unigram model's lattice.

    Args:
        normal: A normalised text.
        scores: Log-probability of every piece.
    """
    longest = max(map(len, scores))
    unknown = min(scores.values()) - UNKNOWN_PENALTY
    forward = [0.0]  # forward[i]: the same sum over normal[:i]
    for end in range(1, len(normal) + 1):
        paths = [
            forward[start] + (scores[piece] if piece in scores else unknown)
            for start in range(max(0, end - longest), end)
            if (piece := normal[start:end]) in scores or start == end - 1
        ]
        best = max(paths)
        forward.append(best + math.log(sum(math.exp(path - best) for path in paths)))
    return forward[-1]
