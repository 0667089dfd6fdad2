"""Chinese questions made of a passage's own sentences, for a reader that has few real ones to learn from.

A stretch that could be an answer (a number and its unit, a quotation, a name, words between function words) gives way
to a question word. The clauses around it, characters left out and in one of several orders, are the question. The
idea is that of Lewis et al. 2019 (arXiv:1906.04980), "noisy cloze", with patterns in place of a tagger of names.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llm_core.data.loaders import Row
from llm_core.data.words import CHINESE_STOPS, Range

_SENTENCE = re.compile(rf"[^{CHINESE_STOPS}\n]{{12,120}}(?:[{CHINESE_STOPS}\n]|$)")
_CLAUSE_END = re.compile(r"[，,：:。；！？\n]")
_SHORTEST_QUESTION, _LONGEST_QUESTION = 6, 60
_LEFT_OUT = 0.18
"""Chance of a character to begin a stretch of one to three that the question lacks."""


@dataclass(frozen=True)
class _Kind:
    """One kind of stretch that could be an answer."""

    pattern: re.Pattern[str]
    """Its group 1 is the answer."""
    asked_with: tuple[str, ...]


_KINDS = (
    _Kind(re.compile(r"(\d{3,4}年(?:\d+月)?(?:\d+日)?)"), ("哪一年", "什么时候", "何时")),
    _Kind(
        re.compile(r"(\d[\d,.:%-]*(?:年代|月\d*日?|日|世纪|平方公里|公里|米|人|万|亿|元|个|次|岁|名|座|种)*)"),
        ("多少", "几"),
    ),
    _Kind(re.compile(r"[《「『“(（]([^《》「」『』“”()（）]{2,14})[》」』”)）]"), ("什么", "哪个", "谁")),
    _Kind(re.compile(r"([A-Za-z][A-Za-z .-]{2,25}[A-Za-z])"), ("什么", "哪个", "谁")),
    _Kind(re.compile(r"([一-鿿]{1,4}·[一-鿿·]{1,10})"), ("谁", "什么")),
    _Kind(
        re.compile(
            r"(?<=[的是为在于由被把和与及、，以到从向对])([一-鿿]{2,9})(?=[的是为在于由被和与及、，。；以到从等])"
        ),
        ("什么", "哪里", "哪个", "谁"),
    ),
)


def cloze_questions(rows: Sequence[Row], per_passage: int, seed: int) -> Iterator[Row]:
    """Rows with made questions about the passages of `rows`.

    Args:
        rows: Rows with `context` and `source`.
        per_passage: Most questions that a passage gives; one with few stretches that could be answers gives fewer.
        seed: Of every draw.
    """
    draw = random.Random(seed)
    for number, row in enumerate({row["context"]: row for row in rows}.values()):
        places = list(_places(row["context"]))
        for at, (sentence, answer, kind) in enumerate(draw.sample(places, min(per_passage, len(places)))):
            question = _question(row["context"], sentence, answer, draw.choice(kind.asked_with), draw)
            if len(question) >= _SHORTEST_QUESTION:
                answers = [{"text": row["context"][slice(*answer)], "answer_start": answer[0]}]
                yield {**row, "id": f"cloze-{number}-{at}", "question": question, "answers": answers}


def _places(context: str) -> Iterator[tuple[Range, Range, _Kind]]:
    """Sentences and stretches in them, each stretch with the first kind that it is of."""
    for sentence in _SENTENCE.finditer(context):
        known: set[int] = set()
        for kind in _KINDS:
            for found in kind.pattern.finditer(context, *sentence.span()):
                answer = found.span(1)
                if known.isdisjoint(range(*answer)):
                    known.update(range(*answer))
                    yield sentence.span(), answer, kind


def _question(context: str, sentence: Range, answer: Range, asked_with: str, draw: random.Random) -> str:
    before = _CLAUSE_END.split(context[sentence[0] : answer[0]])[-draw.choice((1, 1, 2, 3)) :]
    after = _CLAUSE_END.split(context[answer[1] : sentence[1]])[: draw.choice((1, 1, 2))]
    left, right = (_thinned("，".join(part), draw) for part in (before, after))
    orders = (
        f"{left}{asked_with}{right}",
        f"{right}，{left}{asked_with}",
        f"{left}{right}的是{asked_with}",
        f"{right}{left}是{asked_with}",
        f"{asked_with}{right}{left}",
    )
    chosen = draw.choices(orders, weights=(4, 1, 1, 1, 1))[0].strip("，。；！？ \n")
    return f"{chosen[:_LONGEST_QUESTION]}？"


def _thinned(text: str, draw: random.Random) -> str:
    kept, at = [], 0
    while at < len(text):
        if draw.random() < _LEFT_OUT:
            at += draw.choice((1, 2, 2, 3))
        else:
            kept.append(text[at])
            at += 1
    return "".join(kept)
