"""Tables (.csv, .tsv): the cells of the chosen columns; a row of which nothing changes stays byte for byte.

A cell that a spreadsheet would take for a formula (it begins with ``=``, ``+``, ``-``, ``@``) is never translated, and
a translation that begins so gets an apostrophe before it, so that no formula comes out that did not go in.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Literal

from llm_core.errors import InputError
from llm_core.tasks.delimited import delimiter_of, harmless, is_formula
from llm_core.tasks.translate.files.base import FileUnit, check_count, decode

MAX_ROWS = 50_000
MAX_COLUMNS = 500
MAX_SHOWN_NAME = 40


class TableFile:
    """See `TranslatableFile`.

    Args:
        data: The file.
        columns: Names, or numbers from 1, of the columns to translate; none means all.
        header: Whether the first row names the columns.

    Raises:
        InputError: It is no table, too large, or lacks a column.
    """

    format: Literal["plain", "markdown"] = "plain"

    def __init__(self, data: bytes, columns: Sequence[str] = (), *, header: bool = True) -> None:
        self._decoded = decode(data)
        self._delimiter = delimiter_of(self._decoded.text)
        self._rows, self._raw = _read(self._decoded.text, self._delimiter)
        self.header = tuple(self._rows[0]) if header and self._rows else ()
        """Names of the columns."""
        chosen = _chosen(columns, self.header, max(map(len, self._rows), default=0))
        self._places = [
            (number, column)
            for number, row in enumerate(self._rows)
            if not (header and number == 0)
            for column in chosen
            if column < len(row) and _is_text(row[column])
        ]
        self.units = tuple(FileUnit(self._rows[r][c], self._context(r, c)) for r, c in self._places)

    def rebuild(self, translations: Sequence[str], target: str) -> bytes:
        """See `TranslatableFile.rebuild`."""
        check_count(self.units, translations)
        changed: dict[int, list[str]] = {}
        for (row, column), unit, translation in zip(self._places, self.units, translations, strict=True):
            if translation != unit.text:
                changed.setdefault(row, list(self._rows[row]))[column] = harmless(translation)
        lines = (self._written(changed[n], raw) if n in changed else raw for n, raw in enumerate(self._raw))
        return self._decoded.encode("".join(lines))

    def _written(self, row: Sequence[str], raw: str) -> str:
        """A row in the manner of the one it replaces."""
        end = raw[len(raw.rstrip("\r\n")) :]
        quoting: Literal[0, 1] = csv.QUOTE_ALL if raw.count('"') >= 2 * len(row) else csv.QUOTE_MINIMAL
        stream = io.StringIO(newline="")
        csv.writer(stream, delimiter=self._delimiter, quoting=quoting, lineterminator=end).writerow(row)
        return stream.getvalue()

    def _context(self, row: int, column: int) -> str:
        name = self.header[column] if column < len(self.header) else str(column + 1)
        return f"row {row + 1}, {name[:MAX_SHOWN_NAME]}"


def _read(text: str, delimiter: str) -> tuple[list[list[str]], list[str]]:
    """Cells of each row, and the row as it stands in the file."""
    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(lines, delimiter=delimiter)
    rows: list[list[str]] = []
    raw: list[str] = []
    start = 0
    try:
        for row in reader:
            rows.append(row)
            raw.append("".join(lines[start : reader.line_num]))
            start = reader.line_num
            if len(rows) > MAX_ROWS or len(row) > MAX_COLUMNS:
                raise InputError("document", f"must have at most {MAX_ROWS:,} rows and {MAX_COLUMNS} columns")
    except csv.Error as error:
        raise InputError("document", f"is not a table that can be read ({error})") from error
    return rows, raw


def _chosen(columns: Sequence[str], header: Sequence[str], width: int) -> list[int]:
    found = []
    for name in columns:
        if name in header:
            found.append(list(header).index(name))
        elif name.isascii() and name.isdigit() and 1 <= int(name) <= width:
            found.append(int(name) - 1)
        else:
            known = ", ".join(each[:MAX_SHOWN_NAME] for each in header[:20]) or f"1 to {width}"
            raise InputError("columns", f"must be among {known}", name)
    return sorted(set(found)) or list(range(width))


def _is_text(cell: str) -> bool:
    return any(map(str.isalpha, cell)) and not is_formula(cell)
