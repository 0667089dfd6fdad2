"""The panel that explains: what the browser gets to draw, what it may ask for, and the endpoint."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from typing import Any

import pytest

from demos import _explain, classify
from demos._demo import DemoContext
from demos._explain import chosen_in, describe_explanation, is_faithfulness_measured, pieces
from demos._usage import describe_usage
from llm_core.engine import create_engine
from llm_core.errors import InputError
from llm_core.settings import Settings
from llm_core.tasks.explain import TASK, Choice, ExplainResult, WordWeight
from tests.support.echo import echo_engine, echo_spec

TEXT = "Not <b>bad</b>, really."
SENTIMENT = echo_spec(
    "s", tasks=("sentiment",), head="sequence_classification", labels=("positive", "negative"), languages=("en",)
)


def result(**fields: Any) -> ExplainResult:
    chosen = Choice(label="positive", score=0.9)
    values: dict[str, Any] = {
        "explained": chosen,
        "choices": (chosen, Choice(label="negative", score=0.1)),
        "words": (WordWeight(start=0, end=3, weight=-0.5), WordWeight(start=7, end=10, weight=1.5)),
        "output": 2.0, "baseline": 1.0, "completeness_error": 0.1, "start": 0, "end": len(TEXT),
    }  # fmt: skip
    return ExplainResult(**{**values, **fields})


def test_the_pieces_add_up_to_the_text_and_nothing_of_it_is_markup() -> None:
    value = describe_explanation({"of": "sentiment", "text": TEXT}, result())
    assert "<" not in value and ">" not in value
    drawn = json.loads(value)
    assert "".join(text for text, _ in drawn["text"]) == TEXT
    assert [piece for piece in drawn["text"] if piece[1] is not None] == [["Not", -0.5], ["bad", 1.5]]
    assert drawn["cut"] == [False, False] and drawn["question"] == []
    assert drawn["choices"] == [["positive", 0.9, "", 0, True], ["negative", 0.1, "", 0, False]]


def test_figures_are_probabilities_of_labels_and_logits_of_answers() -> None:
    drawn = json.loads(describe_explanation({"of": "sentiment", "text": TEXT}, result()))
    assert (drawn["from"], drawn["to"]) == (0.7311, 0.8808), "1 / (1 + exp(-1)) and 1 / (1 + exp(-2))"
    assert drawn["missed"] == 0.05, "0.1 of the weights' 2.0"
    asked = {"of": "answer", "text": TEXT, "question": "Is it?"}
    drawn = json.loads(describe_explanation(asked, result(question_words=(WordWeight(start=0, end=2, weight=1),))))
    assert (drawn["from"], drawn["to"]) == (1.0, 2.0)
    assert drawn["question"] == [["Is", 1.0], [" it?", None]]


def test_only_what_was_read_is_drawn() -> None:
    assert pieces("a bc d", [WordWeight(start=2, end=4, weight=1)], 2, 4) == [["bc", 1.0]]
    assert pieces("a b", [], 0, 3) == [["a b", None]]


@pytest.mark.parametrize("sent", ["", "[]", "{}", "7", '{"chosen": 1}', None, '{"chosen": ["label"]}'])
def test_what_is_not_a_choice_chooses_nothing(sent: Any) -> None:
    assert chosen_in([sent]) == {}


def test_a_choice_is_a_label_or_the_place_of_an_entity() -> None:
    assert chosen_in(['{"chosen": {"label": "negative", "of": "x"}}']) == {"label": "negative"}
    assert chosen_in(['{"chosen": {"start": 7}}']) == {"start": 7} and chosen_in([]) == {}


def test_labels_of_the_visitor_s_own_are_not_explained() -> None:
    assert classify.to_explain("ready", "spam", "", "", "Hi") == {"text": "Hi", "label_set": "spam"}
    with pytest.raises(InputError, match="only what was trained for its labels"):
        classify.to_explain("labels", "spam", "a, b", "", "Hi")


def test_the_endpoint_gives_the_record() -> None:
    engine = echo_engine(SENTIMENT)
    explain = _explain.endpoint(DemoContext(engine))

    async def last() -> Any:
        return [record async for record in explain("sentiment", "so positive", label="positive")][-1]

    record = asyncio.run(last())
    assert record["explained"]["label"] == "positive" and record["model"] == "s"
    assert record["words"][-1] == {"start": 3, "end": 11, "weight": 2.0}
    engine.close()


def test_it_is_shown_how_to_ask_for_it_elsewhere() -> None:
    engine = echo_engine(SENTIMENT)
    fields = {"of": "sentiment", "text": "so positive", "label": "positive"}
    told = json.loads(describe_usage(DemoContext(engine), TASK, fields, "auto"))
    assert told["left_out"] == [] and "run explain" in dict(told["examples"])["Shell"]
    engine.close()


def test_the_note_on_faithfulness_stands_where_the_card_has_the_figures() -> None:
    with closing(create_engine(Settings(offline=True))) as engine:
        ctx = DemoContext(engine)
        assert is_faithfulness_measured(ctx, "sentiment-en")
        for without in ("multilingual-sentiment", "minilm", "own-1"):
            assert not is_faithfulness_measured(ctx, without)
    drawn = [
        json.loads(describe_explanation({"of": "sentiment", "text": TEXT}, result(), told)) for told in (True, False)
    ]
    assert [each["measured"] for each in drawn] == [True, False]
