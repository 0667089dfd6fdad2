"""Loaders: every format reads the same rows; a bad line is named by file and line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import zstandard

from llm_core.data.loaders import HUB_DATASETS, HubDataset, hub_row, load_rows
from llm_core.errors import InputError, ModelUnavailableError

ROWS = [
    {"text": "plain", "label": "a"},
    {"text": "one\u2028line\x85still", "label": "b"},
    {"text": 'quo"te\nnew', "label": "a"},
]


def _write(folder: Path, name: str, kind: str, rows: list[dict[str, str]] = ROWS) -> Path:
    file = folder / name / f"train{kind}"
    file.parent.mkdir()
    if kind == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    elif kind == ".csv":
        with file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, ["text", "label"])
            writer.writeheader()
            writer.writerows(rows)
    else:
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        file.write_bytes(zstandard.compress(text) if kind.endswith(".zst") else text)
    return file


@pytest.mark.parametrize("kind", [".jsonl", ".jsonl.zst", ".csv", ".parquet"])
def test_every_format_reads_the_same_rows(tmp_path: Path, kind: str) -> None:
    _write(tmp_path, "set", kind)
    assert load_rows("set", "train", tmp_path) == ROWS


def test_the_environment_variable_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path, "set", ".jsonl")
    monkeypatch.setenv("LLM_CORE_DATA_DIR", str(tmp_path))
    assert len(load_rows("set", "train")) == 3


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


def test_hub_rows_get_our_fields() -> None:
    row = hub_row(
        {"title": " A ", "content": "b", "label": 1}, HubDataset("x/y", columns=("title", "content")), ("n", "p")
    )
    assert row == {"text": "A b", "label": "p"}


def test_hub_answers_get_our_fields() -> None:
    source = {"id": "1", "context": "c d", "question": "q", "answers": {"text": ["d"], "answer_start": [2]}}
    assert hub_row(source, HUB_DATASETS["qa_en"], ())["answers"] == [{"text": "d", "answer_start": 2}]
