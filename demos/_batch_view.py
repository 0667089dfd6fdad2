"""What the browser shows of a run over a table: figures and charts as data (see `_drawn`), and rows for the table."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr
from gradio.i18n import I18nData

from demos._drawn import encoded
from demos._i18n import t
from llm_core.evaluation.bootstrap import Estimate, Interval
from llm_core.tasks.batch.export import added_cells
from llm_core.tasks.batch.kinds import kind_of
from llm_core.tasks.batch.run import BatchResult, RowOutcome
from llm_core.tasks.batch.summary import Confusion, Summary, mistakes_among, scored_rows

MAX_BARS = 20
MAX_SHOWN_ROWS = 1_000
"""A browser draws more of them too slowly; the CSV file has all."""
MAX_CELL_CHARS = 400
MAX_TEXT_CHARS = 240
ALL, ERRORS, MISTAKES, CATEGORY = "all", "errors", "mistakes", "="
_WIDE = {"→ translation", "→ entities", "→ text", "error"}


def describe_batch(result: BatchResult, summary: Summary | None = None) -> str:
    """Value of the view: while it runs, how far it is and what came up; in the end also how good it is."""
    told: dict[str, Any] = {
        "task": result.task,
        "total": result.total,
        "done": result.done,
        "errors": result.errors,
        "resumed": result.resumed,
        "rate": result.rate,
        "remaining": result.remaining_seconds,
        "ended": summary is not None,
        "counts": list(result.counts.items())[:MAX_BARS],
        "more": max(0, len(result.counts) - MAX_BARS),
    }
    return encoded(told | (_figures(summary) if summary is not None else {}))


def _figures(summary: Summary) -> dict[str, Any]:
    matrix = summary.confusion
    return {
        "names": list(summary.names.items()),
        "confidence": summary.confidence,
        "scored": summary.scored,
        "scores": main_scores(summary.scores),
        "matrix": None if matrix is None else {"labels": matrix.labels, "counts": matrix.counts, "f1": f1_of(summary)},
        "mistakes": [
            [each.row, each.text[:MAX_TEXT_CHARS], each.predicted[:MAX_TEXT_CHARS], each.truth, each.confidence]
            for each in summary.mistakes
        ],
        "mistakesTotal": summary.mistakes_total,
        "unknown": summary.unknown,
    }


def main_scores(scores: Mapping[str, Estimate]) -> list[tuple[str, float, Interval | None]]:
    """Name, value and, where the rows can tell it, interval of the figures that say how good the answers are."""
    return [(name, each.value, each.interval) for name, each in scores.items() if name in MAIN_SCORES]


MAIN_SCORES = ("accuracy", "macro_f1", "exact_match", "f1", "bleu", "chrf")


def f1_of(summary: Summary) -> list[float | None]:
    """F1 of each label of the matrix, where rows have it."""
    matrix: Confusion | None = summary.confusion
    found = [summary.scores.get(f"f1[{label}]") for label in matrix.labels] if matrix else []
    return [None if each is None else each.value for each in found]


def show_choices(result: BatchResult, summary: Summary) -> list[tuple[str | I18nData, str]]:
    """What the table can be narrowed to."""
    choices: list[tuple[str | I18nData, str]] = [(t("batch.show_all"), ALL)]
    if result.errors:
        choices.append((t("batch.show_errors"), ERRORS))
    if summary.mistakes:
        choices.append((t("batch.show_mistakes"), MISTAKES))
    return choices + [(name, CATEGORY + name) for name in list(result.counts)[:MAX_BARS]]


def shown_rows(result: BatchResult, chosen: str) -> Any:
    """An update of the table: the first rows that fit the choice, in the columns that matter."""
    request, added = result.request, kind_of(result.task).added
    columns = list(dict.fromkeys([*request.columns.values(), *([request.truth] if request.truth else [])]))
    places = [request.table.column(name) for name in columns]
    data: list[list[Any]] = []
    for number in _fitting(result, chosen):
        row, outcome = request.table.rows[number - 1], result.outcomes[number - 1]
        cells = [*(row[place] for place in places), *added_cells(result.task, outcome)[: len(added)]]
        data.append(
            [number, *(cell[:MAX_CELL_CHARS] for cell in [*cells, outcome.error][: None if result.errors else -1])]
        )
    headers = ["#", *columns, *(f"→ {name}" for name in added), *(["error"] if result.errors else [])]
    texts = set(request.columns.values())
    wide = 520 if len(texts) + len(_WIDE.intersection(headers)) == 1 else 360  # pixels
    return gr.update(
        value={"headers": headers, "data": data},
        datatype=["number", *["str"] * (len(headers) - 1)],
        column_widths=[64, *(wide if name in texts | _WIDE else 150 for name in headers[1:])],
        visible=True,
    )


def _fitting(result: BatchResult, chosen: str) -> list[int]:
    """Numbers of the first rows that fit a choice, from 1."""
    wrong: set[int] = set()
    if chosen == MISTAKES:
        wrong = {each.row for each in mistakes_among(scored_rows(result), kind_of(result.task).truth)}
    fits: Callable[[int, RowOutcome], bool] = {
        ALL: lambda number, outcome: True,
        ERRORS: lambda number, outcome: bool(outcome.error),
        MISTAKES: lambda number, outcome: number in wrong,
    }.get(chosen, lambda number, outcome: chosen.removeprefix(CATEGORY) in outcome.reading.categories)
    numbered = enumerate(result.outcomes[: result.done], start=1)
    fitting = (number for number, outcome in numbered if fits(number, outcome))
    return list(itertools.islice(fitting, MAX_SHOWN_ROWS))
