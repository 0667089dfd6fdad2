"""Rows of cells from the bytes of a file: CSV and TSV, Excel (.xlsx), text with one text a line, JSON lines.

Each reader gives rows of strings, of any length; `table` makes a table of them and holds the bounds on it.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from llm_core.errors import InputError
from llm_core.tasks.delimited import DELIMITERS, delimiter_of
from llm_core.tasks.documents import OLE_SIGNATURE, check_archive, detect_text

FIELD = "document"
MAX_CELL_CHARS = 100_000
MAX_BLANK_ROWS = 10_000
"""So many blank rows of a sheet on end, and the rest of it is not read: often a million follow the last one."""
_NO_DELIMITER = "\x1f"
"""For files of one column, in which commas are punctuation."""

Row = Sequence[str]
Rows = Iterable[Row]


def read_delimited(data: bytes) -> tuple[Rows, str]:
    """Rows of a CSV or TSV file, and how it is written, such as ``gb18030 · ";"``."""
    text, encoding = _text_of(data)
    delimiter = _own_delimiter(text)
    shown = {"\t": "tab", _NO_DELIMITER: ""}.get(delimiter, f'"{delimiter}"')
    return _parsed(text, delimiter), " · ".join(part for part in (encoding, shown) if part)


def read_lines(data: bytes) -> tuple[Rows, str]:
    """Lines of a text, each a row of one cell."""
    text, encoding = _text_of(data)
    return ((line.strip(),) for line in io.StringIO(text)), encoding


def read_json_lines(data: bytes) -> tuple[Rows, str]:
    """JSON objects, one a line; the first row has their keys in the order in which they come up."""
    text, encoding = _text_of(data)
    objects = [_object(number, line) for number, line in enumerate(io.StringIO(text), start=1) if line.strip()]
    keys = list(dict.fromkeys(key for each in objects for key in each))
    rows = ([_written(each.get(key)) for key in keys] for each in objects)
    return itertools.chain([[_written(key) for key in keys]], rows), encoding


def read_workbook(data: bytes) -> tuple[Rows, str]:
    """Rows of the first sheet of an Excel file as its values, not its formulas, and the name of the sheet."""
    import openpyxl

    if data.startswith(OLE_SIGNATURE):
        raise InputError(
            FIELD, "is an old Excel file or is locked by a password; save it as .xlsx without one, or as .csv"
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            check_archive(archive, "xl/workbook.xml", "Excel (.xlsx)")
        workbook = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        sheet = workbook.worksheets[0]
        sheet.reset_dimensions()  # what the file says of its size may be wrong
        rows = list(_until_blank([_written(value) for value in row] for row in sheet.iter_rows(values_only=True)))
    except InputError:
        raise
    except Exception as error:  # openpyxl and expat raise whatever a broken file leads them into
        raise InputError(FIELD, f"is not an Excel file that can be read ({type(error).__name__})") from error
    return rows, str(sheet.title)


READERS: Mapping[str, Callable[[bytes], tuple[Rows, str]]] = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".xlsx": read_workbook,
    ".txt": read_lines,
    ".jsonl": read_json_lines,
}
"""By the end of a file's name."""


def _text_of(data: bytes) -> tuple[str, str]:
    if data.startswith((b"PK\x03\x04", OLE_SIGNATURE)):
        raise InputError(FIELD, "is an Office file or an archive, whatever its name says; name it .xlsx if it is one")
    text, encoding = detect_text(data)
    if "\x00" in text:
        raise InputError(FIELD, "must be a text file; this one has NUL characters")
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n"), encoding


def _own_delimiter(text: str) -> str:
    """What separates the cells of the first line; where nothing does, commas further down are punctuation."""
    first = next((line for line in io.StringIO(text) if line.strip()), "")
    found = delimiter_of(text)
    if found in first:
        return found
    return max(DELIMITERS, key=first.count) if any(mark in first for mark in DELIMITERS) else _NO_DELIMITER


def _parsed(text: str, delimiter: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            rule = f"line {reader.line_num}: is not a row that can be read ({error}); is a quotation mark left open?"
            raise InputError(FIELD, rule) from error
        yield row


def _object(number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InputError(FIELD, f"line {number}: must be a JSON object")
    return value


def _written(value: object) -> str:
    """A value of JSON or of a sheet as text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()  # JSON can hold lone surrogates
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime) and value.time() == datetime.min.time():
        return value.date().isoformat()
    if isinstance(value, bool | int | float | list | dict):
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()
    return str(value)


def _until_blank(rows: Iterable[list[str]]) -> Iterator[list[str]]:
    blank = 0
    for row in rows:
        blank = 0 if any(row) else blank + 1
        if blank > MAX_BLANK_ROWS:
            return
        if not blank:
            yield row
