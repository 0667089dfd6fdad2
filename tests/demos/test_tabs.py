"""What each tab makes of its result and of what a visitor wrote."""

from __future__ import annotations

import json
from pathlib import Path

import gradio as gr
import pytest

from demos._mentions import describe_mentions
from demos.answer import _read_upload, mark_answer
from demos.classify import OWN_EXAMPLES, OWN_LABELS, READY, split_labels, to_request
from demos.entities import mark_entities
from demos.generate import color_tokens, plain_history
from demos.sentiment import mark_sentences
from llm_core.tasks.answer import AnswerResult
from llm_core.tasks.entities import EntitiesResult, Entity, Mention
from llm_core.tasks.sentiment import SentenceSentiment, SentimentResult
from llm_core.types import Token


@pytest.mark.parametrize("written", ["a, b;c", "a，b、c", "a\nb\n\nc,", " a ；b, c "])
def test_labels_may_be_separated_in_english_and_chinese_ways(written: str) -> None:
    assert split_labels(written) == ["a", "b", "c"]


def test_only_the_chosen_way_of_labelling_is_asked_for() -> None:
    given = ("ag_news", "a, b", "x | a\ny | b", "text")
    assert to_request(READY, *given) == {"text": "text", "label_set": "ag_news"}
    assert to_request(OWN_LABELS, *given) == {"text": "text", "labels": ["a", "b"]}
    assert to_request(OWN_EXAMPLES, *given) == {"text": "text", "examples": (("x", "a"), ("y", "b"))}


def test_marked_sentences_add_up_to_the_text() -> None:
    text = " Good.  Bad!\n"
    places = ((1, 6, "positive"), (8, 12, "negative"))
    sentences = tuple(SentenceSentiment(start=s, end=e, label=label, scores={label: 1.0}) for s, e, label in places)
    result = SentimentResult(label="positive", scores={"positive": 1.0}, sentences=sentences, windows=1)
    marked = mark_sentences(text, result)
    assert "".join(piece for piece, _ in marked) == text
    assert [piece for piece in marked if piece[1]] == [("Good.", "positive"), ("Bad!", "negative")]


def test_marked_entities_add_up_to_the_text_and_names_are_counted() -> None:
    text = " Ada met Alan. Ada left.\n"
    places = ((1, 4, 0.9), (9, 13, 0.8), (15, 18, 0.95))
    found = tuple(Entity(text=text[s:e], label="PER", start=s, end=e, score=score) for s, e, score in places)
    ada = Mention(text="Ada", label="PER", count=2, sentences=2, score=0.95)
    result = EntitiesResult(entities=found, mentions=(ada,), sentences=2)
    marked = mark_entities(text, result)
    assert "".join(piece for piece, _ in marked) == text
    assert [piece for piece in marked if piece[1]] == [("Ada", "PER"), ("Alan", "PER"), ("Ada", "PER")]
    assert json.loads(describe_mentions(result)) == {"rows": [["Ada", "PER", 2, 2, 0.95]], "more": 0, "read": 2}


def answered(answer: str, start: int) -> AnswerResult:
    return AnswerResult(
        answer=answer, start=start, end=start + len(answer), score=0.9, passages=(), passages_total=1, alternatives=()
    )


def test_an_answer_is_marked_within_what_surrounds_it() -> None:
    context = "x" * 5000 + "1932" + "y" * 5000
    marked = mark_answer(context, answered("1932", 5000))
    assert marked is not None
    (before, _), (answer, label), (after, _) = marked
    assert (answer, label) == ("1932", "answer")
    assert before.startswith("…x") and after.endswith("y…") and len(before + after) < 2000
    assert mark_answer(context, answered("", 0)) is None


def test_tokens_are_coloured_by_probability() -> None:
    tokens = [Token("a", 0.95), Token("b", 0.5), Token("c", 0.1), Token("d", 0.0), Token("e")]
    assert [band for _, band in color_tokens(tokens)] == ["≥ 90 %", "50–90 %", "10–50 %", "< 10 %", None]


def test_history_of_the_page_and_of_clients_reads_the_same() -> None:
    page = [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, {"role": "assistant", "content": " "}]
    assert (
        plain_history(page) == plain_history([{"role": "user", "content": "Hi"}]) == [{"role": "user", "content": "Hi"}]
    )


def test_an_upload_fills_the_passage_or_says_what_is_wrong(tmp_path: Path) -> None:
    good, empty = tmp_path / "good.txt", tmp_path / "empty.txt"
    good.write_text("The bridge was opened in 1932.", encoding="utf-8")
    empty.write_text("  ", encoding="utf-8")
    assert _read_upload(str(good)) == ("The bridge was opened in 1932.", "")
    kept, message = _read_upload(str(empty))
    assert kept == gr.skip() and "error.upload" in message and str(tmp_path) not in message
