"""How much a model's answers hang on how a text is written: the same rows with slips and in other letters, and
pairs of sentences that a negation turns round.

Every change keeps what the text says, so its label or tags stay true.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llm_core.data.words import is_chinese

Change = Callable[[str, random.Random], str]
SLIPS = 0.1
"""Share of the words with a slip."""
EMOJI = ("😀", "🙂", "👀", "✨", "📷", "☕")
"""Of no opinion, or hardly any."""
_WORD = re.compile(r"\w+")


def with_typos(text: str, draw: random.Random) -> str:
    """One word of ten has a letter dropped, doubled or changing places; of Chinese text one character of twenty."""
    return _WORD.sub(lambda found: _slipped(found[0], draw), text)


def _slipped(word: str, draw: random.Random) -> str:
    chance = SLIPS / 2 * len(word) if is_chinese(word) else SLIPS
    if len(word) < 3 or draw.random() >= chance:
        return word
    place = draw.randrange(len(word) - 1)
    pair = word[place : place + 2]
    return word[:place] + draw.choice((pair[1], pair[0] + pair, pair[::-1])) + word[place + 2 :]


CHANGES: Mapping[str, Change] = {
    "typos": with_typos,
    "lower_case": lambda text, draw: text.lower(),
    "upper_case": lambda text, draw: text.upper(),
    "emoji": lambda text, draw: f"{text} {draw.choice(EMOJI)}",
}


OF_WORDS = ("typos", "lower_case", "upper_case")
"""The changes that can be made word by word."""


def changed(rows: Sequence[Mapping[str, Any]], name: str, seed: int = 0) -> list[dict[str, Any]]:
    """The rows with another `text`, or other `tokens` (as many as before).

    Args:
        rows: Of classification or tagging.
        name: One of `CHANGES`; of `OF_WORDS` for tagging.
        seed: Of the draws.
    """
    draw, change = random.Random(seed), CHANGES[name]
    if rows and "tokens" in rows[0]:
        return [{**row, "tokens": [change(token, draw) or token for token in row["tokens"]]} for row in rows]
    return [{**row, "text": change(row["text"], draw)} for row in rows]


_PRAISED = {
    "en": (
        ("The room is {}clean.", "The staff were {}helpful.", "I would {}recommend it.", "The plot is {}interesting.",
         "It is {}worth the money.", "We were {}happy with the service.", "The screen is {}bright enough.",
         "This was {}a good idea.", "The food is {}fresh.", "I am {}satisfied."),
        "not ",
    ),
    "zh": (
        ("房间{}干净。", "服务员{}热情。", "我{}推荐这家店。", "剧情{}好看。", "这个价格{}值。", "我们对服务{}满意。",
         "屏幕{}清楚。", "味道{}好。", "交通{}方便。", "床{}舒服。"),
        "不",
    ),
}  # fmt: skip
_STRESS = {"en": "", "zh": "很"}


def negation_pairs(language: str) -> list[tuple[str, str]]:
    """Sentences that praise, and the same sentences that do not: a reader of sentiment should tell them apart.

    Args:
        language: ``"en"`` or ``"zh"``.
    """
    sentences, negation = _PRAISED[language]
    return [(sentence.format(_STRESS[language]), sentence.format(negation)) for sentence in sentences]
