"""Entity scores of tagged words, strict IOB2: an entity counts when its words and its type are all right.

seqeval (Ramshaw and Marcus 1995, arXiv:cmp-lg/9505040) reads the entities; an I- that continues no entity of its type
starts none. What is written in another scheme (IOB1, BIOES) must be converted first: it would be read wrongly, in
silence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llm_core.errors import InputError
from llm_core.evaluation.bootstrap import Array, Estimate, divided, interval

Sentences = Sequence[Sequence[str]]
"""One tag a word, such as ``["B-PER", "I-PER", "O"]``."""


def tag_scores(predicted: Sentences, gold: Sentences) -> dict[str, Estimate]:
    """Micro-averaged ``f1``, ``precision`` and ``recall`` of the entities, and each type's F1 as ``f1[type]``.

    Raises:
        InputError: A sentence has another number of tags than words, a tag is none of IOB2, or no row has an entity.
    """
    types, statistics = entity_statistics(predicted, gold)
    if not types:
        raise InputError("data", "must have at least one entity")
    micro = statistics.reshape(len(gold), -1, 3).sum(axis=1)
    scores = {
        "f1": interval(micro, _f1),
        "precision": interval(micro, _precision),
        "recall": interval(micro, lambda sums: divided(sums[..., 0], sums[..., 2])),
    }
    return scores | {f"f1[{name}]": interval(statistics[:, 3 * i : 3 * i + 3], _f1) for i, name in enumerate(types)}


def entity_statistics(predicted: Sentences, gold: Sentences) -> tuple[list[str], Array]:
    """Types of the truth, and (sentences, 3 · (types + 1)): right, found and wanted entities of each type.

    The last three columns count found entities whose type the truth lacks.
    """
    if [len(tags) for tags in predicted] != [len(tags) for tags in gold]:
        raise InputError("predicted", "must have one tag for each word of each sentence")
    found, wanted = _entities(predicted, "predicted"), _entities(gold, "gold")
    types = sorted({kind for entities in wanted for kind, *_ in entities})
    place = {kind: index for index, kind in enumerate(types)}
    counts = np.zeros((len(gold), len(types) + 1, 3))
    for row, (has, wants) in enumerate(zip(found, wanted, strict=True)):
        for part, entities in enumerate((has & wants, has, wants)):
            for kind, *_ in entities:
                counts[row, place.get(kind, len(types)), part] += 1
    return types, counts.reshape(len(gold), -1)


def _entities(sentences: Sentences, field: str) -> list[set[tuple[str, int, int]]]:
    """(type, first word, one past the last) of each sentence's entities."""
    from seqeval.scheme import IOB2, Entities

    for tags in sentences:
        for tag in tags:
            if tag != "O" and not (tag[:2] in ("B-", "I-") and len(tag) > 2):
                raise InputError(field, "must be IOB2 tags such as O, B-PER or I-PER", tag)
    read = Entities([list(tags) for tags in sentences], scheme=IOB2).entities
    return [{(entity.tag, entity.start, entity.end) for entity in entities} for entities in read]


def _f1(sums: Array) -> Array:
    """2 · right / (found + wanted)."""
    return divided(2 * sums[..., 0], sums[..., 1] + sums[..., 2])


def _precision(sums: Array) -> Array:
    """right / found; 0 where nothing was found."""
    return np.asarray(np.nan_to_num(divided(sums[..., 0], sums[..., 1])))
