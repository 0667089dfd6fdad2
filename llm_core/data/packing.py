"""Documents to blocks of one length, for pre-training: nothing is padded and no token is lost.

Documents are laid end to end, each closed by an end mark, and the row is cut every `length` tokens; a document may run
on in the next block, and the last block may be short. Attention crosses from a document into the one before it, as in
GPT-3 (arXiv:2005.14165): a mask per document would keep `scaled_dot_product_attention` off its fast path.
The module knows no tokenizer and no model: a token is an integer, and so may be a flag of a token.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from llm_core.errors import InputError


def packed(documents: Iterable[Sequence[int]], length: int, end: int) -> Iterator[list[int]]:
    """Blocks of `length` tokens; joined, they are the documents in order, each followed by `end`.

    Streams: it holds one document and one block. Columns that go along with the tokens (such as `words.word_starts`)
    are packed by a second call over them: where the cuts fall depends on the documents' lengths alone.

    Args:
        documents: Token ids of each, without an end mark.
        length: Tokens of a block, at least 1.
        end: The end-of-document token, or the value that stands for it in another column.

    Raises:
        InputError: `length` is below 1.
    """
    if length < 1:
        raise InputError("length", "must be at least 1 token", length)
    return _blocks(documents, length, end)


def _blocks(documents: Iterable[Sequence[int]], length: int, end: int) -> Iterator[list[int]]:
    rest: list[int] = []
    for document in documents:
        rest.extend(document)
        rest.append(end)
        whole = len(rest) - len(rest) % length
        for start in range(0, whole, length):
            yield rest[start : start + length]
        rest = rest[whole:]
    if rest:
        yield rest
