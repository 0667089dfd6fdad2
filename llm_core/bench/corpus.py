"""Real English sentences that every Python installation has: its own documentation."""

from __future__ import annotations

from pydoc_data.topics import topics

import sentencex

_MIN_WORDS, _MAX_WORDS = 5, 40


def english_sentences(count: int) -> list[str]:
    """The first `count` sentences of 5 to 40 words, in a fixed order."""
    sentences: list[str] = []
    for topic in sorted(topics):
        for sentence in sentencex.segment("en", " ".join(topics[topic].split())):
            if _MIN_WORDS <= len(sentence.split()) <= _MAX_WORDS:
                sentences.append(sentence.strip())
        if len(sentences) >= count:
            break
    return sentences[:count]
