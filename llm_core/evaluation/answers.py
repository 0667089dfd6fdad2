"""Scores of answers to questions about a text: exact match and F1, as the data sets' own scripts count them.

- English, SQuAD 2.0 (arXiv:1806.03822): lower case, no punctuation, no articles; F1 over words.
- Chinese, CMRC 2018 (arXiv:1810.07366): lower case, no punctuation of its list; one segment a Chinese character and a
  word of other scripts; F1 over the longest common run of segments. Its script splits other scripts with NLTK; here
  words and single marks are told apart, which differs for contractions and abbreviations ("don't", "U.S.").

Either way the best over the reference answers counts, and an unanswerable question counts 1 only for the empty answer.
All values are shares in [0, 1].
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Literal

import numpy as np

from llm_core.evaluation.bootstrap import Estimate, mean_interval

Language = Literal["en", "zh"]
"""Whose rules apply: SQuAD's or CMRC's."""

RIGHT_FROM = 0.5
"""A span counts as right from this word-overlap F1 on."""

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_CMRC_PUNCTUATION = str.maketrans("", "", "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
# 3.5 and 1,000 are one segment, as for NLTK
_CMRC_SEGMENT = re.compile(r"[\u4e00-\u9fa5]|[^\W\u4e00-\u9fa5]+(?:[.,]\d+)*|[^\w\s]")


def normalised(answer: str) -> str:
    """An answer as SQuAD compares it."""
    return " ".join(_ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split())


def cmrc_normalised(answer: str) -> str:
    """An answer as CMRC 2018 compares it: blanks inside it count."""
    return answer.lower().strip().translate(_CMRC_PUNCTUATION)


def cmrc_segments(answer: str) -> list[str]:
    """CMRC's mixed segmentation: Chinese characters one by one, other scripts by the word."""
    return _CMRC_SEGMENT.findall(cmrc_normalised(answer))


def exact_match(prediction: str, references: Sequence[str], language: Language = "en") -> float:
    """1.0 when the prediction equals a reference; no references: when it is empty."""
    rule = _RULES[language][0]
    return float(rule(prediction) in {rule(text) for text in references or [""]})


def answer_f1(prediction: str, references: Sequence[str], language: Language = "en") -> float:
    """Best F1 over the references; no references: 1.0 for the empty answer, else 0.0."""
    return _RULES[language][1](prediction, references)


def squad_f1(prediction: str, references: Sequence[str]) -> float:
    """Best word-overlap F1 over the references; no references: 1.0 for the empty answer, else 0.0."""
    return max(_f1(normalised(prediction).split(), normalised(text).split(), _overlap) for text in references or [""])


def cmrc_f1(prediction: str, references: Sequence[str]) -> float:
    """Best F1 of the longest common run over the references; no references: 1.0 for the empty answer, else 0.0."""
    return max(_f1(cmrc_segments(prediction), cmrc_segments(text), _longest_run) for text in references or [""])


def _f1(found: list[str], wanted: list[str], common: Callable[[list[str], list[str]], int]) -> float:
    if not found or not wanted:
        return float(found == wanted)
    return 2 * common(found, wanted) / (len(found) + len(wanted))


def _overlap(found: list[str], wanted: list[str]) -> int:
    return sum((Counter(found) & Counter(wanted)).values())


def _longest_run(found: list[str], wanted: list[str]) -> int:
    return SequenceMatcher(None, found, wanted, autojunk=False).find_longest_match().size


_RULES: Mapping[Language, tuple[Callable[[str], str], Callable[[str, Sequence[str]], float]]] = {
    "en": (normalised, squad_f1),
    "zh": (cmrc_normalised, cmrc_f1),
}


def answer_scores(
    predicted: Sequence[str], references: Sequence[Sequence[str]], language: Language = "en"
) -> dict[str, Estimate]:
    """Mean EM and F1 over all rows and over the answerable ones; ``no_answer_accuracy`` over the others."""
    pairs = list(zip(predicted, references, strict=True))
    em = np.array([exact_match(text, wanted, language) for text, wanted in pairs])
    f1 = np.array([answer_f1(text, wanted, language) for text, wanted in pairs])
    answerable = np.array([bool(wanted) for wanted in references])
    scores = {"exact_match": mean_interval(em), "f1": mean_interval(f1)}
    if answerable.any():
        scores["answerable_exact_match"] = mean_interval(em[answerable])
        scores["answerable_f1"] = mean_interval(f1[answerable])
    if not answerable.all():
        scores["no_answer_accuracy"] = mean_interval(f1[~answerable])
    return scores
