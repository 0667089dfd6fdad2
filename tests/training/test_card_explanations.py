"""The part about explanations is put into a card once, whatever was there before."""

from __future__ import annotations

import pytest

from llm_core.evaluation.scores import Score
from llm_core.training.card_explanations import with_explanations

CARD = "# m\n\n## Scores\nfine\n\n## Training data and licences\n- data\n"
METRICS = ("deletion", "deletion[random]", "deletion_gain", "insertion", "insertion[random]", "insertion_gain")


def scores(start: float) -> list[Score]:
    return [
        Score(data="d", metric=name, value=start + place / 100, low=0.0, high=1.0, rows=40)
        for place, name in enumerate(METRICS)
    ]


def test_figures_stand_in_their_cells_before_the_data() -> None:
    card = with_explanations(CARD, "m", scores(0.1))
    assert card.index("## Scores") < card.index("## Explanations") < card.index("## Training data and licences")
    assert "| integrated gradients | 0.1000 [0.0000, 1.0000] | 0.1300 [0.0000, 1.0000] |" in card
    assert "| random | 0.1100 [0.0000, 1.0000] | 0.1400 [0.0000, 1.0000] |" in card
    assert "on 40 texts of `d`\n(validation) drawn by chance" in card
    assert "evaluate m --data d --data-dir DIR --explain --card`" in card
    assert "{" not in card


def test_measured_again_they_take_the_place_of_the_earlier_ones() -> None:
    once = with_explanations(CARD, "m", scores(0.1))
    again = with_explanations(once, "m", scores(0.5))
    assert again == with_explanations(CARD, "m", scores(0.5)) and again.count("## Explanations") == 1


def test_another_file_is_refused() -> None:
    with pytest.raises(ValueError, match="has no part"):
        with_explanations("# something\n", "m", scores(0.1))


def test_what_was_measured_only_in_part_says_so_and_how() -> None:
    some = [score.model_copy(update={"title": "qamr"}) for score in scores(0.1)]
    card = with_explanations(CARD, "m", some, "answer", 60)
    assert "of `d`\n(validation, only qamr) drawn" in card and "--explain --card --source qamr --limit 60`" in card
    assert "the answer that the model found" in card and "{" not in card
    entities = with_explanations(CARD, "m", scores(0.1), "entities")
    assert "one of the text's entities" in entities and "predicted label" not in entities
