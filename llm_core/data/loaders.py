"""Data sets by name: a local folder first, else the Hub.

- A name such as ``"sst2"`` means ``DATA_DIR/sst2/train.jsonl.zst`` and its like: jsonl, csv or parquet, zst or not.
  The folder is an argument; there is no built-in one.
- Without such a file, a name in `hub.HUB_DATASETS` is fetched with the `datasets` library and renamed into our fields.
- `stream_rows` gives one row at a time in constant memory, `load_rows` all of them, `shuffled` mixes a stream.

Rows are plain dicts; `rows` says what each kind of task needs. The module knows nothing of tokens or models.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, TypeVar

from llm_core.data.files import READERS, NumberedRow, Row, read_file
from llm_core.data.hub import hub_rows
from llm_core.data.rows import RowKind, checked
from llm_core.errors import InputError

Split = Literal["train", "validation"]
"""The two splits that training uses; held-out test data never passes through here."""
Item = TypeVar("Item")

__all__ = ["Row", "RowKind", "Split", "find_file", "load_rows", "shuffled", "stream_rows"]


def load_rows(name: str, split: Split, data_dir: Path | None = None, kind: RowKind | None = None) -> list[Row]:
    """Reads one split of a data set into memory; see `stream_rows`."""
    return list(_rows(name, split, data_dir, kind, streaming=False))


def stream_rows(name: str, split: Split, data_dir: Path | None = None, kind: RowKind | None = None) -> Iterator[Row]:
    """Reads one split of a data set, a row at a time; from the Hub without keeping it on disk.

    Args:
        name: Data set name, such as ``"ag_news"``.
        split: ``"train"`` or ``"validation"``.
        data_dir: Folder that holds one folder a data set; None: the Hub.
        kind: What the rows must hold; None: they are not looked at.

    Raises:
        InputError: The name is not a plain name, a line cannot be read, or a row lacks what `kind` needs
            (the message names file, line and field).
        ModelUnavailableError: Neither a local file nor the Hub can give the data set.
    """
    return _rows(name, split, data_dir, kind, streaming=True)


def _rows(name: str, split: Split, data_dir: Path | None, kind: RowKind | None, streaming: bool) -> Iterator[Row]:
    file = find_file(name, split, data_dir)
    numbered: Iterator[NumberedRow]
    numbered = read_file(file) if file is not None else enumerate(hub_rows(name, split, streaming), start=1)
    return checked(numbered, kind, file or f"{name} on the Hub") if kind else (row for _, row in numbered)


def find_file(name: str, split: Split, data_dir: Path | None = None) -> Path | None:
    """The local file of a split, or None when no data folder is given or it does not hold the split.

    Raises:
        InputError: The name is not a plain name.
    """
    if not name or Path(name).name != name or name.startswith("."):
        raise InputError("data", "must be a plain data set name", name)
    if data_dir is None:
        return None
    candidates = [data_dir / name / f"{split}{kind}{packed}" for kind in READERS for packed in ("", ".zst")]
    return next((path for path in candidates if path.is_file()), None)


def shuffled(items: Iterable[Item], buffer_size: int, seed: int) -> Iterator[Item]:
    """Every item once, in an order that depends on the seed alone, with `buffer_size` items in memory.

    An item comes at most `buffer_size` places early; a buffer as long as the stream gives a full shuffle.

    Raises:
        InputError: `buffer_size` is below 1.
    """
    if buffer_size < 1:
        raise InputError("buffer_size", "must be at least 1", buffer_size)
    return _drawn(items, buffer_size, random.Random(seed))


def _drawn(items: Iterable[Item], buffer_size: int, draw: random.Random) -> Iterator[Item]:
    buffer: list[Item] = []
    for item in items:
        if len(buffer) < buffer_size:
            buffer.append(item)
            continue
        place = draw.randrange(buffer_size)
        buffer[place], item = item, buffer[place]
        yield item
    draw.shuffle(buffer)
    yield from buffer
