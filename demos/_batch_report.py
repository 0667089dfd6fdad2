"""One page about a run over a table, for somebody who was not there: a file that needs nothing but itself.

It has no script and asks for nothing from anywhere; every text of the table is escaped. A browser prints it to PDF.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from demos._batch_view import MAX_BARS, f1_of, main_scores
from demos._i18n import strings
from llm_core.tasks.batch.run import BatchResult
from llm_core.tasks.batch.summary import Summary

EXAMPLES = 5
MAX_CHARS = 160
_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("assets")),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write_report(result: BatchResult, summary: Summary, models: str, language: str) -> bytes:
    """The page as UTF-8.

    Args:
        result: The run.
        summary: Its figures.
        models: What visitors call those that answered.
        language: Of the page, ``"en"`` or ``"zh"``.
    """
    said = strings(language)
    table = {name.partition(".")[2]: text for name, text in said.items() if name.startswith("report.")}
    most = max(result.counts.values(), default=1)
    page = _PAGES.get_template("report.html").render(
        say=table,
        batch={name.partition(".")[2]: text for name, text in said.items() if name.startswith("batch.")},
        language="zh-CN" if language == "zh" else "en",
        task=said[f"{result.task}.title"],
        data=result.request.table.name,
        date=f"{datetime.now():%Y-%m-%d %H:%M}",
        models=models,
        result=result,
        summary=summary,
        bars=[(name, count, count / most) for name, count in list(result.counts.items())[:MAX_BARS]],
        counted=sum(result.counts.values()),
        scores=main_scores(summary.scores),
        f1=f1_of(summary),
        examples=_examples(result),
        cut=lambda text: text if len(text) <= MAX_CHARS else text[: MAX_CHARS - 1] + "…",
    )
    return page.encode("utf-8", "replace")


def _examples(result: BatchResult) -> list[dict[str, Any]]:
    """The surest answer of each category, then the first rows, a few in all."""
    request = result.request
    text = request.table.column(next(iter(request.columns.values())))
    answered = [
        (number, outcome.reading) for number, outcome in enumerate(result.outcomes[: result.done]) if not outcome.error
    ]
    surest = {
        category: max(
            (each for each in answered if category in each[1].categories), key=lambda each: each[1].confidence or 0.0
        )
        for category in list(result.counts)[:EXAMPLES]
    }
    chosen = dict([*surest.values(), *answered][: 2 * EXAMPLES])
    return [
        {"text": request.table.rows[number][text], "answer": reading.cells[0], "confidence": reading.confidence}
        for number, reading in list(chosen.items())[:EXAMPLES]
    ]
