"""A table from an uploaded file, within bounds: named columns that differ, and rows as long as these.

Every way a file can be too large, broken or empty is an `InputError` on the field ``document``. The module knows
nothing of models.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from llm_core.errors import InputError
from llm_core.tasks.batch.readers import FIELD, MAX_CELL_CHARS, READERS, Row
from llm_core.tasks.documents import bytes_of

SUFFIXES = tuple(READERS)
MAX_ROWS = 50_000
MAX_COLUMNS = 200
MAX_TABLE_CHARS = 20_000_000
"""All cells together: a sheet can name one long text a thousand times."""
MAX_NAME_CHARS = 60
_ALIASES = {".tab": ".tsv", ".ndjson": ".jsonl", ".text": ".txt"}
TEXT_COLUMN = "text"
"""The column of files with one text a line."""


@dataclass(frozen=True, slots=True)
class Table:
    """What a file holds."""

    name: str
    """Of the file."""
    columns: tuple[str, ...]
    """Their names; no two are equal, and none is blank."""
    rows: tuple[tuple[str, ...], ...]
    """Each as long as `columns`; rows without any text are left out."""
    written: str = ""
    """How the file is written: its encoding and what separates its cells, or the name of the sheet."""
    digest: str = ""
    """SHA-256 of the columns and the rows."""

    def column(self, name: str) -> int:
        """Number of the column `name`.

        Raises:
            InputError: There is none.
        """
        if name not in self.columns:
            known = ", ".join(self.columns[:20]) + (", …" if len(self.columns) > 20 else "")
            raise InputError("column", f"must be one of {known}", name)
        return self.columns.index(name)


def read_table(source: bytes | Path, name: str = "", *, header: bool | None = None) -> Table:
    """Read a table.

    Args:
        source: Its bytes, or a file that the program chose (never a path that a visitor typed).
        name: What the visitor calls it; its end says what kind it is.
        header: Whether the first row of a CSV or Excel file names the columns; ``None``: as it looks.

    Raises:
        InputError: It is too large, broken, of another kind, or has no rows.
    """
    name = name or (source.name if isinstance(source, Path) else "")
    suffix = _suffix(name)
    found, written = READERS[suffix](bytes_of(source))
    rows = _bounded(found)
    if suffix == ".txt":
        rows.insert(0, (TEXT_COLUMN,))
    elif suffix != ".jsonl" and not (_looks_like_header(rows) if header is None else header):
        rows.insert(0, ())
    if len(rows) < 2:
        raise InputError(FIELD, "must have at least one row below its header" if rows else "must not be empty")
    width = max(map(len, rows))
    columns = distinct([*rows[0], *[""] * (width - len(rows[0]))])
    body = tuple((*row, *[""] * (width - len(row))) for row in rows[1:])
    return Table(name, columns, body, written, _digest([columns, *body]))


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Column names in which none is blank, long or there twice: the second ``text`` becomes ``text (2)``."""
    taken: dict[str, None] = {}
    for number, written in enumerate(names, start=1):
        plain = " ".join(written.split())[:MAX_NAME_CHARS] or f"column {number}"
        copies = itertools.count(2)
        name = plain
        while name in taken:
            name = f"{plain} ({next(copies)})"
        taken[name] = None
    return tuple(taken)


def _suffix(name: str) -> str:
    suffix = PurePath(name).suffix.lower()
    suffix = _ALIASES.get(suffix, suffix)
    if suffix not in READERS:
        raise InputError(FIELD, f"must be one of {', '.join(SUFFIXES)}")
    return suffix


def _bounded(rows: Iterable[Row]) -> list[tuple[str, ...]]:
    """Rows that hold any text, without blank cells at their ends."""
    kept: list[tuple[str, ...]] = []
    characters = 0
    for number, row in enumerate(rows, start=1):
        cells = _without_tail(row)
        if not cells:
            continue
        if len(cells) > MAX_COLUMNS:
            raise InputError(FIELD, f"row {number}: must have at most {MAX_COLUMNS} columns, it has {len(cells):,}")
        if max(map(len, cells)) > MAX_CELL_CHARS:
            raise InputError(FIELD, f"row {number}: a cell must have at most {MAX_CELL_CHARS:,} characters")
        if len(kept) > MAX_ROWS:
            raise InputError(FIELD, f"must have at most {MAX_ROWS:,} rows; divide it")
        characters += sum(map(len, cells))
        if characters > MAX_TABLE_CHARS:
            raise InputError(FIELD, f"must have at most {MAX_TABLE_CHARS:,} characters in all its cells")
        kept.append(cells)
    return kept


def _without_tail(row: Row) -> tuple[str, ...]:
    end = len(row)
    while end and not row[end - 1].strip():
        end -= 1
    return tuple(row[:end])


def _looks_like_header(rows: Sequence[Row]) -> bool:
    """Names are short and no numbers; some may be missing."""
    first = [cell.strip() for cell in rows[0]] if rows else []
    return all(len(cell) <= MAX_NAME_CHARS and not _is_number(cell) for cell in first)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _digest(rows: Iterable[Row]) -> str:
    """Cells with their lengths, so that no two tables are written alike."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update("".join(f"{len(cell)}:{cell}" for cell in row).encode("utf-8", "replace") + b"\n")
    return digest.hexdigest()
