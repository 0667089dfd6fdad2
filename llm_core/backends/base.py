"""What a runtime must offer, as small capability protocols.

A backend opens the files of a catalogue entry and returns a loaded model. A loaded model has one or more of the
capabilities below; tasks ask for the capability they need and never for a backend by name. Backends know nothing of
tasks, queues or pages.

Shape legend: B = texts in the call, C = classes, D = embedding dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from llm_core.catalog import ModelSpec
from llm_core.data.dictionary import Dictionary
from llm_core.errors import InputError
from llm_core.prompt import Prompt
from llm_core.tokenizer.view import Piece
from llm_core.types import CancelToken, Sampling, Token
from llm_core.types import ModelFiles as ModelFiles  # the store, which is a lower layer, makes them


@runtime_checkable
class LoadedModel(Protocol):
    """A model in memory."""

    spec: ModelSpec
    device: str

    @property
    def memory_bytes(self) -> int:
        """What it holds, in bytes; the engine evicts by it. It may change, as models share weights."""

    def close(self) -> None:
        """Free the memory; the model is not used afterwards."""


@runtime_checkable
class AnswersTogether(Protocol):
    """A decoder that writes several answers at once, so that none has to wait for another's end."""

    max_streams: int
    """How many; further ones wait for a place."""


class Backend(Protocol):
    """A runtime."""

    def open(self, spec: ModelSpec, files: ModelFiles) -> LoadedModel:
        """Load a model.

        Raises:
            WeightsError: The files are not what the runtime needs.
            OutOfMemoryError: They do not fit.
        """


@runtime_checkable
class Classifies(Protocol):
    """Gives probabilities over a fixed label set, `ModelSpec.labels`."""

    def classify(self, texts: Sequence[str], cancel: CancelToken) -> NDArray[np.float32]:
        """Calibrated probabilities, shape (B, C), rows summing to 1."""


@runtime_checkable
class Embeds(Protocol):
    """Maps texts to unit vectors whose dot product measures likeness of meaning."""

    def embed(self, texts: Sequence[str], cancel: CancelToken) -> NDArray[np.float32]:
        """Unit vectors, shape (B, D)."""


@runtime_checkable
class Entails(Protocol):
    """Says whether a text supports a statement."""

    def entailment(
        self, premises: Sequence[str], hypotheses: Sequence[str], cancel: CancelToken
    ) -> NDArray[np.float32]:
        """Logits of "the premise entails the hypothesis at the same place", shape (B,).

        Raises:
            InputError: A pair is longer than the model reads at once.
        """


@dataclass(frozen=True, slots=True)
class Span:
    """The best answer span of one window of text."""

    start: int
    """First character in the context."""
    end: int
    """One past the last character."""
    score: float
    """Logit of the span: start logit + end logit."""
    null_score: float
    """Logit of "not in this context", on the same scale; the span is to be shown when `score` is greater."""


@runtime_checkable
class ExtractsSpans(Protocol):
    """Finds the span of a context that answers a question."""

    def extract(self, questions: Sequence[str], contexts: Sequence[str], cancel: CancelToken) -> list[Span]:
        """The best span of each context for the question at the same place; contexts longer than the model reads are
        covered by overlapping windows."""

    def answer_probability(self, span: Span) -> float:
        """Calibrated probability that the span answers its question; whether to show it, `Span.null_score` says."""


@dataclass(frozen=True, slots=True)
class NamedSpan:
    """Something a text names."""

    label: str
    """Its type, such as ``PER``."""
    start: int
    """First character in the text."""
    end: int
    """One past the last character."""
    score: float
    """Calibrated probability that place and type are right."""


@runtime_checkable
class Tags(Protocol):
    """Finds the entities of a text."""

    def tag(self, texts: Sequence[str], cancel: CancelToken) -> list[list[NamedSpan]]:
        """The entities of each text, from left to right, none overlapping; long texts are covered by windows."""


Range = tuple[int, int]
"""First character, and the one after the last."""
PieceValue = tuple[int, int, float]
"""Characters ``start:end`` of a text, and what they did to the output."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Something a model decided, of which the reasons are asked."""

    texts: tuple[str, ...]
    """What it read: a text, or a question and its context."""
    label: str = ""
    """Of a classifier: one of `ModelSpec.labels`; of a tagger: an entity's type."""
    span: Range | None = None
    """Characters of the last text: an entity, or an answer; ``None``: "not in this context"."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """How much each piece of what was read moved one number that a model computes."""

    pieces: tuple[tuple[PieceValue, ...], ...]
    """For each text that was read: its pieces in order; above zero what spoke for the decision."""
    output: float
    """The number, computed in float32."""
    baseline: float
    """The same for a text that says nothing."""

    @property
    def completeness_error(self) -> float:
        """By how much the values miss their sum, ``output - baseline``; it comes of the integral's finite steps."""
        return sum(value for text in self.pieces for *_, value in text) - (self.output - self.baseline)


@runtime_checkable
class Attributes(Protocol):
    """Says which words drove its decisions."""

    def attribute(self, decisions: Sequence[Decision], cancel: CancelToken) -> list[Attribution]:
        """The attribution of each decision. What it explains: of a label the logit of its probability; of an entity
        the mean of that over the tags of its words; of an answer its start logit + end logit.

        Raises:
            InputError: A label or a span is not one that the model could decide on.
            CancelledError, DeadlineExceededError: As the token says, between two steps.
        """


@runtime_checkable
class WeighsDecisions(Protocol):
    """Says how probable it finds what it might decide."""

    def decision_probabilities(self, decisions: Sequence[Decision], cancel: CancelToken) -> list[float]:
        """Of each decision. Of a label and of an entity's type calibrated, the latter as the mean over its words; of an
        answer the softmax probability of its first token times that of its last, in the window surest of it.

        Raises:
            InputError: A label or a span is not one that the model could decide on.
        """


def check_prompt_length(prompt_tokens: int, new_tokens: int, context_length: int) -> None:
    """Accept a prompt that leaves room for its answer.

    Raises:
        InputError: It is empty, or it and the answer exceed the context.
    """
    if prompt_tokens == 0:
        raise InputError("prompt", "must not be empty")
    if prompt_tokens + new_tokens > context_length:
        raise InputError(
            "prompt",
            f"has {prompt_tokens} tokens; with max_new_tokens={new_tokens} that exceeds the model's "
            f"{context_length} tokens",
        )


@runtime_checkable
class Generates(Protocol):
    """Continues a prompt."""

    context_length: int
    """Tokens of prompt and answer together."""

    def count_tokens(self, text: str) -> int:
        """Number of tokens of `text`."""

    def generate(self, prompt: str, sampling: Sampling, cancel: CancelToken) -> Iterator[Token]:
        """Tokens one by one; special tokens in `prompt` are recognised, and none appears in the output.

        Raises:
            InputError: Prompt and `max_new_tokens` exceed the context length.
            CancelledError, DeadlineExceededError: As the token says, within 0.2 s.
        """


@runtime_checkable
class HasChatTemplate(Protocol):
    """Knows how conversations were written when the model was trained."""

    def chat_prompt(self, messages: Sequence[tuple[str, str]]) -> Prompt:
        """A prompt whose continuation is the assistant's next message.

        Args:
            messages: Role (``system``, ``user`` or ``assistant``) and content, which stays literal.

        Raises:
            BackendError: The template fails, or there is none.
        """


@runtime_checkable
class ScoresText(Protocol):
    """Says how probable a given text is; not every runtime that generates does."""

    context_length: int
    """Tokens read at once."""
    start_id: int
    """What stood before a document when the model was trained."""

    def text_ids(self, text: str) -> list[int]:
        """The tokens of `text`, in which nothing is markup."""

    def log_likelihoods(self, ids: Sequence[int], cancel: CancelToken) -> list[float]:
        """Natural logarithm of the probability of each id but the first, given those before it."""


@dataclass(frozen=True, slots=True)
class Attention:
    """How much each piece that was written looked at each piece that was read: a cross-attention layer, averaged over
    its heads."""

    weights: NDArray[np.float32]
    """Shape (T, S), rows summing to at most 1; T pieces of the translation, S of the source."""
    source: tuple[tuple[int, int], ...]
    """Characters ``start:end`` of the source that each of its S pieces stands for; empty ranges for special tokens."""
    target: tuple[tuple[int, int], ...]
    """The same in the translation, for its T pieces."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One translation of a sentence."""

    text: str
    log_probability: float
    """Natural logarithm of its probability divided by its tokens, the end included: at most 0."""
    attention: Attention | None = None
    """Only when asked for."""


def check_hypotheses(
    spec: ModelSpec, pairs: frozenset[tuple[str, str]], pair: tuple[str, str], count: int, beam_size: int
) -> None:
    """Accept what `Translates.hypotheses` is asked for.

    Raises:
        InputError: `pair` is none of the model's `pairs`, or `count` is not in 1..`beam_size`.
    """
    if pair not in pairs:
        raise InputError("target", f"{spec.title} does not translate from {pair[0]} to {pair[1]}")
    if not 1 <= count <= beam_size:
        raise InputError("count", f"must be in 1..{beam_size}, the beam", count)


@runtime_checkable
class Translates(Protocol):
    """Translates sentences."""

    low_log_probability: float | None
    """`Hypothesis.log_probability` below which a translation is not to be trusted, calibrated on validation data;
    ``None`` if it was not."""
    dictionary: Dictionary | None = None
    """To look words and set phrases up in, for a model too small to know them."""

    def language_pairs(self) -> frozenset[tuple[str, str]]:
        """The (source, target) pairs the model really has, as ISO 639-1 codes."""

    def translate(
        self, sentences: Sequence[str], source: str, target: str, cancel: CancelToken, *, beam_size: int = 4
    ) -> list[str]:
        """The best translation of each sentence; raises what `hypotheses` does."""
        return [best.text for best, *_ in self.hypotheses(sentences, source, target, cancel, beam_size=beam_size)]

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
        """The `count` best translations of each sentence, best first; `count` is at most `beam_size`.

        Raises:
            InputError: The model has no such pair, or `count` is too large.
        """


@dataclass(frozen=True, slots=True)
class Reading:
    """What the layers of one stack made of its pieces."""

    pieces: tuple[Piece, ...]
    """T of them; character ranges are those of `text`."""
    text: str
    hidden_states: NDArray[np.float32]
    """Shape (L + 1, T, D): the embedding, then each layer's output."""
    attention: NDArray[np.float32]
    """Shape (L, N, T, T), rows summing to 1: how N heads of each layer share their attention out."""


@dataclass(frozen=True, slots=True)
class ForwardPass:
    """One text through a model; a translator has an encoder and a decoder, others have one of them."""

    encoder: Reading | None
    decoder: Reading | None
    cross_attention: NDArray[np.float32] | None
    """Shape (L, N, T, S): from the decoder's pieces to the encoder's."""
    logits: NDArray[np.float32]
    """Shape (L + 1, T, V): what the model would say after each layer, at each piece of the decoder, or else of the
    encoder; the last is what it says."""
    vocabulary: tuple[str, ...]
    """V pieces, by id."""
    mask_id: int | None
    """Id of the piece that stands for a hidden one; None where the model knows none."""


@runtime_checkable
class Traces(Protocol):
    """Shows all that happens in a model on the way to its answer."""

    def trace(self, text: str, max_pieces: int, cancel: CancelToken, target: str | None = None) -> ForwardPass:
        """One forward pass.

        Args:
            text: What is read.
            max_pieces: Most pieces it may have, special tokens included; a translation is cut off there.
            cancel: Asked before the pass.
            target: ISO 639-1 code of the language a translator writes.

        Raises:
            InputError: The text has more pieces.
        """
