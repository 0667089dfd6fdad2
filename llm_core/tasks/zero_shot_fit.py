"""Fits and measures the scale of `zero_shot` on labelled data; prints what its docstring states.

    python -m llm_core.tasks.zero_shot_fit --data-dir FOLDER

FOLDER is a folder of data sets as `llm_core.data.loaders` reads them; without it they come from the Hub.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llm_core.backends.base import Embeds
from llm_core.catalog import Catalog, ModelSpec
from llm_core.data.loaders import Split, load_rows
from llm_core.engine import Engine, create_engine
from llm_core.evaluation.calibration import expected_calibration_error
from llm_core.session import Session, Steps
from llm_core.settings import Settings
from llm_core.tasks.zero_shot import label_sentences, likeness, softmax

FITTED_ON = ("ag_news", "dbpedia14", "trec_questions", "tweet_emotion")
MEASURED_ON = (*FITTED_ON, "sst2", "sms_spam")
ROWS = 400
SCALES = np.arange(4.0, 60.0)


class Measured(NamedTuple):
    """Likenesses of texts and labels, shape (texts, labels), and the right labels' indices."""

    likeness: NDArray[np.float64]
    gold: NDArray[np.int64]


def log_loss(part: Measured, scale: float) -> float:
    """Mean negative log probability of the right label."""
    probabilities = softmax(scale * part.likeness)
    return float(-np.log(probabilities[np.arange(len(part.gold)), part.gold] + 1e-12).mean())


def fit_scale(parts: Sequence[Measured]) -> float:
    """The scale with the least log loss, each data set counting the same."""
    return float(min(SCALES, key=lambda scale: sum(log_loss(part, scale) for part in parts)))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, help="folder of data sets; default: LLM_CORE_DATA_DIR, then the Hub")
    data_dir = parser.parse_args().data_dir or Settings().data_dir
    with closing(create_engine()) as engine:
        scale = fit_scale([_measured(engine, name, "train", data_dir) for name in FITTED_ON])
        print(f"scale {scale:g}")
        for name in MEASURED_ON:
            part = _measured(engine, name, "validation", data_dir)
            probabilities = softmax(scale * part.likeness)
            error = expected_calibration_error(probabilities, part.gold.tolist())
            accuracy = float((probabilities.argmax(axis=1) == part.gold).mean())
            print(f"{name}: accuracy {accuracy:.3f}, calibration error {error:.3f}")


def _measured(engine: Engine, name: str, split: Split, data_dir: Path | None) -> Measured:
    rows = load_rows(name, split, data_dir)
    labels = sorted({row["label"] for row in rows})
    rows = random.Random(0).sample(rows, min(ROWS, len(rows)))
    texts = engine.answer(_Embedding(), tuple(row["text"] for row in rows)).result
    sentences = engine.answer(_Embedding(), tuple(label_sentences(labels))).result
    return Measured(likeness(texts, sentences), np.array([labels.index(row["label"]) for row in rows]))


class _Embedding:
    """Embeds a tuple of texts; see `Task`."""

    name: ClassVar[str] = "embed"
    request_type: ClassVar[type[Any]] = tuple

    def candidates(self, catalog: Catalog, texts: tuple[str, ...]) -> tuple[ModelSpec, ...]:
        return catalog.for_task("embed")

    def run(self, session: Session, texts: tuple[str, ...]) -> Steps[NDArray[np.float32]]:
        yield from ()
        return session.open(Embeds).embed(texts, session.cancel)


if __name__ == "__main__":
    main()
