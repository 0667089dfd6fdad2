"""The card's part about explanations, which are measured after training: how faithful they are, beside chance."""

from __future__ import annotations

import re
from collections.abc import Sequence

from llm_core.evaluation.scores import Score

_HEADING, _NEXT = "## Explanations", "## Training data and licences"
_SECTION = """\
{heading}
Words in the order of their integrated gradients, against a random order, on {rows} texts of `{data}`
({split}{parts}) drawn by chance: {what}
(deletion, small is good), and while they are put in (insertion, large is good); Petsiuk et al. 2018. Values with their
95 % interval; the last line is the difference text by text.

| order of words | deletion | insertion |
|---|--:|--:|
| integrated gradients | {deletion} | {insertion} |
| random | {deletion[random]} | {insertion[random]} |
| better by | {deletion_gain} | {insertion_gain} |

Measure again: `python -m llm_core evaluate {model} --data {data} --data-dir DIR --explain --card{options}`.

"""
_WHAT = {
    "label": "the mean probability of the predicted label while words leave the text",
    "entities": "the mean probability of one of the text's entities, drawn by chance (of its type, as a mean over its\n"
    "words, which always stay), while the other words leave its sentence",
    "answer": "the mean probability of the answer that the model found (of its first token times that of its last;\n"
    "its own words always stay, and only questions that get an answer count), while the other words leave the text",
}
"""By what was explained."""


def has_explanations(card: str) -> bool:
    """Whether a card tells how faithful the model's explanations are."""
    return f"\n{_HEADING}\n" in card


def with_explanations(
    card: str, model: str, scores: Sequence[Score], kind: str = "label", limit: int | None = None
) -> str:
    """The card with these figures in the place of earlier ones.

    Args:
        card: As `card.model_card` writes it.
        model: Catalogue id.
        scores: Of `evaluation.faithfulness`, all of the same data.
        kind: What was explained: ``label``, ``entities`` or ``answer``.
        limit: How many rows were asked for, when it was said.

    Raises:
        ValueError: It is no such card.
    """
    if _NEXT not in card:
        raise ValueError(f"the card of {model} has no part {_NEXT!r}")
    first = scores[0]
    figures = {score.metric: str(score) for score in scores}
    section = _SECTION
    for name, value in figures.items():
        section = section.replace(f"{{{name}}}", value)
    sources = [name for name in first.title.split(", ") if name]
    options = "".join(f" --source {name}" for name in sources) + (f" --limit {limit}" if limit else "")
    parts = f", only {first.title}" if sources else ""
    places: dict[str, object] = {"parts": parts, "options": options}
    places |= {"rows": first.rows, "data": first.data, "split": first.split, "model": model, "what": _WHAT[kind]}
    section = section.format(heading=_HEADING, **places)
    before = re.sub(rf"{_HEADING}\n.*?(?={_NEXT})", "", card, flags=re.DOTALL)
    return before.replace(_NEXT, section + _NEXT, 1)
