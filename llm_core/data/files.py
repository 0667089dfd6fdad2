"""Rows of one file, one at a time: JSON lines, CSV or Parquet, plain or zstd.

- Memory stays constant however long the file is: a line (Parquet: a group of rows) is read, given, forgotten.
- JSON lines are split on the newline character alone: texts may hold U+2028 and other characters that
  `str.splitlines` takes for an end of line.
- A line that cannot be read is named by file and line number.

The module knows nothing of what the fields mean.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from llm_core.errors import InputError

Row = dict[str, Any]
"""One example, as read from the file."""
NumberedRow = tuple[int, Row]
"""A row and where it stands: the line it ends on; in Parquet its number; both from 1."""

ROWS_AT_ONCE = 1024
"""Rows of a Parquet file that are in memory together."""


def read_file(file: Path) -> Iterator[NumberedRow]:
    """Yields the rows of one ``.jsonl``, ``.csv`` or ``.parquet`` file, ``.zst`` or not, with their line numbers.

    Raises:
        InputError: The kind is unknown, or a line is malformed.
    """
    kinds = [suffix for suffix in file.suffixes if suffix != ".zst"]
    reader = READERS.get(kinds[-1] if kinds else "")
    if reader is None:
        raise InputError("data", f"{file.name}: kind must be one of {', '.join(READERS)}")
    with _opened(file) as stream:
        yield from reader(stream, file)


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, decompressed while they are read."""
    with file.open("rb") as stream:
        if file.suffix != ".zst":
            yield stream
            return
        import zstandard  # only compressed packs need it

        try:
            with zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True) as plain:
                yield io.BufferedReader(plain)
        except zstandard.ZstdError as error:
            raise InputError("data", f"{file} is not a readable zstd file: {error}") from error


def _lines(stream: IO[bytes], file: Path) -> Iterator[str]:
    """Lines with their newline; `bytes` iterates over the newline character alone, unlike `str`."""
    for number, line in enumerate(stream, start=1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise InputError("data", f"{file}, line {number}: is not UTF-8") from error


def _jsonl(stream: IO[bytes], file: Path) -> Iterator[NumberedRow]:
    for number, line in enumerate(_lines(stream, file), start=1):
        if line.strip():
            yield number, _json_row(line, file, number)


def _json_row(line: str, file: Path, number: int) -> Row:
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError("data", f"{file}, line {number}: is not JSON: {error}") from error
    if not isinstance(row, dict):
        raise InputError("data", f"{file}, line {number}: must be a JSON object", row)
    return row


def _csv(stream: IO[bytes], file: Path) -> Iterator[NumberedRow]:
    reader = csv.DictReader(_lines(stream, file), strict=True)
    try:
        for row in reader:
            if None in row or None in row.values():
                wanted = len(reader.fieldnames or [])
                raise InputError("data", f"{file}, line {reader.line_num}: must have {wanted} fields")
            yield reader.line_num, dict(row)
    except csv.Error as error:
        raise InputError("data", f"{file}, line {reader.line_num}: is not CSV: {error}") from error


def _parquet(stream: IO[bytes], file: Path) -> Iterator[NumberedRow]:
    import pyarrow.lib  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]

    with tempfile.TemporaryFile() as spooled:
        source = stream
        if file.suffix == ".zst":  # the index stands at the end, so the reader has to jump
            shutil.copyfileobj(stream, spooled)
            source = spooled
        try:
            batches = pyarrow.parquet.ParquetFile(source).iter_batches(ROWS_AT_ONCE)
            yield from enumerate((row for batch in batches for row in batch.to_pylist()), start=1)
        except pyarrow.lib.ArrowInvalid as error:
            raise InputError("data", f"{file} is not a readable parquet file: {error}") from error


READERS: Mapping[str, Callable[[IO[bytes], Path], Iterator[NumberedRow]]] = {
    ".jsonl": _jsonl,
    ".csv": _csv,
    ".parquet": _parquet,
}
"""Readers by the file name's ending."""
