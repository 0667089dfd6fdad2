"""Packing: every token comes back, in order; fill-in-the-middle: the same document in another order."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_core.data.infilling import FillInTheMiddle
from llm_core.data.packing import packed
from llm_core.errors import InputError

END, PRE, MID, SUF = 100, 101, 102, 103
TOKENS = st.lists(st.integers(0, 99), max_size=40)


def test_a_long_document_is_filled_in_pieces_that_fit() -> None:
    tokens, draw = list(range(1000, 1997)), random.Random(3)
    pieces = list(FillInTheMiddle(PRE, MID, SUF, rate=0.5, spm_rate=0).pieces(tokens, 100, draw))
    filled = [piece for piece in pieces if piece[0] == PRE]
    assert 2 <= len(filled) <= 8 and all(len(piece) <= 103 for piece in filled)
    whole: list[int] = []
    for piece in pieces:
        if piece[0] != PRE:
            assert len(piece) % 100 in (0, 97), "neighbours stay together"
            whole += piece
        else:  # prefix, suffix, middle
            suffix, middle = piece.index(SUF), piece.index(MID)
            whole += piece[1:suffix] + piece[middle + 1 :] + piece[suffix + 1 : middle]
    assert whole == tokens


@given(documents=st.lists(TOKENS, max_size=20), length=st.integers(1, 50))
def test_every_token_comes_back_in_order(documents: list[list[int]], length: int) -> None:
    blocks = list(packed(documents, length, END))
    assert [token for block in blocks for token in block] == [t for document in documents for t in [*document, END]]
    assert all(len(block) == length for block in blocks[:-1])
    assert all(0 < len(block) <= length for block in blocks[-1:])


@given(documents=st.lists(TOKENS, max_size=20), length=st.integers(1, 50))
def test_a_second_column_is_cut_at_the_same_places(documents: list[list[int]], length: int) -> None:
    doubled = [[2 * token for token in document] for document in documents]
    pairs = zip(packed(documents, length, END), packed(doubled, length, 2 * END), strict=True)
    assert all([2 * token for token in block] == other for block, other in pairs)


def test_packing_reads_no_further_than_it_must() -> None:
    read = []

    def endless() -> Iterator[list[int]]:
        while True:
            read.append(1)
            yield [1, 2, 3]

    assert next(packed(endless(), 6, END)) == [1, 2, 3, END, 1, 2]
    assert len(read) == 2


def test_a_block_has_a_length() -> None:
    with pytest.raises(InputError, match="length: must be at least 1 token"):
        packed([], 0, END)


def _document(tokens: list[int]) -> list[int]:
    """What a rearranged document was: the inverse of both forms."""
    if not tokens or tokens[0] != PRE:
        return tokens
    suffix, middle = tokens.index(SUF), tokens.index(MID)
    before, after, rest = tokens[1:suffix], tokens[suffix + 1 : middle], tokens[middle + 1 :]
    return [*before, *rest, *after]


@given(tokens=TOKENS, seed=st.integers(0, 999), rate=st.sampled_from([0.0, 0.5, 1.0]))
def test_infilling_keeps_the_document(tokens: list[int], seed: int, rate: float) -> None:
    found = FillInTheMiddle(PRE, MID, SUF, rate=rate)(tokens, random.Random(seed))
    assert _document(found) == tokens
    assert len(found) == len(tokens) + (3 if found[:1] == [PRE] else 0)
    assert rate == 0.5 or (found[:1] == [PRE]) == (rate == 1.0)


def test_infilling_keeps_its_rates() -> None:
    transform, draw = FillInTheMiddle(PRE, MID, SUF, rate=0.5, spm_rate=0.25), random.Random(0)
    found = [transform(range(20), draw) for _ in range(4000)]
    changed = [tokens for tokens in found if tokens[0] == PRE]
    assert len(changed) / 4000 == pytest.approx(0.5, abs=0.03)
    # an SPM document opens with two marks; a PSM one only when its prefix is empty: 41 of the 21 × 21 pairs of cuts
    assert sum(tokens[1] == SUF for tokens in changed) / len(changed) == pytest.approx(0.25 + 0.75 * 41 / 441, abs=0.03)


class _CutAtOneAndFour(random.Random):
    def random(self) -> float:
        return 0.0

    def randint(self, a: int, b: int) -> int:
        self.cut = 1 if getattr(self, "cut", 1) == 4 else 4
        return self.cut


@pytest.mark.parametrize(
    ("spm_rate", "expected"), [(0, [PRE, 1, SUF, 5, 6, MID, 2, 3, 4]), (1, [PRE, SUF, 5, 6, MID, 1, 2, 3, 4])]
)
def test_infilling_forms_are_the_papers(spm_rate: float, expected: list[int]) -> None:
    transform = FillInTheMiddle(PRE, MID, SUF, rate=1, spm_rate=spm_rate)
    assert transform([1, 2, 3, 4, 5, 6], _CutAtOneAndFour()) == expected


def test_infilling_refuses_what_means_nothing() -> None:
    with pytest.raises(InputError, match=r"rate: must be in \[0, 1\] \(got 2\)"):
        FillInTheMiddle(PRE, MID, SUF, rate=2)
    with pytest.raises(InputError, match="three marks must be different"):
        FillInTheMiddle(PRE, PRE, SUF)
