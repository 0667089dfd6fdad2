"""What a sceptic would try before a neural network, on the same rows: each a function of training rows and texts.

- ``majority``: the commonest label, whatever the text.
- ``tfidf``: TF-IDF of words and word pairs, logistic regression (Salton & Buckley 1988).
- ``ngrams``: hashed character n-grams and a linear classifier, much as fastText does (arXiv:1607.01759).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llm_core.data.words import is_chinese, word_ranges

Baseline = Callable[[Sequence[str], Sequence[str], Sequence[str]], list[str]]
"""Training texts, their labels and texts to label → labels."""
_HASHED = 2**18


def majority(texts: Sequence[str], labels: Sequence[str], asked: Sequence[str]) -> list[str]:
    """The commonest label, for every text."""
    return [Counter(labels).most_common(1)[0][0]] * len(asked)


def tfidf(texts: Sequence[str], labels: Sequence[str], asked: Sequence[str]) -> list[str]:
    """Words (Chinese by its dictionary segmenter) and pairs of them."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(tokenizer=_words, token_pattern=None, ngram_range=(1, 2), sublinear_tf=True)
    return _linear(vectorizer, texts, labels, asked)


def ngrams(texts: Sequence[str], labels: Sequence[str], asked: Sequence[str]) -> list[str]:
    """Two to five characters within words; one to three anywhere in Chinese."""
    from sklearn.feature_extraction.text import HashingVectorizer

    kind: dict[str, Any] = {"analyzer": "char_wb", "ngram_range": (2, 5)}
    if sum(map(is_chinese, texts)) > len(texts) / 2:
        kind = {"analyzer": "char", "ngram_range": (1, 3)}
    return _linear(HashingVectorizer(n_features=_HASHED, alternate_sign=False, **kind), texts, labels, asked)


BASELINES: Mapping[str, Baseline] = {"majority": majority, "tfidf": tfidf, "ngrams": ngrams}


def _words(text: str) -> list[str]:
    return [text[first:last] for first, last in word_ranges(text)]


def _linear(vectorizer: Any, texts: Sequence[str], labels: Sequence[str], asked: Sequence[str]) -> list[str]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=10.0, max_iter=1000).fit(vectorizer.fit_transform(texts), list(labels))
    return [str(label) for label in model.predict(vectorizer.transform(asked))]
