"""A classifier from a handful of examples: logistic regression on sentence embeddings, trained while the visitor
waits.

With few examples the regularisation decides how sure the classifier may be; `REGULARISATION` is measured (see there).
The module takes vectors and knows nothing of the models they come from.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_core.errors import InputError
from llm_core.limits import MAX_EXAMPLES, MAX_LABEL_CHARS, MAX_LABELS

Vectors = NDArray[np.float32]

REGULARISATION = 50.0
"""scikit-learn's C, the inverse of the penalty on the weights. Measured with MiniLM, mean of 4 draws, on 400
validation rows each, as expected calibration error for C = 10 / 50 / 200 (the labels, and so the accuracy, hardly
change): AG News with 4 examples a label 0.26 / 0.17 / 0.12, with 16 0.17 / 0.08 / 0.06; SST-2 with 16 0.05 / 0.07 /
0.11; tweet emotions with 16 0.06 / 0.14 / 0.20."""
MAX_FOLDS = 10
"""Cross-validation leaves one example out up to this many; with more it leaves out a tenth at a time."""
SEPARATORS = ("\t", "=>", "|", ",")
"""Between text and label in pasted lines; the first that every line has is taken, at its last place in the line."""


@dataclass(frozen=True, slots=True)
class FewShotClassifier:
    """A classifier that was trained on examples."""

    labels: tuple[str, ...]
    """In the order of the probabilities."""
    model: Any
    training_seconds: float
    left_out_accuracy: float | None
    """On examples that were left out of training; ``None`` when a label has a single example."""

    def probabilities(self, vectors: Vectors) -> NDArray[np.float64]:
        """Shape (texts, labels), rows summing to 1."""
        return np.asarray(self.model.predict_proba(vectors))


def parse_examples(pasted: str, most: int = MAX_EXAMPLES) -> tuple[tuple[str, str], ...]:
    """Lines "text ⇥ label" to pairs; ``=>``, ``|`` and a comma will do for the tabulator, blank lines for nothing.

    Args:
        pasted: The lines.
        most: How many there may be.

    Raises:
        InputError: On the field ``examples``, naming the line and what it lacks.
    """
    lines = [(number, line.strip()) for number, line in enumerate(pasted.split("\n"), start=1) if line.strip()]
    if not lines:
        raise InputError("examples", "must hold lines of the form: text, tabulator, label")
    if len(lines) > most:
        raise InputError("examples", f"must be at most {most:,} lines, there are {len(lines)}")
    separator = _separator([line for _, line in lines])
    return tuple(_pair(line, separator, number) for number, line in lines)


def _separator(lines: Sequence[str]) -> str:
    """The separator of all lines, else the one of most: the lines without it are then errors."""
    counts = {separator: sum(separator in line for line in lines) for separator in SEPARATORS}
    return max(SEPARATORS, key=lambda separator: counts[separator])


def _pair(line: str, separator: str, number: int) -> tuple[str, str]:
    text, found, label = (part.strip() for part in line.rpartition(separator))
    if separator not in line:
        shown = "a tabulator" if separator == "\t" else repr(separator)
        raise InputError("examples", f"line {number} needs {shown} between text and label", line)
    if not text or not label:
        raise InputError("examples", f"line {number} has no {'label' if text else 'text'}", line)
    if len(label) > MAX_LABEL_CHARS:
        raise InputError("examples", f"line {number}: the label must have at most {MAX_LABEL_CHARS} characters", label)
    return text, label


def check_labels(labels: Sequence[str]) -> None:
    """Accept the labels of examples.

    Raises:
        ValueError: There are too few or too many different ones.
    """
    count = len(set(labels))
    if count < 2:
        raise ValueError("must have examples of at least 2 different labels")
    if count > MAX_LABELS:
        raise ValueError(f"must have at most {MAX_LABELS} different labels, there are {count}")


def train_few_shot(vectors: Vectors, labels: Sequence[str]) -> FewShotClassifier:
    """Train on embedded examples.

    Args:
        vectors: Unit vectors, shape (examples, dimensions).
        labels: One for each example; at least two different ones.
    """
    started = time.perf_counter()
    accuracy = _left_out_accuracy(vectors, labels)
    model = _fitted(vectors, labels)
    return FewShotClassifier(tuple(model.classes_), model, time.perf_counter() - started, accuracy)


def _fitted(vectors: Vectors, labels: Sequence[str]) -> Any:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=REGULARISATION, class_weight="balanced", max_iter=500)
    return model.fit(vectors, np.array(labels))


def _left_out_accuracy(vectors: Vectors, labels: Sequence[str]) -> float | None:
    """Share of examples recognised by classifiers that were not trained on them."""
    if min(Counter(labels).values()) < 2:
        return None
    right = 0
    for left_out in _folds(labels):
        rest = [index for index in range(len(labels)) if index not in left_out]
        predicted = _fitted(vectors[rest], [labels[index] for index in rest]).predict(vectors[sorted(left_out)])
        right += sum(labels[index] == label for index, label in zip(sorted(left_out), predicted, strict=True))
    return right / len(labels)


def _folds(labels: Sequence[str]) -> list[set[int]]:
    """Examples dealt out label by label, so that each fold has about as much of every label and leaves some of
    each."""
    by_label = sorted(range(len(labels)), key=lambda index: labels[index])
    count = min(len(labels), MAX_FOLDS)
    return [set(by_label[fold::count]) for fold in range(count)]
