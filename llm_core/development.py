"""Training and measuring, tied to the catalogue and the served path; what the commands `train` and `evaluate` do.

Training itself knows neither; it lives in `llm_core.training`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_core.catalog import Catalog, ModelSpec, load_catalog
from llm_core.data.loaders import Row, load_rows
from llm_core.engine import Engine, create_engine
from llm_core.errors import InputError
from llm_core.settings import Settings
from llm_core.tasks import find_task
from llm_core.training.evaluate import evaluate
from llm_core.training.recipe import load_recipe
from llm_core.training.train import train
from llm_core.weights import WeightStore

_BATCH_ROWS = 256


def train_recipe(name: str, data_dir: Path | None, output: Path | None, resume: bool, settings: Settings) -> str:
    """Train a recipe's model and describe what came out.

    Args:
        name: Name or path of the recipe.
        data_dir: Folder of data sets; ``None`` means the setting, then the Hub.
        output: Directory to write; ``None`` means ``models/NAME``.
        resume: Go on from the last checkpoint.
        settings: Where weights and models are.

    Raises:
        InputError: The recipe breaks a rule, or names a base model that the catalogue does not have.
    """
    recipe = load_recipe(name)
    catalog = load_catalog()
    base = WeightStore(settings, catalog).files(_base_entry(catalog, recipe.base)).directory
    report = train(
        recipe,
        base_dir=base,
        data_dir=data_dir or settings.data_dir,
        output_dir=output or settings.models_dir / recipe.name,
        resume=resume,
    )
    return str(report)


def _base_entry(catalog: Catalog, repo: str) -> ModelSpec:
    for spec in catalog.values():
        if spec.hub is not None and spec.hub.repo == repo:
            return spec
    raise InputError("base", f"no catalogue entry comes from {repo!r}")


@dataclass(frozen=True)
class Rows:
    """Which rows to measure on."""

    data: str
    """Name of the data set."""
    split: str = "validation"
    """``train`` or ``validation``."""
    data_dir: Path | None = None
    """Folder of data sets; ``None`` means the setting, then the Hub."""
    sources: tuple[str, ...] = ()
    """Only rows whose `source` is among these; empty: all."""
    limit: int | None = None
    """Only the first rows."""


def evaluate_model(model_id: str, wanted: Rows, settings: Settings) -> dict[str, float]:
    """Scores of a model as it is served: through its task, in its precision, with its calibration.

    Args:
        model_id: Catalogue id. An embedding model is measured zero-shot on the labels of the data.
        wanted: What to measure on.
        settings: For the engine.

    Raises:
        UnknownModelError: There is no such model.
        InputError: It has no task that can be evaluated, or the data cannot be read.
    """
    if wanted.split not in ("train", "validation"):
        raise InputError("split", "must be train or validation")
    found = load_rows(wanted.data, wanted.split, wanted.data_dir or settings.data_dir)  # type: ignore[arg-type]
    rows = [row for row in found if not wanted.sources or row.get("source") in wanted.sources][: wanted.limit]
    with closing(create_engine(settings)) as engine:
        spec = engine.catalog[model_id]
        if "answer" in spec.tasks:
            return evaluate(lambda rows: _answers(engine, spec, rows), rows, "question_answering")
        if "sentiment" in spec.tasks or "classify" in spec.tasks:
            return evaluate(lambda rows: _labels(engine, spec, rows), rows, "classification")
    raise InputError(
        "model", f"{model_id} has no task that can be evaluated yet; these have: answer, sentiment, classify"
    )


def _answers(engine: Engine, spec: ModelSpec, rows: Sequence[Row]) -> list[str]:
    requests = [{"question": row["question"], "context": row["context"]} for row in rows]
    return [result.answer for result in _results(engine, "answer", spec, requests)]


def _labels(engine: Engine, spec: ModelSpec, rows: Sequence[Row]) -> list[str]:
    if "sentiment" in spec.tasks:
        return [result.label for result in _results(engine, "sentiment", spec, [{"text": row["text"]} for row in rows])]
    choice: dict[str, Any] = {"label_set": spec.label_set}
    if spec.label_set is None:
        choice = {"labels": sorted({row["label"] for row in rows})}
    requests = [{"text": row["text"], **choice} for row in rows]
    return [result.label for result in _results(engine, "classify", spec, requests)]


def _results(engine: Engine, task_name: str, spec: ModelSpec, requests: list[dict[str, Any]]) -> list[Any]:
    task = find_task(task_name)
    parsed = [task.request_type.parse(request) for request in requests]
    chunks = [parsed[start : start + _BATCH_ROWS] for start in range(0, len(parsed), _BATCH_ROWS)]
    return [result for chunk in chunks for result in engine.run_many(task, chunk, model_id=spec.id)]
