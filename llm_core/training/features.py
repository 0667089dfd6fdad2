"""Token features on disk: rows are tokenised once, into an Arrow file that is memory-mapped while training.

The file stands in the run folder under a digest of all that decides its content, so a resumed run finds it and a
changed recipe does not. However large the data, a few thousand rows are in memory.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_core.data.loaders import Row, find_file
from llm_core.errors import InputError
from llm_core.files import replacing
from llm_core.training.objectives import Feature, Objective
from llm_core.training.recipe import Recipe

_DECIDING = (
    "objective", "labels", "max_length", "stride", "mark_capitals", "mark_shared_words", "pack", "masking", "infilling",
    "cleaning", "data",
)  # fmt: skip


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


@dataclass(frozen=True)
class FeatureSet:
    """Features by number."""

    rows: Any
    """A sequence of features, in memory or on disk."""
    lengths: list[int]
    """Tokens of each."""

    def __len__(self) -> int:
        return len(self.lengths)


def held(objective: Objective, rows: Iterable[Row]) -> FeatureSet:
    """The features of a few rows, in memory; it needs no `datasets`.

    Raises:
        InputError: The rows give no features.
    """
    features = list(objective.features(rows))
    if not features:
        raise _nothing()
    return FeatureSet(features, [_length(feature) for feature in features])


def stored(objective: Objective, rows: Iterable[Row], file: Path) -> FeatureSet:
    """The features of rows, on disk: read from `file`, or made and written there.

    Raises:
        InputError: The rows give no features.
    """
    from datasets import Dataset

    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as partial:
            _write(objective.features(rows), partial)
    found = Dataset.from_file(str(file))
    return FeatureSet(found.remove_columns("length"), list(found["length"]))


def _write(features: Iterable[Feature], file: Path) -> None:
    from datasets.arrow_writer import ArrowWriter

    writer: Any = None
    for feature in features:
        row = {**feature, "length": _length(feature)}
        if writer is None:
            writer = ArrowWriter(path=str(file), features=_types(row))
        writer.write(row)
    if writer is None:
        raise _nothing()
    writer.finalize()


def _nothing() -> InputError:
    return InputError("data", "must give at least one row to train on")


def _length(feature: Feature) -> int:
    return max(len(value) for value in feature.values() if isinstance(value, list))


def _types(row: Feature) -> Any:
    from datasets import Features, List, Value

    return Features({k: List(Value("int32")) if isinstance(v, list) else Value("int64") for k, v in row.items()})
