"""Loaders: every format reads the same rows; a bad line is named by file and line."""

from __future__ import annotations

import csv
import json
import tracemalloc
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from llm_core.data.loaders import load_rows, shuffled, stream_rows
from llm_core.errors import InputError, ModelUnavailableError

ROWS = [
    {"text": "plain", "label": "a"},
    {"text": "one\u2028line\x85still", "label": "b"},
    {"text": 'quo"te\nnew', "label": "a"},
]


def _write(folder: Path, name: str, kind: str, rows: list[dict[str, str]] = ROWS) -> Path:
    file = folder / name / f"train{kind}"
    file.parent.mkdir()
    if kind.startswith(".parquet"):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    elif kind.startswith(".csv"):
        with file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, ["text", "label"])
            writer.writeheader()
            writer.writerows(rows)
    else:
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        file.write_bytes(text)
    if kind.endswith(".zst"):
        file.write_bytes(zstandard.compress(file.read_bytes()))
    return file


@pytest.mark.parametrize("packed", ["", ".zst"])
@pytest.mark.parametrize("kind", [".jsonl", ".csv", ".parquet"])
def test_every_format_reads_the_same_rows(tmp_path: Path, kind: str, packed: str) -> None:
    _write(tmp_path, "set", kind + packed)
    assert load_rows("set", "train", tmp_path) == ROWS
    assert list(stream_rows("set", "train", tmp_path, "classification")) == ROWS


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    file = _write(tmp_path, "set", ".csv")
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert load_rows("set", "train", tmp_path) == ROWS


def test_zstd_frames_laid_end_to_end_are_one_file(tmp_path: Path) -> None:
    file = _write(tmp_path, "set", ".jsonl.zst")
    file.write_bytes(file.read_bytes() * 2)
    assert load_rows("set", "train", tmp_path) == ROWS * 2


@pytest.mark.parametrize("kind", [".jsonl", ".jsonl.zst", ".csv", ".parquet"])
def test_a_long_file_takes_no_more_memory_than_a_row_needs(tmp_path: Path, kind: str) -> None:
    _write(tmp_path, "set", kind, [{"text": f"{number} {'x' * 1000}", "label": "a"} for number in range(20_000)])
    rows = stream_rows("set", "train", tmp_path)
    next(rows)
    tracemalloc.start()
    count = 1 + sum(1 for _ in rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 5e6, "the file holds 20 MB of text"


def test_what_a_row_lacks_is_named_by_file_line_and_field(tmp_path: Path) -> None:
    _write(tmp_path, "set", ".jsonl").write_text('{"text": "a", "label": "b"}\n\n{"text": "a"}\n', encoding="utf-8")
    rows = stream_rows("set", "train", tmp_path, "classification")
    assert next(rows) == {"text": "a", "label": "b"}
    with pytest.raises(InputError, match=r"label: .*train\.jsonl, line 3: field required"):
        next(rows)


@given(count=st.integers(0, 200), buffer_size=st.integers(1, 250), seed=st.integers(0, 9))
def test_shuffling_keeps_every_item_once(count: int, buffer_size: int, seed: int) -> None:
    mixed = list(shuffled(range(count), buffer_size, seed))
    assert sorted(mixed) == list(range(count))
    assert mixed == list(shuffled(range(count), buffer_size, seed))
    assert all(item <= place + buffer_size for place, item in enumerate(mixed))


def test_shuffling_mixes_and_depends_on_the_seed() -> None:
    mixed = list(shuffled(range(1000), 100, 1))
    assert sum(item == place for place, item in enumerate(mixed)) < 50
    assert mixed != list(shuffled(range(1000), 100, 2))
    with pytest.raises(InputError, match="buffer_size: must be at least 1"):
        shuffled([], 0, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"text": "a"}\n{"text": \n', "train.jsonl, line 2: is not JSON"),
        (b'{"text": "a"}\n\n[1]\n', "train.jsonl, line 3: must be a JSON object"),
        (b'{"text": "a"}\n\xff\n', "train.jsonl, line 2: is not UTF-8"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    _write(tmp_path, "set", ".jsonl").write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_rows("set", "train", tmp_path)


def test_a_short_csv_row_is_named(tmp_path: Path) -> None:
    _write(tmp_path, "set", ".csv").write_text("text,label\na,b\nc\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"train.csv, line 3: must have 2 fields"):
        load_rows("set", "train", tmp_path)


@pytest.mark.parametrize(
    ("kind", "message"), [(".jsonl.zst", "not a readable zstd"), (".parquet", "not a readable parquet")]
)
def test_a_broken_container_is_named(tmp_path: Path, kind: str, message: str) -> None:
    _write(tmp_path, "set", kind).write_bytes(b"no such thing")
    with pytest.raises(InputError, match=message):
        load_rows("set", "train", tmp_path)


@pytest.mark.parametrize("name", ["", "../secret", "a/b", ".hidden"])
def test_a_name_is_not_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="plain data set name"):
        load_rows(name, "train", tmp_path)


def test_an_unknown_set_says_what_would_help(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="LLM_CORE_DATA_DIR"):
        load_rows("nowhere", "train", tmp_path)
