"""Fill in the middle: a decoder learns to write what stands between two pieces of text (arXiv:2207.14255).

A document is cut at two places into prefix, middle and suffix, and laid out so that the middle comes last:

- PSM: ``<PRE> prefix <SUF> suffix <MID> middle``, as a code editor asks for it;
- SPM: ``<PRE> <SUF> suffix <MID> prefix middle``, the paper's variant 2, whose cache survives typing in the prefix.

Works on token ids inside one document, or a piece of it, before packing. The module knows no tokenizer and no model.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llm_core.errors import InputError


@dataclass(frozen=True)
class FillInTheMiddle:
    """The transform, with the ids of its three marks."""

    prefix_id: int
    middle_id: int
    suffix_id: int
    rate: float = 0.5
    """Share of the documents that are transformed; the paper finds that 0.5 and more cost nothing left to right."""
    spm_rate: float = 0.5
    """Share of the transformed ones in the SPM form."""

    def __post_init__(self) -> None:
        """Raises InputError when a rate is not a share, or two marks are the same token."""
        for field in ("rate", "spm_rate"):
            if not 0 <= getattr(self, field) <= 1:
                raise InputError(field, "must be in [0, 1]", getattr(self, field))
        if len({self.prefix_id, self.middle_id, self.suffix_id}) < 3:
            raise InputError("middle_id", "the three marks must be different tokens", self.middle_id)

    def __call__(self, tokens: Sequence[int], draw: random.Random) -> list[int]:
        """The document as it is, or rearranged: then it is three tokens longer and holds the same tokens besides.

        Args:
            tokens: Ids of one document, without the end mark.
            draw: Source of chance, seeded by the caller.
        """
        if draw.random() >= self.rate:
            return list(tokens)
        first, last = sorted(draw.randint(0, len(tokens)) for _ in range(2))
        prefix, middle, suffix = list(tokens[:first]), list(tokens[first:last]), list(tokens[last:])
        if draw.random() < self.spm_rate:
            return [self.prefix_id, self.suffix_id, *suffix, self.middle_id, *prefix, *middle]
        return [self.prefix_id, *prefix, self.suffix_id, *suffix, self.middle_id, *middle]

    def pieces(self, tokens: Sequence[int], room: int, draw: random.Random) -> Iterator[list[int]]:
        """A long document in pieces, each transformed or not; neighbours that are not stay together.

        Transformed as a whole and then cut into blocks, it would have its middle in another block than what surrounds
        it ("context level" in the paper).

        Args:
            tokens: Ids of the document.
            room: Most tokens of a piece, before the three marks are added.
            draw: Source of chance.
        """
        plain: list[int] = []
        for start in range(0, len(tokens), room):
            piece = list(tokens[start : start + room])
            laid_out = self(piece, draw)
            if len(laid_out) == len(piece):
                plain += piece
                continue
            if plain:
                yield plain
            yield laid_out
            plain = []
        if plain:
            yield plain
