"""Named entities: words to pieces, long sentences to windows, and pieces back to words and characters.

- Tags are IOB2: ``B-PER`` begins an entity, ``I-PER`` goes on with it, ``O`` is none.
- A word's first piece carries its label; the others are ignored, or go on with it (`continued`).
- A sentence too long for the model gives several windows that share `stride` pieces; a word is then read where it has
  most context on both sides.
- Chinese is tagged by character: `words.character_ranges` cuts a text into the words of this module.

The module knows nothing of models: it takes predicted label numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from llm_core.data.collators import IGNORED
from llm_core.data.loaders import Row
from llm_core.errors import InputError

OUTSIDE = "O"


@dataclass(frozen=True)
class TagWindow:
    """One encoder input."""

    row: int
    """Index of the sentence it comes from."""
    input_ids: list[int]
    words: list[int]
    """Per piece: index of its word in the sentence, or -1 at special tokens."""
    begun: int = -1
    """The word whose first piece is in the window before, and which goes on here; -1: none."""

    def first_pieces(self) -> list[tuple[int, int]]:
        """(piece, word) for each word that has its first piece here."""
        before = zip([-1, *self.words], self.words, strict=False)
        return [(piece, word) for piece, (last, word) in enumerate(before) if word not in (-1, self.begun, last)]


@dataclass(frozen=True)
class Entity:
    """A stretch of one type."""

    label: str
    first: int
    last: int
    """Of the words, or characters: the entity is ``[first:last]``."""


def tag_windows(tokenizer: Any, sentences: Sequence[Sequence[str]], max_length: int, stride: int) -> list[TagWindow]:
    """Cuts sentences, given as words, into windows of pieces.

    Args:
        tokenizer: A fast tokenizer.
        sentences: Words of each; empty sentences give no window.
        max_length: Pieces of a window, special tokens included.
        stride: Pieces that neighbouring windows share.

    Raises:
        InputError: `stride` leaves no room to move on.
    """
    room = max_length - tokenizer.num_special_tokens_to_add()
    if not 0 <= stride < room:
        raise InputError("stride", f"must be in [0, {room}), the pieces of a window", stride)
    kept = [row for row, words in enumerate(sentences) if words]
    if not kept:
        return []
    encoded = tokenizer(
        [list(sentences[row]) for row in kept],
        is_split_into_words=True,
        truncation=True,
        max_length=max_length,
        stride=stride,
        return_overflowing_tokens=True,
    )
    found: list[TagWindow] = []
    for i, owner in enumerate(encoded["overflow_to_sample_mapping"]):
        words = [-1 if word is None else word for word in encoded.word_ids(i)]
        begun = _word_before(found[-1], stride) if found and found[-1].row == kept[owner] else -1
        found.append(TagWindow(kept[owner], encoded["input_ids"][i], words, begun))
    return found


def _word_before(window: TagWindow, stride: int) -> int:
    """The word of the piece just before the next window's first: windows share `stride` pieces."""
    return [word for word in window.words if word >= 0][-stride - 1]


def tag_features(
    windows: Iterable[TagWindow], rows: Sequence[Row], labels: Sequence[str], continued: bool = False
) -> list[dict[str, Any]]:
    """Windows with `labels`, one a piece: the index into `labels` of the word's tag, or `IGNORED`.

    Args:
        windows: Of the rows' `tokens`.
        rows: Rows with `tags`, mended where they are not proper IOB2.
        labels: Tag names in the order of the model's labels.
        continued: Label a word's other pieces too: ``B-X`` goes on as ``I-X``.

    Raises:
        InputError: A tag is not among `labels`.
    """
    index = {label: number for number, label in enumerate(labels)}
    tags = [repaired(row["tags"]) for row in rows]
    wanted = {tag for sentence in tags for tag in sentence}
    wanted |= {_continuation(tag) for tag in wanted} if continued else set()
    if unknown := wanted - index.keys():
        raise InputError("tags", f"must be among {', '.join(labels)}", min(unknown))
    return [{"input_ids": w.input_ids, "labels": _piece_labels(w, tags[w.row], index, continued)} for w in windows]


def _piece_labels(window: TagWindow, tags: Sequence[str], index: dict[str, int], continued: bool) -> list[int]:
    first = dict(window.first_pieces())
    found = []
    for piece, word in enumerate(window.words):
        if piece in first:
            found.append(index[tags[word]])
        else:
            found.append(index[_continuation(tags[word])] if continued and word >= 0 else IGNORED)
    return found


def _continuation(tag: str) -> str:
    return f"I-{tag[2:]}" if tag.startswith("B-") else tag


def word_tags(
    windows: Sequence[TagWindow], predictions: Sequence[Sequence[int]], labels: Sequence[str], words: int
) -> list[str]:
    """Tags of a sentence's words from the predictions of its windows, as proper IOB2.

    Args:
        windows: All windows of one sentence.
        predictions: Per window and piece: label number.
        labels: Tag names in the order of the model's labels.
        words: How many words the sentence has; one without pieces (a control character) is outside.
    """
    best: dict[int, tuple[int, str]] = {}
    for window, predicted in zip(windows, predictions, strict=True):
        for piece, word in window.first_pieces():
            context = min(piece, len(window.words) - 1 - piece)
            if word not in best or context > best[word][0]:
                best[word] = (context, labels[predicted[piece]])
    return repaired([best[word][1] if word in best else OUTSIDE for word in range(words)])


def repaired(tags: Sequence[str]) -> list[str]:
    """Proper IOB2: an ``I-X`` that follows neither ``B-X`` nor ``I-X`` begins an entity of its own."""
    pairs = pairwise([OUTSIDE, *tags])
    return [f"B-{tag[2:]}" if tag[0] == "I" and before[1:] != tag[1:] else tag for before, tag in pairs]


def entities(tags: Sequence[str]) -> list[Entity]:
    """Entities of proper IOB2 tags, in word positions."""
    found: list[Entity] = []
    for place, tag in enumerate(tags):
        if tag[0] == "B":
            found.append(Entity(tag[2:], place, place + 1))
        elif tag[0] == "I":
            found[-1] = Entity(found[-1].label, found[-1].first, place + 1)
    return found


def in_characters(found: Iterable[Entity], ranges: Sequence[tuple[int, int]]) -> list[Entity]:
    """Entities in words to entities in characters of the text.

    Args:
        found: Entities in word positions.
        ranges: Characters of each word, from `words.character_ranges`.
    """
    return [Entity(entity.label, ranges[entity.first][0], ranges[entity.last - 1][1]) for entity in found]
