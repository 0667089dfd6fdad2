"""What the views of *Under the hood* are told, and what they make of what a visitor sends."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest

from demos import _inspection as inspection
from demos._learning import describe_learning
from demos._walkthrough import describe_numbers, show_step
from demos.under_the_hood import VIEWS
from llm_core.backends.base import ForwardPass, Reading
from llm_core.settings import REPOSITORY_ROOT
from llm_core.tasks.under_the_hood.task import reduced
from llm_core.tokenizer import Piece
from llm_core.walkthrough import walk

VOCABULARY = ("<s>", "▁a", "b", "[MASK]", "</script>")


def forward_pass(encoder: bool = False) -> ForwardPass:
    """Two pieces, two layers of three heads."""
    random = np.random.default_rng(0)
    ids = (3, 1) if encoder else (0, 1)
    pieces = tuple(Piece(VOCABULARY[token], token, 0, place, None) for place, token in enumerate(ids))
    attention = np.full((2, 3, 2, 2), 0.5, np.float32)
    reading = Reading(pieces, "a", random.normal(size=(3, 2, 4)).astype(np.float32), attention)
    logits = random.normal(size=(3, 2, len(VOCABULARY))).astype(np.float32)
    sides: dict[str, Any] = {"encoder": reading, "decoder": None} if encoder else {"encoder": None, "decoder": reading}
    return ForwardPass(
        cross_attention=None, logits=logits, vocabulary=VOCABULARY, mask_id=3 if encoder else None, **sides
    )


@pytest.mark.parametrize("encoder", [False, True])
@pytest.mark.parametrize("name", VIEWS)
def test_every_view_is_told_of_every_kind_of_model_without_markup(name: str, encoder: bool) -> None:
    told = VIEWS[name](reduced(forward_pass(encoder)))
    assert json.loads(told) and "<" not in told and "`" not in told


def test_only_models_that_write_have_a_next_token() -> None:
    assert json.loads(inspection.describe_sampling(reduced(forward_pass(encoder=True)))) == {
        "offer": "showcase-decoder"
    }
    told = json.loads(inspection.describe_sampling(reduced(forward_pass())))
    assert told["grows"] and told["logits"] == sorted(told["logits"], reverse=True)
    assert sorted(told["pieces"]) == sorted(VOCABULARY)


def test_gaps_are_told_in_their_order_and_others_lead_to_an_encoder() -> None:
    told = json.loads(inspection.describe_hidden(reduced(forward_pass(encoder=True))))
    assert len(told["hidden"]) == 1 and "model" not in told and told["guesses"]
    assert sum(chance for _, chance in told["hidden"][0]) == pytest.approx(1, abs=1e-3)
    other = json.loads(inspection.describe_hidden(reduced(forward_pass())))
    assert other["hidden"] == [] and other["model"] == "auto"


def test_a_history_is_told_once_and_unknown_ones_are_not() -> None:
    told = json.loads(describe_learning(REPOSITORY_ROOT / "models", "showcase-encoder"))
    assert told["points"][0][3] > told["points"][-1][3]
    assert len(told["looks"][0][1]) == len(told["inputs"])
    assert len({tuple(row) for row in told["data"]}) == len(told["data"])
    assert describe_learning(REPOSITORY_ROOT / "models", "../etc") == describe_learning(Path("/nowhere"), "x") == ""


def test_a_step_is_shown_with_its_formula_and_its_numbers() -> None:
    message, words, numbers = show_step("zh", " ", 5)
    assert message == "" and "### 5. 注意力分数" in words and "\\sqrt{d_k}" in words
    tables = json.loads(numbers)["tables"]
    assert [table["name"] for table in tables] == ["S_1", "S_2"] and tables[0]["columns"] == [
        "我",
        "喜欢",
        "吃",
        "水果",
    ]
    names = [table["name"] for step in walk("en") for table in json.loads(describe_numbers(step))["tables"]]
    assert not [name for name in names if "\\" in name]


@pytest.mark.parametrize(
    ("language", "sentence", "number"),
    [
        ("en", "I like dragons", 1),
        ("fr", "I like", 1),
        ("en", "", 0),
        ("en", "", 99),
        ("en", "", None),
        ("en", "I " * 90, 1),
        ("en", 7, 1),
    ],
)
def test_what_cannot_be_walked_through_leaves_what_was_there(language: Any, sentence: Any, number: Any) -> None:
    message, words, numbers = show_step(language, sentence, number)
    assert re.search(r"(?:error|rule)\.", message) and words == numbers == gr.skip()
