"""Plain predictors: a model and rows in, predictions out, in batches of similar length.

They serve measuring and calibration while training. The application serves through its own backends; `evaluate` takes
either.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from llm_core.data.collators import PaddingCollator
from llm_core.data.crf import NgramCRF
from llm_core.data.loaders import Row
from llm_core.data.question_answering import Span, best_span, make_windows, trimmed
from llm_core.data.tagging import best_tags, in_small_words, model_inputs, tag_windows, word_logits
from llm_core.data.windows import windows_by_row
from llm_core.hardware import has_bfloat16
from llm_core.model.convert.ctranslate2 import SEARCH, mean_log_probability
from llm_core.model.heads import Model, SequenceClassifier, SpanExtractor, TokenClassifier
from llm_core.training.objectives import source_text
from llm_core.training.recipe import Recipe

Array = npt.NDArray[Any]
BEAMS = 4
"""Of translations that are measured."""


@dataclass(frozen=True)
class LabelPredictor:
    """Label probabilities of texts.

    `temperature` divides the logits (arXiv:1706.04599); it changes no label, only how sure the model says it is.
    """

    model: SequenceClassifier
    tokenizer: Any
    labels: tuple[str, ...]
    max_length: int
    temperature: float = 1.0
    batch_size: int = 32

    def logits(self, texts: Sequence[str]) -> Array:
        """(texts, labels), float32, before the temperature."""
        encoded = self.tokenizer(list(texts), truncation=True, max_length=self.max_length)["input_ids"]
        found = np.empty((len(texts), len(self.labels)), dtype=np.float32)
        features = [{"input_ids": ids} for ids in encoded]
        for indices, logits in forward(self.model, self.tokenizer, features, self.batch_size):
            found[indices] = logits
        return found

    def probabilities(self, texts: Sequence[str]) -> Array:
        """(texts, labels), each row sums to one."""
        scaled = torch.from_numpy(self.logits(texts)) / self.temperature
        return np.asarray(scaled.softmax(dim=-1).numpy())

    def __call__(self, rows: Sequence[Row]) -> list[str]:
        """The most probable label of each row's `text`."""
        return [self.labels[i] for i in self.logits([row["text"] for row in rows]).argmax(axis=1)]


@dataclass(frozen=True)
class AnswerPredictor:
    """Answers as spans of the passage; a margin at or below `threshold` gives the empty answer."""

    model: SpanExtractor
    tokenizer: Any
    max_length: int
    stride: int
    with_types: bool
    """Whether question and passage have different token types; adapters are trained with one type for both."""
    mark_shared_words: bool = False
    overlap_weight: float = 0.0
    overlap_in_margin: bool = False
    threshold: float = 0.0
    batch_size: int = 16

    def spans(self, rows: Sequence[Row]) -> list[Span]:
        """The best span of each row, with its margin over "not in the text"."""
        windows = make_windows(
            self.tokenizer, rows, self.max_length, self.stride, self.mark_shared_words, self.overlap_weight
        )
        features: list[dict[str, Any]] = [{"input_ids": window.input_ids} for window in windows]
        if self.with_types or self.mark_shared_words:
            features = [{**f, "token_type_ids": w.token_type_ids} for f, w in zip(features, windows, strict=True)]
        found: dict[int, Array] = {}
        for indices, logits in forward(self.model, self.tokenizer, features, self.batch_size):
            found |= dict(zip(indices, logits, strict=True))
        return [
            best_span(
                row["context"],
                [windows[i] for i in own],
                [found[i] for i in own],
                overlap_in_margin=self.overlap_in_margin,
            )
            for row, own in zip(rows, windows_by_row(windows, len(rows)), strict=True)
        ]

    def __call__(self, rows: Sequence[Row]) -> list[str]:
        """The answer of each row's `question`, empty when it is not in the text."""
        return answers(rows, self.spans(rows), self.threshold)


@dataclass(frozen=True)
class TagPredictor:
    """Entity tags of sentences given as words, which are cut as a running text would be."""

    model: TokenClassifier
    tokenizer: Any
    labels: tuple[str, ...]
    max_length: int
    stride: int
    mark_capitals: bool = False
    crf: NgramCRF | None = None
    batch_size: int = 32

    def logits(self, rows: Sequence[Row]) -> list[Array]:
        """Per row (words, labels), float32; of rows `in_small_words`. With a CRF: its max-marginals."""
        sentences = [row["tokens"] for row in rows]
        windows = tag_windows(self.tokenizer, sentences, self.max_length, self.stride, self.mark_capitals)
        features = [model_inputs(window) for window in windows]
        found: dict[int, Array] = {}
        for indices, logits in forward(self.model, self.tokenizer, features, self.batch_size):
            found |= dict(zip(indices, logits, strict=True))
        owned = windows_by_row(windows, len(rows))
        of_words = [
            word_logits([windows[i] for i in own], [found[i] for i in own], len(row["tokens"]), self.labels)
            for own, row in zip(owned, rows, strict=True)
        ]
        return of_words if self.crf is None else self.crf.refined(sentences, of_words)

    def __call__(self, rows: Sequence[Row]) -> list[list[str]]:
        """Proper IOB2 tags of each row's `tokens`."""
        cut = [in_small_words(row) for row in rows]
        found = self.logits([row for row, _ in cut])
        return [of_tokens(best_tags(each, self.labels)) for each, (_, of_tokens) in zip(found, cut, strict=True)]


def tag_predictor(recipe: Recipe, model: TokenClassifier, tokenizer: Any, crf: NgramCRF | None = None) -> TagPredictor:
    """The predictor of a recipe's tagger.

    Args:
        recipe: Of tagging.
        model: The tagger.
        tokenizer: Its tokenizer.
        crf: What was fitted on top of it.
    """
    options = recipe.labels, recipe.max_length, recipe.stride, recipe.mark_capitals
    return TagPredictor(model, tokenizer, *options, crf)


class ConvertedTranslator:
    """A directory for CTranslate2, translating by beam search; a row that comes again is not translated again.

    Args:
        model_dir: Holds ``model.bin`` and the SentencePiece files.
        beams: Hypotheses kept at each step.
    """

    def __init__(self, model_dir: Path, beams: int = BEAMS) -> None:
        import ctranslate2
        import sentencepiece

        self.translator = ctranslate2.Translator(str(model_dir), inter_threads=torch.get_num_threads(), intra_threads=1)
        read = sentencepiece.SentencePieceProcessor
        self.source, self.target = (read(model_file=str(model_dir / f"{side}.spm")) for side in ("source", "target"))
        self.beams = beams
        self.known: dict[tuple[str, str], tuple[str, float]] = {}
        """Source and direction → translation."""

    def __call__(self, recipe: Recipe, rows: Sequence[Row]) -> list[tuple[str, float]]:
        """The best translation of each row's `source`, and the mean log-probability of its tokens in nats."""
        asked = {(row["source"], row["direction"]): row for row in rows}
        fresh = [row for key, row in asked.items() if key not in self.known]
        for row, found in zip(fresh, self._translated(recipe, fresh), strict=True):
            self.known[row["source"], row["direction"]] = found
        return [self.known[row["source"], row["direction"]] for row in rows]

    def _translated(self, recipe: Recipe, rows: Sequence[Row]) -> list[tuple[str, float]]:
        pieces = self.source.encode([row["source"] for row in rows], out_type=str)
        tags = [source_text("", row["direction"], recipe.tagged).split() for row in rows]
        asked = [[*tag, *some[: recipe.max_length - 2], "</s>"] for tag, some in zip(tags, pieces, strict=True)]
        found = self.translator.translate_batch(
            asked,
            beam_size=self.beams,
            max_batch_size=1024,
            batch_type="tokens",
            max_decoding_length=recipe.max_length,
            return_scores=True,
            **SEARCH,
        )
        return [self._read(each.hypotheses[0], each.scores[0]) for each in found]

    def _read(self, pieces: list[str], score: float) -> tuple[str, float]:
        return self.target.decode(pieces), mean_log_probability(score, pieces, SEARCH["length_penalty"])


def answers(rows: Sequence[Row], spans: Sequence[Span], threshold: float) -> list[str]:
    """The text of each span, or the empty answer where the margin does not exceed the threshold."""
    return [
        row["context"][slice(*trimmed(row["context"], span.start, span.end))] if span.margin > threshold else ""
        for row, span in zip(rows, spans, strict=True)
    ]


def forward(
    model: Model, tokenizer: Any, features: Sequence[dict[str, Any]], batch_size: int
) -> Iterator[tuple[list[int], Array]]:
    """Logits as arrays, in batches of similar length, with the indices of the features they belong to."""
    order = sorted(range(len(features)), key=lambda i: len(features[i]["input_ids"]))
    device, collate = next(model.parameters()).device, PaddingCollator(tokenizer.pad_token_id)
    in_bfloat16 = has_bfloat16(str(device))
    for first in range(0, len(order), batch_size):
        indices = order[first : first + batch_size]
        batch = {name: value.to(device) for name, value in collate([features[i] for i in indices]).items()}
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=in_bfloat16):
            logits = model(**batch)
        yield indices, logits.float().cpu().numpy()
