"""Tables through tasks, over echo models: answers in their rows, Stop, going on, figures, files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest

from llm_core.backends.echo import EchoBackend
from llm_core.engine import Engine
from llm_core.errors import BackendError, InputError, ModelUnavailableError, UnknownModelError
from llm_core.many import FIRST_BATCH
from llm_core.tasks import find_task
from llm_core.tasks.batch.export import enriched_name, to_csv
from llm_core.tasks.batch.run import Batches, BatchRequest, BatchResult, BatchTask
from llm_core.tasks.batch.summary import confusion_of, summarise
from llm_core.tasks.batch.table import Table, read_table
from llm_core.types import CancelToken, Completed, Event, Partial
from tests.support.echo import echo_encoder, echo_engine, echo_spec

LABELS = ("positive", "neutral", "negative")
HEAD = {"head": "sequence_classification", "tasks": ("sentiment",), "labels": LABELS}
SENTIMENT = BatchTask(find_task("sentiment"))


@pytest.fixture
def backend() -> EchoBackend:
    return EchoBackend()


@pytest.fixture
def engine(backend: EchoBackend) -> Iterator[Engine]:
    engine = echo_engine(
        echo_encoder("feelings", **HEAD),
        echo_encoder("chinese", **{**HEAD, "languages": ("zh",)}),
        echo_encoder("tagger", head="token_classification", tasks=("entities",), labels=("O", "B-PER", "I-PER")),
        echo_encoder("reader", head="span_extraction", tasks=("answer",)),
        echo_spec("translator", head="seq2seq", tasks=("translate",), language_pairs=(("en", "zh"), ("zh", "en"))),
        echo_spec("writer"),
        backend=backend,
    )
    yield engine
    engine.close()


def asked(table: Table, **fields: Any) -> BatchRequest:
    return BatchRequest.parse({"table": table, "columns": {"text": "text"}, **fields})


def texts(*rows: str, name: str = "a.csv") -> Table:
    stream = io.StringIO()
    csv.writer(stream).writerows([["text", "label"], *(row.split("|") for row in rows)])
    return read_table(stream.getvalue().encode(), name)


def run(batches: Batches, request: BatchRequest, task: BatchTask = SENTIMENT, **options: Any) -> BatchResult:
    *_, last = batches.run(task, request, **options)
    assert isinstance(last, Completed)
    assert isinstance(last.result, BatchResult)
    return last.result


def stop_after(batches: Batches, request: BatchRequest, rows: int) -> tuple[BatchResult, list[Event]]:
    """A run that is stopped once so many rows are done."""
    cancel, events = CancelToken(), []
    for event in batches.run(SENTIMENT, request, cancel=cancel):
        events.append(event)
        if isinstance(event, Partial) and event.done >= rows:
            cancel.cancel()
    last = events[-1]
    assert isinstance(last, Completed)
    return last.result, events


def csv_rows(result: BatchResult) -> list[list[str]]:
    data = to_csv(result)
    assert data.startswith(b"\xef\xbb\xbf"), "Excel would not read Chinese"
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_every_row_is_answered_in_its_place(engine: Engine) -> None:
    result = run(Batches(engine), asked(texts("so positive|x", "so negative|y")))
    assert [outcome.reading.answer for outcome in result.outcomes] == ["positive", "negative"]
    head, first, second = csv_rows(result)
    assert head == ["text", "label", "sentiment_label", "sentiment_confidence", "sentiment_model", "sentiment_error"]
    assert first[:3] == ["so positive", "x", "positive"] and 0.5 < float(first[3]) < 1
    assert second[2] == "negative" and second[4:] == ["feelings", ""]
    assert (result.counts, result.errors, result.done) == ({"positive": 1, "negative": 1}, 0, 2)


def test_a_bad_row_has_its_error_and_the_others_their_answers(engine: Engine) -> None:
    result = run(Batches(engine), asked(texts("positive|x", "|only a label", "a" + "\u0301" * 20 + "|z", "negative|y")))
    errors = [outcome.error for outcome in result.outcomes]
    assert errors == [
        "",
        "text: must not be empty",
        "text: must not stack more than 16 combining marks on one character",
        "",
    ]
    assert result.errors == 2 and csv_rows(result)[2][2:] == ["", "", "", "text: must not be empty"]


def test_rows_run_in_batches_that_grow(engine: Engine, backend: EchoBackend) -> None:
    result = run(Batches(engine), asked(texts(*["positive|x"] * 500)))
    assert result.done == 500
    assert backend.batch_sizes[0] == FIRST_BATCH and len(backend.batch_sizes) < 8


def test_progress_tells_done_rate_and_what_is_left(engine: Engine) -> None:
    events = list(Batches(engine).run(SENTIMENT, asked(texts(*["positive|x"] * 100))))
    partial = [event for event in events if isinstance(event, Partial)]
    assert [event.done for event in partial] == sorted(event.done for event in partial)
    first = partial[0].result
    assert (first.done, first.total, first.counts) == (FIRST_BATCH, 100, {"positive": FIRST_BATCH})
    assert first.rate > 0 and first.remaining_seconds == pytest.approx((100 - FIRST_BATCH) / first.rate)


def test_stop_keeps_what_is_done_and_the_same_table_goes_on(engine: Engine, backend: EchoBackend) -> None:
    batches, table = Batches(engine), texts(*[f"positive {n}|x" for n in range(100)])
    stopped, _ = stop_after(batches, asked(table), FIRST_BATCH)
    assert stopped.stopped and stopped.done == FIRST_BATCH
    assert len(csv_rows(stopped)) == FIRST_BATCH + 1
    assert enriched_name(stopped) == f"a.sentiment-first-{FIRST_BATCH}.csv"
    backend.batch_sizes.clear()
    again = run(batches, asked(texts(*[f"positive {n}|x" for n in range(100)], name="renamed.csv")))
    assert (again.resumed, again.done, again.stopped) == (FIRST_BATCH, 100, False)
    assert sum(backend.batch_sizes) == 100 - FIRST_BATCH
    assert len(csv_rows(stopped)) == FIRST_BATCH + 1, "what was shown before does not grow"


def test_other_settings_other_texts_and_a_fresh_start_begin_with_the_first_row(engine: Engine) -> None:
    batches, rows = Batches(engine), [f"positive {n}|x" for n in range(50)]
    for other in (
        asked(texts(*rows, "one more|y")),
        asked(texts(*rows), fresh=True),
    ):
        stop_after(batches, asked(texts(*rows)), FIRST_BATCH)
        assert run(batches, other).resumed == 0
    stop_after(batches, asked(texts(*rows)), FIRST_BATCH)
    assert run(batches, asked(texts(*rows)), model_id="feelings").resumed == 0
    assert run(Batches(engine), asked(texts(*rows))).resumed == 0


def test_a_run_whose_client_left_goes_on_too(engine: Engine) -> None:
    batches, request = Batches(engine), asked(texts(*["positive|x"] * 60))
    events = batches.run(SENTIMENT, request)
    while not isinstance(next(events), Partial):
        pass
    events.close()
    assert run(batches, request).resumed == FIRST_BATCH


def test_a_run_that_is_complete_begins_anew(engine: Engine) -> None:
    batches, request = Batches(engine), asked(texts("positive|x"))
    run(batches, request)
    assert run(batches, request).resumed == 0


def test_a_text_that_the_chosen_model_does_not_read_is_said_in_its_row(engine: Engine) -> None:
    result = run(Batches(engine), asked(texts("positive|x")), model_id="chinese")
    assert "is mostly written in the Latin alphabet" in result.outcomes[0].error


def test_what_no_row_can_help_ends_the_run() -> None:
    def broken(call: int) -> Exception:
        return BackendError("no luck")

    engine = echo_engine(echo_encoder("feelings", **HEAD), backend=EchoBackend(failures=broken))
    with pytest.raises(BackendError, match="no luck"):
        run(Batches(engine), asked(texts("positive|x", "negative|y")))
    engine.close()


def test_an_unknown_model_and_wrong_columns_are_said(engine: Engine) -> None:
    batches, table = Batches(engine), texts("positive|x")
    with pytest.raises(UnknownModelError):
        run(batches, asked(table), model_id="feeling")
    with pytest.raises(InputError, match="column: must be one of text, label"):
        run(batches, asked(table, columns={"text": "review"}))
    with pytest.raises(InputError, match="columns: must be given for text"):
        run(batches, asked(table, columns={"question": "text"}))
    many = texts(*[f"positive|label {n}" for n in range(60)])
    with pytest.raises(InputError, match="must have at most 50 different labels, this has 60"):
        run(batches, asked(many, truth="label"))
    with pytest.raises(InputError, match="truth: is not compared with in entities"):
        run(batches, asked(table, truth="label"), BatchTask(find_task("entities")))
    with pytest.raises(InputError, match="task: must be one of"):
        BatchTask(find_task("poem"))
    engine = echo_engine(echo_spec("writer"))
    with pytest.raises(ModelUnavailableError):
        run(Batches(engine), asked(table))
    engine.close()


def test_formulas_come_out_as_text_and_can_be_had_back(engine: Engine) -> None:
    hostile = ["=1+1", "+cmd|' /C calc'!A0", "-2", "@SUM(A1)", "\t=1", " =1", "＝1"]
    table = read_table(("\n".join(["text", *(f'"{cell} positive"' for cell in hostile)])).encode(), "a.csv")
    rows = csv_rows(run(Batches(engine), asked(table)))[1:]
    for cell, (text, *_) in zip(hostile, rows, strict=True):
        assert not text.lstrip().startswith(("=", "+", "-", "@", "\t", "\r", "＝"))
        assert text == f"'{cell} positive"


def test_figures_of_labels(engine: Engine) -> None:
    rows = ["positive|POS", "positive positive|negative", "negative|差评", "neutral|", "negative|mixed"]
    summary = summarise(run(Batches(engine), asked(texts(*rows), truth="label")))
    assert summary.scored == 4 and summary.scores["accuracy"].value == 0.5
    assert summary.scores["accuracy"].low <= 0.5 <= summary.scores["accuracy"].high
    assert summary.unknown == ("mixed",)
    assert [(each.row, each.predicted, each.truth) for each in summary.mistakes] == [
        (2, "positive", "negative"), (5, "negative", "mixed"),
    ]  # fmt: skip
    matrix = summary.confusion
    assert matrix is not None and matrix.labels == ("mixed", "negative", "positive")
    assert matrix.counts == ((0, 1, 0), (0, 1, 1), (0, 0, 1))


def test_rare_labels_share_a_row_of_the_matrix() -> None:
    truth = [f"label {n:02}" for n in range(30)] + ["label 00"] * 5
    matrix = confusion_of(truth, truth)
    assert len(matrix.labels) == 20 and matrix.labels[-1] == "…"
    assert sum(map(sum, matrix.counts)) == 35 and matrix.counts[-1][-1] == 11


def test_answers_are_compared_with_the_right_ones(engine: Engine) -> None:
    table = read_table(
        b"question,context,answer\nwhat lighthouse,The lighthouse stands,lighthouse\nwhat else,The lighthouse stands,\n"
        b"what stands,It stands,tower\n",
        "a.csv",
    )
    request = BatchRequest(
        table=table, columns={"question": "question", "context": "context"}, truth="answer", fields={}
    )
    result = run(Batches(engine), request, BatchTask(find_task("answer")))
    summary = summarise(result)
    assert result.counts == {"answered": 2, "unanswered": 1}
    assert summary.scores["exact_match"].value == pytest.approx(2 / 3)
    assert [(each.row, each.predicted, each.truth) for each in summary.mistakes] == [(3, "stands", "tower")]


def test_entities_are_counted_and_named(engine: Engine) -> None:
    result = run(
        Batches(engine),
        asked(texts("Ada met Alan.|x", "then Ada left.|y", "nobody|z")),
        BatchTask(find_task("entities")),
    )
    assert result.counts == {"PER": 3}
    assert csv_rows(result)[1][2:4] == ["Ada (PER); Alan (PER)", "2"]
    assert list(summarise(result).names.items())[0] == ("Ada (PER)", 2)


def test_translations_of_rows_share_calls_and_are_those_of_single_texts(engine: Engine, backend: EchoBackend) -> None:
    task, rows = (
        find_task("translate"),
        ["One two. Three four five.", "Six seven", "# Eight nine\n\n- ten", "今天 天气 很好"],
    )
    fields = {"source": "en", "target": "zh"}
    alone = [engine.answer(task, task.request_type.parse({"text": row, **fields})).result.text for row in rows]
    stream = io.StringIO()
    csv.writer(stream).writerows([["text"], *([row] for row in rows)])
    table = read_table(stream.getvalue().encode(), "a.csv")
    result = run(Batches(engine), asked(table, fields=fields), BatchTask(task))
    assert [outcome.reading.answer for outcome in result.outcomes] == alone


def test_tasks_that_cannot_batch_run_row_by_row(engine: Engine) -> None:
    table = read_table(b"prompt\none two\nthree\n", "a.csv")
    request = BatchRequest(table=table, columns={"prompt": "prompt"}, fields={"max_new_tokens": 3})
    events = list(Batches(engine).run(BatchTask(find_task("generate")), request))
    assert [event.done for event in events if isinstance(event, Partial)] == [1, 2]
    last = events[-1]
    assert isinstance(last, Completed) and last.result.outcomes[0].reading.answer.startswith("one two")
