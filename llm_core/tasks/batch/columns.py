"""Which column is which: a guess from names and contents, which the visitor can change."""

from __future__ import annotations

from collections.abc import Collection

from llm_core.tasks.batch.kinds import Kind
from llm_core.tasks.batch.table import Table

_LOOKED_AT = 200
"""Rows that are looked at for a guess."""
MAX_LABELS = 50
"""A column with more different values than these is no column of labels."""


def guess_columns(table: Table, kind: Kind) -> dict[str, str]:
    """A column for each field of the task, by name, else the one with the longest cells."""
    guessed: dict[str, str] = {}
    for field, names in kind.fields.items():
        found = _named(table, names, guessed.values()) or _longest(table, guessed.values())
        guessed[field] = found or table.columns[0]
    return guessed


def guess_truth(table: Table, kind: Kind, taken: Collection[str]) -> str | None:
    """The column with the right answers, by name only; of labels, there are a few different ones."""
    if kind.truth is None:
        return None
    found = _named(table, kind.truth_names, taken)
    if found and kind.truth == "label" and len(different(table, found)) > MAX_LABELS:
        return None
    return found


def different(table: Table, column: str) -> set[str]:
    """The values of a column, blank ones aside."""
    number = table.column(column)
    return {row[number].strip() for row in table.rows} - {""}


def _named(table: Table, names: Collection[str], taken: Collection[str]) -> str | None:
    """The free column whose name comes first among `names`."""
    free = {column.casefold().strip(): column for column in reversed(table.columns) if column not in taken}
    return next((free[name] for name in names if name in free), None)


def _longest(table: Table, taken: Collection[str]) -> str | None:
    rows = table.rows[:_LOOKED_AT]
    lengths = {
        column: sum(len(row[number]) for row in rows)
        for number, column in enumerate(table.columns)
        if column not in taken
    }
    return max(lengths, key=lambda column: lengths[column], default=None)
