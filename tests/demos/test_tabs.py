"""What each tab makes of its result and of what a visitor wrote."""

from __future__ import annotations

import json
from pathlib import Path

import gradio as gr
import pytest

from demos._completions import describe_completions, describe_draft
from demos._mentions import describe_mentions
from demos._tokens import describe_tokens
from demos.answer import _read_upload, mark_answer
from demos.classify import OWN_EXAMPLES, OWN_LABELS, READY, split_labels, to_request
from demos.complete import checked
from demos.entities import mark_entities
from demos.generate import plain_history
from demos.poem import describe_draft as describe_poem_draft
from demos.poem import describe_poem
from demos.sentiment import mark_sentences
from llm_core.tasks.answer import AnswerResult
from llm_core.tasks.complete import Candidate, CompleteResult
from llm_core.tasks.entities import EntitiesResult, Entity, Mention
from llm_core.tasks.poem.task import poem_result
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


def test_tokens_come_with_probability_and_what_else_was_likely() -> None:
    tokens = (Token("The", 0.91, (("The", 0.91), ("\ufffd", 0.05), ("A", 0.02))), Token("冰雪"))
    told = json.loads(describe_tokens(tokens, "<b>"))
    assert told == {"beginning": "<b>", "tokens": [["The", 0.91, [["The", 0.91], ["A", 0.02]]], ["冰雪", None, []]]}


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
    assert kept == gr.skip() and "rule." in message and str(tmp_path) not in message


def test_completions_come_with_probability_and_what_is_wrong_with_them() -> None:
    prefix = "def double(x):\n    "
    found = [
        Candidate(text="return 2 * x", mean_log_probability=-0.1, syntax_ok=True, stopped_at="dedent", stream=0),
        Candidate(text="return 2 * y", mean_log_probability=None, syntax_ok=True, stopped_at="dedent", stream=1),
    ]
    result = CompleteResult(text=found[0].text, candidates=tuple(found))
    checks = checked(result, prefix, "", python=True, run_doctests=False)
    shown = json.loads(describe_completions(prefix, result, checks))
    assert shown["before"] == prefix and [row["text"] for row in shown["candidates"]] == [each.text for each in found]
    assert shown["candidates"][0]["probability"] == 0.905 and "probability" not in shown["candidates"][1]
    assert shown["candidates"][0]["findings"] == []
    assert shown["candidates"][1]["findings"] == [[2, "F821", "Undefined name `y`"]]
    assert checked(result, prefix, "", python=False, run_doctests=False) == [None, None]


def test_only_the_best_completion_s_doctests_are_run() -> None:
    prefix = 'def double(x):\n    """\n    >>> double(2)\n    4\n    """\n    '
    texts = ("return 2 * x", "return 3 * x")
    found = [
        Candidate(text=text, mean_log_probability=None, syntax_ok=True, stopped_at="dedent", stream=0) for text in texts
    ]
    best, other = checked(CompleteResult(text="", candidates=tuple(found)), prefix, "", python=True, run_doctests=True)
    assert best is not None and best.doctests is not None and (best.doctests.passed, best.doctests.failed) == (1, 0)
    assert other is not None and other.doctests is None


def test_code_on_the_page_stays_data() -> None:
    assert "<" not in describe_draft("</script><b>", ["<img src=x>", "&lt;"])
    assert json.loads(describe_draft("1\n2\n3\n4", ["<a>"])) == {"before": "2\n3\n4", "candidates": [{"text": "<a>"}]}


def test_a_poem_is_drawn_sentence_by_sentence_with_its_sounds() -> None:
    text = "白日依山尽，黄河入海流。\n欲穷千里目，更上一层楼。"
    shown = json.loads(describe_poem(poem_result(text, "登鹳雀楼", "五绝")))
    assert [len(sentence) for sentence in shown["sentences"]] == [2, 2] and shown["inForm"] is True
    [characters, mark, rhymes] = shown["sentences"][1][1]
    assert characters[-1] == ["楼", "lóu", 1] and mark == "。" and rhymes == 1
    assert shown["facts"][0] == ["rhymes", 1, 1] and shown["text"].startswith("登鹳雀楼\n白日")
    draft = json.loads(describe_poem_draft("白日依山尽，黄河入海流。\n欲穷"))
    assert [len(sentence[0][0]) for sentence in draft["sentences"]] == [12, 2]
