"""The view of sentences beside their translations: what the browser draws, as data.
See `_drawn` for how it gets there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from demos._drawn import drawn_view, encoded
from demos._workbench import PRIVATE
from llm_core.tasks.translate import Alignment, SentencePair, TranslateResult

MAX_SHOWN = 300
"""Sentences; a browser draws more of them too slowly."""
MAX_MAPS = 60
"""Sentences with a heat map, and"""
MAX_MAP_WORDS = 48
"""words on either side of one; larger ones are no longer read."""
_LEAST_WEIGHT = 0.12
"""Weaker links would light half the sentence."""

Segment = tuple[str, int]
"""Text, and the number of the word that it is; -1 is none."""


def pairs_view(elem_id: str) -> gr.HTML:
    """The component; its value is what `describe_pairs` gives, or empty."""
    return drawn_view("pairs", elem_id)


def let_choose(view: gr.HTML, result: Component) -> None:
    """Put the text with the alternatives that a visitor chose into `result`; no server is asked."""
    view.input(None, view, result, js="(value) => JSON.parse(value).text", **PRIVATE)


def describe_pairs(
    result: TranslateResult,
    *,
    title: str = "title",
    only: Callable[[SentencePair], bool] = lambda pair: True,
    places: Sequence[str] = (),
) -> str:
    """Value of the view.

    Args:
        result: A translation.
        title: Which of the view's words is its heading.
        only: Which sentences are shown.
        places: Where the units stand, in words; shown above their sentences.
    """
    wanted = [number for number, pair in enumerate(result.sentences) if only(pair)]
    shown = wanted[:MAX_SHOWN]
    if not shown:
        return ""
    leads, tail = ([""] * len(shown), "") if result.units else _gaps(result, len(shown))
    rows = [{**_row(result, number), "lead": lead} for number, lead in zip(shown, leads, strict=True)]
    for row, number in zip(rows[:MAX_MAPS], shown, strict=False):
        row["map"] = heat_map(result.sentences[number])
    for row, number in zip(rows, shown, strict=True):
        row["place"] = places[result.sentences[number].unit] if places else ""
    back = result.back_translation
    return encoded(
        {
            "title": title,
            "source": result.source,
            "target": result.target,
            "sentences": rows,
            "tail": tail,
            "more": len(wanted) - len(shown),
            "chrf": None if back is None else round(back.chrf),
        }
    )


def _row(result: TranslateResult, number: int) -> dict[str, Any]:
    pair, back = result.sentences[number], result.back_translation
    source, target, links = _linked(pair)
    score = back.sentence_chrf[number] if back else None
    return {
        "source": source,
        "target": target,
        "links": links,
        "unsure": pair.low_confidence,
        "kept": pair.kept,
        "known": pair.in_dictionary,
        "terms": [[use.term, use.translation, use.applied] for use in pair.glossary],
        "others": [other.text for other in pair.alternatives],
        "back": "" if back is None or score is None else back.sentences[number],
        "chrf": None if score is None else round(score),
    }


def _gaps(result: TranslateResult, shown: int) -> tuple[list[str], str]:
    """What stands in the text before each sentence, and after the last one that is shown."""
    gaps, cursor = [], 0
    for pair in result.sentences[:shown]:
        gaps.append(result.text[cursor : pair.target_start])
        cursor = pair.target_start + len(pair.target)
    return gaps, result.text[cursor:]


def _linked(pair: SentencePair) -> tuple[list[Segment], list[Segment], list[tuple[int, int, int]]]:
    """Both sides in segments, and links as source word, target word and weight in per cent."""
    alignment = pair.alignment
    if alignment is None:
        return [(pair.source, -1)], [(pair.target, -1)], []
    links = [link for link in _links(alignment) if _are_words(pair, alignment, link[0], link[1])]
    sources, targets = {source for source, _, _ in links}, {target for _, target, _ in links}
    return (
        segments(pair.source, alignment.source, sources),
        segments(pair.target, alignment.target, targets),
        links,
    )


def heat_map(pair: SentencePair) -> dict[str, Any] | None:
    """Words of both sides, and how much each of the translation's looked at each of the source's, in per cent.

    Marks of punctuation are left out; a map of one word, or of more than `MAX_MAP_WORDS`, is none.
    """
    alignment = pair.alignment
    if alignment is None:
        return None
    columns = _spelt(pair.source, alignment.source)
    rows = _spelt(pair.target, alignment.target)
    if not 1 < max(len(columns), len(rows)) <= MAX_MAP_WORDS or not (columns and rows):
        return None
    weights = [[round(100 * alignment.weights[target][source]) for source, _ in columns] for target, _ in rows]
    return {"source": [word for _, word in columns], "target": [word for _, word in rows], "weights": weights}


def _spelt(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, str]]:
    """The number and the letters of each word that is no mark of punctuation."""
    words = [(number, text[start:end].strip()) for number, (start, end) in enumerate(spans)]
    return [(number, word) for number, word in words if any(map(str.isalnum, word))]


def _links(alignment: Alignment) -> list[tuple[int, int, int]]:
    strongest = set(alignment.links)
    return [
        (source, target, max(1, round(100 * weight)))
        for target, row in enumerate(alignment.weights)
        for source, weight in enumerate(row)
        if weight >= _LEAST_WEIGHT or (source, target) in strongest
    ]


def _are_words(pair: SentencePair, alignment: Alignment, source: int, target: int) -> bool:
    """Whether neither is a mark of punctuation."""
    (a, b), (c, d) = alignment.source[source], alignment.target[target]
    return any(map(str.isalnum, pair.source[a:b])) and any(map(str.isalnum, pair.target[c:d]))


def segments(text: str, spans: Sequence[tuple[int, int]], wanted: set[int]) -> list[Segment]:
    """The text in pieces that add up to it, those of the wanted words with their number."""
    pieces: list[Segment] = []
    cursor = 0
    for number, (start, end) in sorted(enumerate(spans), key=lambda each: each[1]):
        if number not in wanted or start < cursor or end <= start:
            continue
        pieces += [(text[cursor:start], -1)] * (start > cursor) + [(text[start:end], number)]
        cursor = end
    return pieces + [(text[cursor:], -1)] * (cursor < len(text))
