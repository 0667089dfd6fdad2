"""A runtime without a model: deterministic answers, at a chosen speed, failing on demand.

It serves unit, load and security tests, and development of the page without weights. It is never part of the shipped
catalogue. Classifiers count label words, embeddings hash words, taggers find capital letters, generators repeat the
prompt's words.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from llm_core.backends.base import Attention, Attribution, Decision, Hypothesis, ModelFiles, NamedSpan, Span, Translates
from llm_core.backends.pieces import piece_spans
from llm_core.catalog import ModelSpec
from llm_core.errors import InputError
from llm_core.types import CancelToken, Sampling, Token

_DIMENSIONS = 64
_WORD = re.compile(r"\w+|[^\w\s]")
_CAPITAL = re.compile(r"\b[A-Z]\w*")

FailurePlan = Callable[[int], Exception | None]
"""Maps the number of a call (from 0) to the error it should raise, or ``None``."""


class EchoBackend:
    """Opens echo models.

    Args:
        threads: Ignored; every runtime takes it.
        seconds_per_call: Time an encoder call takes.
        seconds_per_token: Time a generated token takes.
        failures: Which calls fail, counted over all models of this backend.
    """

    def __init__(
        self,
        threads: int = 1,
        *,
        seconds_per_call: float = 0.0,
        seconds_per_token: float = 0.0,
        failures: FailurePlan = lambda call: None,
    ) -> None:
        self.seconds_per_call = seconds_per_call
        self.seconds_per_token = seconds_per_token
        self.batch_sizes: list[int] = []
        """Items of each encoder call so far."""
        self.running = 0
        """Generations under way."""
        self._failures = failures
        self._calls = itertools.count()

    def open(self, spec: ModelSpec, files: ModelFiles) -> EchoModel:
        """An echo model with the entry's labels and context length."""
        return EchoModel(spec, self)

    def start_call(self) -> None:
        """Count a call, and fail it if the plan says so."""
        if (error := self._failures(next(self._calls))) is not None:
            raise error


class EchoModel(Translates):
    """Has every capability."""

    device = "cpu"

    def __init__(self, spec: ModelSpec, backend: EchoBackend) -> None:
        self.spec = spec
        self.memory_bytes = spec.memory_bytes
        self.context_length = spec.context_length
        self.low_log_probability: float | None = None
        self.closed = False
        self._backend = backend

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True

    def classify(self, texts: Sequence[str], cancel: CancelToken) -> NDArray[np.float32]:
        """Probabilities that grow with how often a label's name occurs in the text, shape (B, C)."""
        self._encode(texts, cancel)
        counts = np.array([[text.lower().count(label.lower()) for label in self.spec.labels] for text in texts])
        weights = np.exp(2.0 * counts)
        probabilities: NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
        return probabilities

    def embed(self, texts: Sequence[str], cancel: CancelToken) -> NDArray[np.float32]:
        """Hashed bags of words as unit vectors, shape (B, D)."""
        self._encode(texts, cancel)
        return np.stack([_hashed_words(text) for text in texts])

    def extract(self, questions: Sequence[str], contexts: Sequence[str], cancel: CancelToken) -> list[Span]:
        """The longest word of each context that its question has as well; none means "not in the text"."""
        self._encode(contexts, cancel)
        return [_shared_word(question, context) for question, context in zip(questions, contexts, strict=True)]

    def tag(self, texts: Sequence[str], cancel: CancelToken) -> list[list[NamedSpan]]:
        """Every word with a capital letter, with the entry's first label."""
        self._encode(texts, cancel)
        label = next(iter(self.spec.labels[1:]), "B-PER").removeprefix("B-")
        return [[NamedSpan(label, *found.span(), 0.9) for found in _CAPITAL.finditer(text)] for text in texts]

    def answer_probability(self, span: Span) -> float:
        """Logistic function of the margin over "not in the text"."""
        return float(1 / (1 + np.exp(span.null_score - span.score)))

    def attribute(self, decisions: Sequence[Decision], cancel: CancelToken) -> list[Attribution]:
        """Words that hold the label's name speak for it, capitals of other words against it."""
        self._encode([decision.texts[-1] for decision in decisions], cancel)
        return [_mentions_of_label(decision) for decision in decisions]

    def count_tokens(self, text: str) -> int:
        """Number of words."""
        return len(text.split())

    def generate(self, prompt: str, sampling: Sampling, cancel: CancelToken) -> Iterator[Token]:
        """The prompt's words, over and over, up to `max_new_tokens`."""
        if self.count_tokens(prompt) + sampling.max_new_tokens > self.context_length:
            raise InputError("prompt", f"must fit into {self.context_length} tokens with its answer")
        self._backend.start_call()
        self._backend.running += 1
        try:
            for word in itertools.islice(itertools.cycle(prompt.split() or [""]), sampling.max_new_tokens):
                cancel.pause(self._backend.seconds_per_token)
                yield Token(word + " ", 1.0 if sampling.top_alternatives else None)
        finally:
            self._backend.running -= 1

    def language_pairs(self) -> frozenset[tuple[str, str]]:
        """The entry's pairs."""
        return frozenset(self.spec.language_pairs)

    def hypotheses(
        self,
        sentences: Sequence[str],
        source: str,
        target: str,
        cancel: CancelToken,
        *,
        beam_size: int = 4,
        count: int = 1,
        attention: bool = False,
    ) -> list[list[Hypothesis]]:
        """Each sentence with its words reversed; further ones begin with as many dots. Words look at themselves."""
        self._backend.start_call()
        cancel.pause(self._backend.seconds_per_call)
        return [[_reversed_words(sentence, dots, attention) for dots in range(count)] for sentence in sentences]

    def _encode(self, texts: Sequence[str], cancel: CancelToken) -> None:
        self._backend.start_call()
        self._backend.batch_sizes.append(len(texts))
        cancel.pause(self._backend.seconds_per_call)


def _reversed_words(sentence: str, dots: int, attention: bool) -> Hypothesis:
    words = sentence.split()
    text = "." * dots + " ".join(reversed(words))
    seen = None
    if attention:
        spans = piece_spans(text, words[::-1])
        seen = Attention(np.eye(len(words), dtype=np.float32)[::-1], piece_spans(sentence, words), spans)
    return Hypothesis(text, -0.5 * (dots + 1), seen)


def _mentions_of_label(decision: Decision) -> Attribution:
    label = decision.label.lower()
    pieces = tuple(
        tuple((*found.span(), _mention(found[0], label)) for found in _WORD.finditer(text)) for text in decision.texts
    )
    return Attribution(pieces, sum(value for text in pieces for *_, value in text), 0.0)


def _mention(word: str, label: str) -> float:
    return 2.0 if label and label in word.lower() else -0.5 * word[0].isupper()


def _hashed_words(text: str) -> NDArray[np.float32]:
    vector = np.full(_DIMENSIONS, 1e-3, dtype=np.float32)
    for word in text.lower().split():
        digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=2).digest()
        vector[int.from_bytes(digest, "big") % _DIMENSIONS] += 1.0
    return vector / np.float32(np.linalg.norm(vector))


def _shared_word(question: str, context: str) -> Span:
    asked = set(question.lower().strip("?").split())
    position, best = 0, Span(0, 0, 0.0, 4.0)
    for word in context.split(" "):
        if word.lower() in asked and len(word) > best.end - best.start:
            best = Span(position, position + len(word), float(len(word)), 0.0)
        position += len(word) + 1
    return best
