"""Chinese poems: which form a poem has, told from its lines.

五绝 七绝 (four lines of five or seven characters), 五律 七律 (eight), 五言 七言 (any other number of such lines), 词
(to a tune), 曲, 诗经, 楚辞, and 古风 for all else. The module knows no model and no tokenizer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

FORMS = ("五绝", "七绝", "五律", "七律", "五言", "七言", "词", "曲", "诗经", "楚辞", "古风")
"""All of them; the first four fix both the number of lines and their length."""
_OF_KIND = {"song-ci": "词", "nalan": "词", "yuan-qu": "曲", "shijing": "诗经", "chuci": "楚辞"}
_REGULAR = {(4, 5): "五绝", (4, 7): "七绝", (8, 5): "五律", (8, 7): "七律"}
_EVEN = {5: "五言", 7: "七言"}
_NOT_SAID = re.compile(r"[(（][^)）]*[)）]|[《》「」『』“”‘’\"'\s]")
_LINE_END = re.compile(r"[，。！？；：、,.!?;:]+")


def lines_of(text: str) -> list[str]:
    """The lines of a poem, without their punctuation and without remarks in brackets."""
    return [line for part in text.split("\n") for line in _LINE_END.split(_NOT_SAID.sub("", part)) if line]


def form_of(row: Mapping[str, Any]) -> str:
    """One of `FORMS`.

    Args:
        row: With the poem's ``text``, and the ``kind`` of collection it is from, if known.
    """
    lengths = [len(line) for line in lines_of(row["text"])]
    if len(set(lengths)) == 1 and lengths[0] in _EVEN and row.get("kind") not in ("yuan-qu", "song-ci"):
        return _REGULAR.get((len(lengths), lengths[0]), _EVEN[lengths[0]])
    return _OF_KIND.get(str(row.get("kind")), "古风")
