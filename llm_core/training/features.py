"""Token features on disk: rows are tokenised once, into an Arrow file that is memory-mapped while training.

The file stands in the run folder under a digest of all that decides its content, so a resumed run finds it and a
changed recipe does not. However large the data, a few thousand rows are in memory.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, List, Value
from datasets.arrow_writer import ArrowWriter

from llm_core.data.loaders import Row, find_file
from llm_core.errors import InputError
from llm_core.files import replacing
from llm_core.training.objectives import Feature, Objective
from llm_core.training.recipe import Recipe

_DECIDING = (
    *("objective", "labels", "max_length", "stride", "mark_capitals", "pack", "masking", "infilling", "cleaning"),
    "data",
)


def digest(recipe: Recipe, data_dir: Path | None, vocabulary: str) -> str:
    """Of all that decides the features: the recipe's part, the data files' sizes and times, the vocabulary.

    Args:
        recipe: What is trained.
        data_dir: Folder of data sets.
        vocabulary: Content or name of the tokenizer.
    """
    names = sorted({part.name for part in recipe.data})
    files = [find_file(name, split, data_dir) for name in names for split in ("train", "validation")]
    stamps = [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files if file]
    part = recipe.model_dump(mode="json", include=set(_DECIDING))
    content = [part, recipe.optim.seeds[0], recipe.optim.eval_rows, stamps, vocabulary]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def stored(objective: Objective, rows: Iterable[Row], file: Path) -> Dataset:
    """The features of rows, with a column ``length``: read from `file`, or made and written there.

    Raises:
        InputError: The rows give no features.
    """
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as partial:
            _write(objective.features(rows), partial)
    return Dataset.from_file(str(file))


def _write(features: Iterable[Feature], file: Path) -> None:
    writer: Any = None
    for feature in features:
        row = {**feature, "length": max(len(v) for v in feature.values() if isinstance(v, list))}
        if writer is None:
            writer = ArrowWriter(path=str(file), features=_types(row))
        writer.write(row)
    if writer is None:
        raise InputError("data", "must give at least one row to train on")
    writer.finalize()


def _types(row: Feature) -> Features:
    return Features({k: List(Value("int32")) if isinstance(v, list) else Value("int64") for k, v in row.items()})
