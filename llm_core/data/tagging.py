"""Named entities: words to pieces, long sentences to windows, and pieces back to words and characters.

- Tags are IOB2: ``B-PER`` begins an entity, ``I-PER`` goes on with it, ``O`` is none.
- A sentence is tokenised as running text (`words.joined`), as models were pre-trained: Chinese has no blanks.
  Marks that share a piece (``”，``) are read as the last of them: the others are outside.
- A word's first piece carries its label; the others are ignored, or go on with it (`continued`).
- A sentence too long for the model gives several windows that share `stride` pieces; a word is then read where it has
  most context on both sides.
- Words are those that `words.character_ranges` makes of a running text, in Chinese single characters: data sets with
  larger ones (``U.S.``, 北京市) or smaller ones (the digits of a year) are read as such a text (`in_small_words`), and
  what is predicted is told of their own.

The module knows nothing of models: it takes their logits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from llm_core.data.collators import IGNORED
from llm_core.data.loaders import Row
from llm_core.data.words import Range, character_ranges, joined, words_of_characters, words_of_pieces
from llm_core.errors import InputError
from llm_core.tokenizer.files import BLANK

Array = npt.NDArray[Any]
Retold = Callable[[Sequence[str]], list[str]]
"""Tags of other words of the same text."""
OUTSIDE = "O"
CERTAINLY_NOT = -1e4
"""A logit that leaves no probability."""


@dataclass(frozen=True)
class TagWindow:
    """One encoder input."""

    row: int
    """Index of the sentence it comes from."""
    input_ids: list[int]
    words: list[int]
    """Per piece: index of its word in the sentence, or -1 at special tokens and blanks."""
    token_type_ids: list[int] | None = None
    """Per piece: whether its word has a capital letter; None: that is not told."""
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


def in_small_words(row: Row) -> tuple[Row, Retold]:
    """The row with the words of its running text as `tokens`, and what tells their tags of the row's own tokens.

    Its `tags`, where it has any, are told of these words. Either way an entity is said of all words that it touches.
    """
    text, tokens = joined(row["tokens"])
    words = character_ranges(text)
    found = {**row, "tokens": [text[first:last] for first, last in words]}
    if "tags" in row:
        found["tags"] = _retold(row["tags"], tokens, words)
    return found, lambda tags: _retold(tags, words, tokens)


def _retold(tags: Sequence[str], places: Sequence[Range], others: Sequence[Range]) -> list[str]:
    """Tags of the words at `others` of a text from those of the words at `places`."""
    found = in_characters(entities(repaired(tags)), places)
    return touched_tags(others, ((entity.label, entity.first, entity.last) for entity in found))


def tag_windows(
    tokenizer: Any, sentences: Sequence[Sequence[str]], max_length: int, stride: int, mark_capitals: bool = False
) -> list[TagWindow]:
    """Cuts sentences, given as words, into windows of pieces.

    Args:
        tokenizer: A fast tokenizer.
        sentences: Words of each; empty sentences give no window.
        max_length: Pieces of a window, special tokens included.
        stride: Pieces that neighbouring windows share.
        mark_capitals: Tell the model by token types which words have capital letters: names do, and a vocabulary of
            small letters hides it.

    Raises:
        InputError: `stride` leaves no room to move on.
    """
    room = max_length - tokenizer.num_special_tokens_to_add()
    if not 0 <= stride < room:
        raise InputError("stride", f"must be in [0, {room}), the pieces of a window", stride)
    kept = [row for row, words in enumerate(sentences) if words]
    if not kept:
        return []
    texts = [joined(sentences[row], letters_apart=True) for row in kept]
    encoded = tokenizer(
        [text for text, _ in texts],
        truncation=True,
        max_length=max_length,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    owners = [words_of_characters(text, places) for text, places in texts]
    blank, before = _blank_of(tokenizer), list[int]()
    found: list[TagWindow] = []
    for i, owner in enumerate(encoded["overflow_to_sample_mapping"]):
        ids = encoded["input_ids"][i]
        words = words_of_pieces(owners[owner], encoded["offset_mapping"][i])
        words = [-1 if piece == blank else word for piece, word in zip(ids, words, strict=True)]
        # Windows share `stride` pieces: this is the word of the piece just before this window's first.
        begun = before[-stride - 1] if found and found[-1].row == kept[owner] else -1
        before = [word for word, part in zip(words, encoded.sequence_ids(i), strict=True) if part is not None]
        sentence = sentences[kept[owner]]
        capitals = [int(word >= 0 and sentence[word] != sentence[word].lower()) for word in words]
        types = capitals if mark_capitals else None
        found.append(TagWindow(kept[owner], ids, words, types, begun))
    return found


def _blank_of(tokenizer: Any) -> int:
    """The piece that SentencePiece writes for a blank, also where it only adds one; -1: it has none."""
    found = tokenizer.convert_tokens_to_ids(BLANK)
    return -1 if found == tokenizer.unk_token_id else int(found)


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
    return [
        {**model_inputs(window), "labels": _piece_labels(window, tags[window.row], index, continued)}
        for window in windows
    ]


def model_inputs(window: TagWindow) -> dict[str, list[int]]:
    """What a model reads of a window."""
    typed = {} if window.token_type_ids is None else {"token_type_ids": window.token_type_ids}
    return {"input_ids": window.input_ids, **typed}


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


def word_logits(windows: Sequence[TagWindow], logits: Sequence[Array], words: int, labels: Sequence[str]) -> Array:
    """(words, labels): the logits of a sentence's words from those of its windows.

    Args:
        windows: All windows of one sentence.
        logits: Per window (pieces or more, labels).
        words: How many words the sentence has; one without pieces (a control character) is outside for certain.
        labels: Tag names in the order of the model's labels.
    """
    found = np.tile(unread_logits(labels), (words, 1))
    contexts = np.full(words, -1)
    for window, given in zip(windows, logits, strict=True):
        for piece, word in window.first_pieces():
            context = min(piece, len(window.words) - 1 - piece)
            if context > contexts[word]:
                contexts[word], found[word] = context, given[piece]
    return found


def unread_logits(labels: Sequence[str]) -> Array:
    """(labels,): those of a word without pieces, which is outside for certain."""
    return np.where([label == OUTSIDE for label in labels], 0.0, CERTAINLY_NOT).astype(np.float32)


def best_tags(logits: Array, labels: Sequence[str]) -> list[str]:
    """The likeliest tags of a sentence that are proper IOB2 (Viterbi 1967; a step is possible or it is not).

    Args:
        logits: (words, labels).
        labels: Tag names in their order.
    """
    if not len(logits):
        return []
    steps = step_scores(tuple(labels), -np.inf)
    scores = logits[0] + steps[labels.index(OUTSIDE)]
    came_from: list[Array] = []
    for row in logits[1:]:
        reached = scores[:, None] + steps
        came_from.append(reached.argmax(axis=0))
        scores = reached.max(axis=0) + row
    path = [int(scores.argmax())]
    for origins in reversed(came_from):
        path.append(int(origins[path[-1]]))
    return [labels[place] for place in reversed(path)]


@cache
def step_scores(labels: tuple[str, ...], impossible: float) -> Array:
    """(labels, labels): from each tag to each, 0 or, where IOB2 has no such step, `impossible`; a sentence starts as
    behind a word outside."""
    return np.array([[0.0 if _may_follow(tag, before) else impossible for tag in labels] for before in labels])


def _may_follow(tag: str, before: str) -> bool:
    return tag[0] != "I" or before[1:] == tag[1:]


def entity_scores(found: Sequence[Entity], tags: Sequence[str], probabilities: Array, labels: Sequence[str]) -> Array:
    """(entities,): how sure each is: the probability of the tag of its least sure word.

    Args:
        found: Entities of `tags`, in word positions.
        tags: Of the sentence's words.
        probabilities: (words, labels).
        labels: Tag names in their order.
    """
    chosen = np.array([row[labels.index(tag)] for row, tag in zip(probabilities, tags, strict=True)], dtype=np.float32)
    return np.array([chosen[entity.first : entity.last].min() for entity in found], dtype=np.float32)


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


def touched_tags(places: Sequence[tuple[int, int]], found: Iterable[tuple[str, int, int]]) -> list[str]:
    """IOB2 tags of words from entities in characters: an entity is said of all words that it touches.

    Args:
        places: Characters of each word.
        found: (type, first character, one past the last) of each entity.
    """
    tags = [OUTSIDE] * len(places)
    for label, start, end in found:
        first, last = touched_words(places, start, end)
        for word in range(first, last):
            tags[word] = f"{'B' if word == first else 'I'}-{label}"
    return tags


def touched_words(places: Sequence[tuple[int, int]], start: int, end: int) -> tuple[int, int]:
    """First word that has a character of ``start:end``, and one past the last; (0, 0) where none has.

    Args:
        places: Characters of each word, in order.
        start: First character.
        end: One past the last character.
    """
    touched = [word for word, (first, last) in enumerate(places) if first < end and start < last]
    return (touched[0], touched[-1] + 1) if touched else (0, 0)
