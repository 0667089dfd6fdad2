"""Data sets by name: a local folder first, else the Hub.

- A name such as ``"sst2"`` means ``DATA_DIR/sst2/train.jsonl.zst`` and its like: jsonl, csv or parquet, zst or not.
  DATA_DIR is an argument, else the environment variable ``LLM_CORE_DATA_DIR``; there is no built-in folder.
- Without such a folder, a name in `HUB_DATASETS` is fetched with the `datasets` library and renamed into our fields.
- JSON lines are split on the newline character alone: texts may hold U+2028 and other characters that
  `str.splitlines` takes for an end of line.

Rows are plain dicts. Classification: ``text, label``.
QA: ``id, context, question, answers[{text, answer_start}], source``.
The module knows nothing of tokens or models.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from llm_core.errors import InputError, ModelUnavailableError

Row = dict[str, Any]
"""One example, as read from the file."""
Split = Literal["train", "validation"]
"""The two splits that training uses; held-out test data never passes through here."""

DATA_DIR_VARIABLE = "LLM_CORE_DATA_DIR"


def load_rows(name: str, split: Split, data_dir: Path | None = None) -> list[Row]:
    """Reads one split of a data set.

    Args:
        name: Data set name, such as ``"ag_news"``.
        split: ``"train"`` or ``"validation"``.
        data_dir: Folder that holds one folder a data set; default: the environment variable ``LLM_CORE_DATA_DIR``.

    Raises:
        InputError: The name is not a plain name, or a line cannot be read (the message names file and line).
        ModelUnavailableError: Neither a local file nor the Hub can give the data set.
    """
    if not name or Path(name).name != name or name.startswith("."):
        raise InputError("data", "must be a plain data set name", name)
    file = find_file(name, split, data_dir)
    return list(read_file(file)) if file is not None else _load_from_hub(name, split)


def find_file(name: str, split: Split, data_dir: Path | None = None) -> Path | None:
    """The local file of a split, or None when the data folder is not given or does not hold it."""
    folder = data_dir or _folder_from_environment()
    if folder is None:
        return None
    candidates = [folder / name / f"{split}{kind}{packed}" for kind in _READERS for packed in ("", ".zst")]
    return next((path for path in candidates if path.is_file()), None)


def read_file(file: Path) -> Iterator[Row]:
    """Yields the rows of one ``.jsonl``, ``.csv`` or ``.parquet`` file, ``.zst`` or not.

    Raises:
        InputError: The kind is unknown, or a line is malformed.
    """
    kinds = [suffix for suffix in file.suffixes if suffix != ".zst"]
    reader = _READERS.get(kinds[-1] if kinds else "")
    if reader is None:
        raise InputError("data", f"{file.name}: kind must be one of {', '.join(_READERS)}")
    yield from reader(_read_bytes(file), file)


def _folder_from_environment() -> Path | None:
    value = os.environ.get(DATA_DIR_VARIABLE)
    return Path(value) if value else None


def _read_bytes(file: Path) -> bytes:
    if file.suffix != ".zst":
        return file.read_bytes()
    import zstandard  # only compressed packs need it

    try:
        with file.open("rb") as stream, zstandard.ZstdDecompressor().stream_reader(stream) as reader:
            return bytes(reader.read())
    except zstandard.ZstdError as error:
        raise InputError("data", f"{file} is not a readable zstd file: {error}") from error


def _decode(data: bytes, file: Path) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError("data", f"{file}, line {line}: is not UTF-8") from error


def _jsonl(data: bytes, file: Path) -> Iterator[Row]:
    for number, line in enumerate(_decode(data, file).split("\n"), start=1):
        if line.strip():
            yield _json_row(line, file, number)


def _json_row(line: str, file: Path, number: int) -> Row:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError("data", f"{file}, line {number}: is not JSON: {error.msg}") from error
    if not isinstance(row, dict):
        raise InputError("data", f"{file}, line {number}: must be a JSON object", row)
    return row


def _csv(data: bytes, file: Path) -> Iterator[Row]:
    # newline="" lets the csv module see quoted line ends as they are
    reader = csv.DictReader(io.StringIO(_decode(data, file), newline=""), strict=True)
    try:
        for row in reader:
            if None in row or None in row.values():
                raise InputError(
                    "data", f"{file}, line {reader.line_num}: must have {len(reader.fieldnames or [])} fields"
                )
            yield dict(row)
    except csv.Error as error:
        raise InputError("data", f"{file}, line {reader.line_num}: is not CSV: {error}") from error


def _parquet(data: bytes, file: Path) -> Iterator[Row]:
    import pyarrow.lib  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]

    try:
        yield from pyarrow.parquet.read_table(io.BytesIO(data)).to_pylist()
    except pyarrow.lib.ArrowInvalid as error:
        raise InputError("data", f"{file} is not a readable parquet file: {error}") from error


_READERS: Mapping[str, Callable[[bytes, Path], Iterator[Row]]] = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}


@dataclass(frozen=True)
class HubDataset:
    """Where the Hub keeps a data set, and how its columns become ours."""

    hub_id: str
    config: str | None = None
    splits: tuple[str, str] = ("train", "validation")
    """The Hub's names of our train and validation split."""
    columns: tuple[str, ...] = ("text",)
    """Columns that, joined by a blank, make our `text`; empty for QA."""
    label: str = "label"
    label_names: tuple[str, ...] = ()
    """Our label names in the order of the Hub's integer labels; empty: the Hub's own names."""


_THREE_WAY = ("negative", "neutral", "positive")
HUB_DATASETS: Mapping[str, HubDataset] = {
    "sst2": HubDataset("stanfordnlp/sst2", columns=("sentence",), label_names=("negative", "positive")),
    "movie_review_mr": HubDataset("cornell-movie-review-data/rotten_tomatoes", label_names=("negative", "positive")),
    "tweet_sentiment": HubDataset("cardiffnlp/tweet_eval", "sentiment", label_names=_THREE_WAY),
    "ag_news": HubDataset(
        "fancyzhx/ag_news", splits=("train", "test"), label_names=("World", "Sports", "Business", "Sci/Tech")
    ),
    "dbpedia14": HubDataset("fancyzhx/dbpedia_14", splits=("train", "test"), columns=("content",)),
    "sms_spam": HubDataset(
        "ucirvine/sms_spam", splits=("train", "train"), columns=("sms",), label_names=("ham", "spam")
    ),
    "qa_en": HubDataset("rajpurkar/squad_v2", columns=()),
}
"""Public data sets of the same task, for when no folder is given; their rows differ from a local pack's."""


def _load_from_hub(name: str, split: Split) -> list[Row]:
    source = HUB_DATASETS.get(name)
    remedy = f"put {name}/{split}.jsonl into a folder and name it by --data-dir or {DATA_DIR_VARIABLE}"
    if source is None:
        raise ModelUnavailableError(name, f"no local {split} file, and the Hub's name for it is not known", remedy)
    try:
        import datasets

        part = source.splits[0 if split == "train" else 1]
        table = datasets.load_dataset(source.hub_id, source.config, split=part)
    except (ImportError, OSError, ValueError) as error:
        raise ModelUnavailableError(name, f"the Hub could not give {source.hub_id}: {error}", remedy) from error
    return [hub_row(dict(row), source, _label_names(table, source)) for row in table]


def _label_names(table: Any, source: HubDataset) -> tuple[str, ...]:
    return source.label_names or tuple(getattr(table.features.get(source.label), "names", ()))


def hub_row(row: Row, source: HubDataset, names: tuple[str, ...]) -> Row:
    """A Hub row in our fields; see the module docstring."""
    if source.columns:
        return {"text": " ".join(str(row[c]).strip() for c in source.columns), "label": names[int(row[source.label])]}
    answers = [
        {"text": text, "answer_start": start}
        for text, start in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True)
    ]
    return {
        "id": row["id"],
        "context": row["context"],
        "question": row["question"],
        "answers": answers,
        "source": "squad2.0",
    }
