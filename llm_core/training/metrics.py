"""Scores: scikit-learn's for labels, SQuAD's own for answers.

`squad_f1` and `exact_match` follow the official SQuAD 2.0 script (arXiv:1806.03822): lower case, no punctuation, no
articles; the best over the reference answers; an unanswerable question counts 1 only for the empty answer.
All values are shares in [0, 1].
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

from sklearn.metrics import accuracy_score, f1_score, recall_score

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(answer: str) -> str:
    """An answer as SQuAD compares it."""
    return " ".join(_ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split())


def exact_match(prediction: str, references: Sequence[str]) -> float:
    """1.0 when the prediction equals a reference; no references: when it is empty."""
    return float(normalised(prediction) in {normalised(text) for text in references or [""]})


def squad_f1(prediction: str, references: Sequence[str]) -> float:
    """Best word-overlap F1 over the references; no references: 1.0 for the empty answer, else 0.0."""
    return max(_f1(normalised(prediction).split(), normalised(text).split()) for text in references or [""])


def _f1(found: list[str], wanted: list[str]) -> float:
    if not found or not wanted:
        return float(found == wanted)
    common = sum((Counter(found) & Counter(wanted)).values())
    return 2 * common / (len(found) + len(wanted))


def label_scores(predicted: Sequence[str], gold: Sequence[str]) -> dict[str, float]:
    """Accuracy, macro F1 and macro recall over the labels in `gold`, and each label's F1 as ``f1[label]``."""
    labels = sorted(set(gold))
    each = f1_score(gold, predicted, labels=labels, average=None, zero_division=0.0)
    return {
        "accuracy": float(accuracy_score(gold, predicted)),
        "macro_f1": float(f1_score(gold, predicted, labels=labels, average="macro", zero_division=0.0)),
        "macro_recall": float(recall_score(gold, predicted, labels=labels, average="macro", zero_division=0.0)),
        **{f"f1[{label}]": float(value) for label, value in zip(labels, each, strict=True)},
    }


def answer_scores(predicted: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Mean EM and F1 over all rows and over the answerable ones; ``no_answer_accuracy`` over the others."""
    f1 = [squad_f1(text, wanted) for text, wanted in zip(predicted, references, strict=True)]
    em = [exact_match(text, wanted) for text, wanted in zip(predicted, references, strict=True)]
    answerable = [i for i, wanted in enumerate(references) if wanted]
    without = [i for i, wanted in enumerate(references) if not wanted]
    return {
        "exact_match": _mean(em),
        "f1": _mean(f1),
        **(
            {
                "answerable_exact_match": _mean([em[i] for i in answerable]),
                "answerable_f1": _mean([f1[i] for i in answerable]),
            }
            if answerable
            else {}
        ),
        **({"no_answer_accuracy": _mean([f1[i] for i in without])} if without else {}),
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
