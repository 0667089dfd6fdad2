"""Text to ids and back as transformers' MarianTokenizer does it, on a SentencePiece model whose ids are vocab.json's.

Special tokens are cut out first; at the start of what lies between, ``>>xxx<<`` is a direction tag whether or not the
model knows it (``<unk>`` if not); the rest goes to SentencePiece. The module adds no ``</s>``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from llm_core.tokenizer.files import BLANK, Entry, PieceType
from llm_core.tokenizer.symbols import SpecialTokens
from llm_core.tokenizer.view import Token, aligned


class MarianCodec:
    """MarianTokenizer's way of cutting a text, with character ranges.

    Args:
        processor: A `sentencepiece.SentencePieceProcessor`.
        vocabulary: Its pieces by id.
        special: The vocabulary's special tokens.
    """

    def __init__(self, processor: Any, vocabulary: tuple[Entry, ...], special: SpecialTokens) -> None:
        self._processor = processor
        self._pieces = [entry.piece for entry in vocabulary]
        self._sizes = [1 if e.type is PieceType.BYTE else len(e.piece.encode()) for e in vocabulary]
        self._ids = {piece: place for place, piece in enumerate(self._pieces)}
        self._unk_id = self._ids[special.unk]
        self._specials = {self._ids[token] for token in special.all()}
        longest_first = sorted(special.all(), key=len, reverse=True)
        self._special_text = re.compile(f"({'|'.join(map(re.escape, longest_first))})")

    def ids(self, text: str) -> list[int]:
        """Token ids of `text`."""
        return [token for part in self._parts(text) for token in self._ids_of(part)]

    def tokens(self, text: str) -> list[Token]:
        """The same with the characters each covers."""
        return [token for part in self._parts(text) for token in self._tokens_of(part)]

    def decode(self, ids: Sequence[int], skip_special_tokens: bool) -> str:
        """Each stretch between special tokens by SentencePiece; a special token is followed by a blank."""
        text, stretch = "", list[int]()
        for token in ids:
            if token not in self._specials:
                stretch.append(token)
            elif not skip_special_tokens:
                text += f"{self._processor.decode(stretch)}{self._pieces[token]} "
                stretch = []
        return (text + str(self._processor.decode(stretch))).replace(BLANK, " ").strip()

    def _parts(self, text: str) -> Iterator[tuple[int, str, bool]]:
        """(start, text, whether it is one token) of what is not empty."""
        start = 0
        for place, stretch in enumerate(self._special_text.split(text)):
            is_special = place % 2 == 1
            has_tag = stretch.startswith(">>") and "<<" in stretch
            cut = len(stretch) if is_special else stretch.index("<<") + 2 if has_tag else 0
            yield from ((start, stretch[:cut], True),) if cut else ()
            yield from ((start + cut, stretch[cut:], False),) if stretch[cut:] else ()
            start += len(stretch)

    def _ids_of(self, part: tuple[int, str, bool]) -> list[int]:
        _, text, is_token = part
        return [self._ids.get(text, self._unk_id)] if is_token else list(self._processor.encode(text))

    def _tokens_of(self, part: tuple[int, str, bool]) -> list[Token]:
        ids, (start, text, is_token) = self._ids_of(part), part
        if is_token:
            return [Token(ids[0], start, start + len(text))]
        normal, origins = self._processor.normalize(text, with_offsets=True)
        local = aligned(ids, [self._sizes[token] for token in ids], normal, origins)
        return [Token(token.id, start + token.start, start + token.end) for token in local]
