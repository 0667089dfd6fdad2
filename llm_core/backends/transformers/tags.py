"""Named entities on an encoder: words are tagged, and tags read as stretches of characters.

Texts are cut into words and windows, and logits read back, by the same code as in training (`data.tagging`), so that
the model sees what it learned on. The windows of all texts of a call are computed together. Where the model has a CRF
(`data.crf`), it reads each text as a whole.

Shape legend: B = rows of a batch, T = tokens, C = tags; N = steps of an integral, W = words of a window.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from llm_core.backends.base import Attribution, Decision, NamedSpan
from llm_core.backends.transformers.attribution import Beside, Gradients, log_odds
from llm_core.backends.transformers.encoder import Array, Explained
from llm_core.backends.transformers.token_batches import TokenRow
from llm_core.catalog import ModelSpec
from llm_core.data.crf import load_crf
from llm_core.data.ngrams import shares_of_words
from llm_core.data.tagging import (
    OUTSIDE,
    TagWindow,
    best_tags,
    entities,
    entity_scores,
    in_characters,
    tag_windows,
    touched_tags,
    unread_logits,
    word_logits,
)
from llm_core.data.windows import windows_by_row
from llm_core.data.words import Range, character_ranges
from llm_core.errors import InputError
from llm_core.types import CancelToken


class TagModel(Explained):
    """Finds entities; see `Tags` and `Attributes`."""

    def __init__(self, spec: ModelSpec, model: Any, tokenizer: Any, device: str, directory: Path) -> None:
        super().__init__(spec, model, tokenizer, device, directory)
        self._crf = load_crf(directory, spec.labels)

    @property
    def memory_bytes(self) -> int:
        """See `EncoderModel.memory_bytes`."""
        own = () if self._crf is None else self._crf.parameters()
        return super().memory_bytes + sum(int(tensor.nbytes) for tensor in own)

    def compute(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """The encoder's logits, (B, T, C)."""
        logits_BTC: torch.Tensor = self._model(**batch).logits
        return logits_BTC

    def tag(self, texts: Sequence[str], cancel: CancelToken) -> list[list[NamedSpan]]:
        """See `Tags.tag`."""
        places = [character_ranges(text) for text in texts]
        return [
            self._spans(logits, words) for logits, words in zip(self._read(texts, places, cancel), places, strict=True)
        ]

    def decision_probabilities(self, decisions: Sequence[Decision], cancel: CancelToken) -> list[float]:
        """See `WeighsDecisions.decision_probabilities`."""
        texts = [decision.texts[0] for decision in decisions]
        places = [character_ranges(text) for text in texts]
        wanted = [self._wanted(decision, words) for decision, words in zip(decisions, places, strict=True)]
        found = []
        for logits, tags in zip(self._read(texts, places, cancel), wanted, strict=True):
            probabilities = torch.from_numpy(logits).softmax(dim=-1)
            chosen = [float(probabilities[word, self.spec.labels.index(tag)]) for word, tag in tags.items()]
            found.append(sum(chosen) / len(chosen))
        return found

    def _read(self, texts: Sequence[str], places: Sequence[Sequence[Range]], cancel: CancelToken) -> list[Array]:
        """Logits of the words of each text, (words, C), calibrated."""
        windows = self._windows(texts, places)
        logits = self.run([self._row(window) for window in windows], cancel)
        found = [
            word_logits([windows[i] for i in own], [logits[i] for i in own], len(words), self.spec.labels)
            for own, words in zip(windows_by_row(windows, len(texts)), places, strict=True)
        ]
        if self._crf is not None:
            found = self._crf.refined(_sentences(texts, places), found)
        return [np.asarray(of_words / self.calibration.temperature, dtype=np.float32) for of_words in found]

    @property
    def stride(self) -> int:
        """Tokens that neighbouring windows share: as measured, or a quarter."""
        return self.max_tokens // 4 if self.calibration.stride is None else self.calibration.stride

    def explain(self, decision: Decision, gradients: Gradients) -> Attribution:
        """Of the window with most of the entity's words; capitals, where they are marked, stay so in the baseline."""
        [text] = decision.texts
        words = character_ranges(text)
        wanted = self._wanted(decision, words)
        windows = self._windows([text], [words])
        window = max(windows, key=lambda each: sum(word in wanted for _, word in each.first_pieces()))
        places = tuple((0, 0) if word < 0 else words[word] for word in window.words)
        pieces = {word: piece for piece, word in window.first_pieces()}
        if not wanted.keys() & pieces.keys():
            raise InputError("span", "must have a word that the model can read")
        covered = range(min(pieces), max(pieces) + 1)
        at = [(word - covered.start, self.spec.labels.index(tag)) for word, tag in wanted.items() if word in pieces]
        beside = self._ngrams(_sentences([text], [words])[0], covered, pieces, len(window.words))

        def output(outputs: Any, ngrams_N: torch.Tensor | None = None) -> torch.Tensor:
            logits_NWC = self._logits(outputs.logits.float().cpu(), [pieces.get(word) for word in covered], ngrams_N)
            return torch.stack([log_odds(logits_NWC[:, word], tag) for word, tag in at]).mean(dim=0)

        return gradients.of(self._row(window), (places,), output, beside)

    def _logits(
        self, logits_NTC: torch.Tensor, pieces: Sequence[int | None], ngrams_N: torch.Tensor | None
    ) -> torch.Tensor:
        """Of the words of a window, (N, W, C), calibrated; as `_read` makes them, but that gradients go through.

        Args:
            logits_NTC: The encoder's.
            pieces: Of each word its first piece; a word without any is outside for certain, as in `word_logits`.
            ngrams_N: From `NgramCRF.embedded`, where there is a CRF.
        """
        unread_W = torch.tensor([piece is None for piece in pieces])
        of_unread_C = torch.from_numpy(unread_logits(self.spec.labels))
        logits_NWC = torch.where(unread_W[:, None], of_unread_C, logits_NTC[:, [piece or 0 for piece in pieces]])
        if self._crf is not None and ngrams_N is not None:
            mask_NW = torch.ones(logits_NWC.shape[:2], dtype=torch.bool)
            logits_NWC = self._crf.max_marginals(self._crf.emissions(ngrams_N, logits_NWC, mask_NW), mask_NW)
        return logits_NWC / self.calibration.temperature

    def _ngrams(self, words: Sequence[str], covered: range, pieces: dict[int, int], tokens: int) -> Beside | None:
        """The n-grams of a window's words, whose values go to the first pieces of their words."""
        if self._crf is None:
            return None
        own = self._crf.ngrams(words[covered.start : covered.stop])

        def shares(values: Array) -> Array:
            found = np.zeros(tokens, dtype=np.float32)
            for word, value in zip(covered, shares_of_words(values.sum(-1)), strict=True):
                found[pieces.get(word, 0)] += value
            return found

        return Beside(self._crf.embedded(own[None]), shares)

    def _wanted(self, decision: Decision, words: Sequence[Range]) -> dict[int, str]:
        """Tags of an entity's words, by number."""
        tags = touched_tags(words, [(decision.label, *(decision.span or (0, 0)))])
        wanted = {number: tag for number, tag in enumerate(tags) if tag != OUTSIDE}
        if not wanted or not set(wanted.values()) <= set(self.spec.labels):
            raise InputError("span", "must be that of an entity of a type that the model knows")
        return wanted

    def _windows(self, texts: Sequence[str], places: Sequence[Sequence[Range]]) -> list[TagWindow]:
        sentences = _sentences(texts, places)
        return tag_windows(self._tokenizer, sentences, self.max_tokens, self.stride, self.calibration.mark_capitals)

    def _row(self, window: TagWindow) -> TokenRow:
        types = window.token_type_ids or ([0] * len(window.input_ids) if self._with_types else None)
        return TokenRow(window.input_ids, types)

    def _spans(self, of_words: Array, words: Sequence[Range]) -> list[NamedSpan]:
        labels = self.spec.labels
        tags = best_tags(of_words, labels)
        found = entities(tags)
        probabilities = torch.from_numpy(of_words).softmax(dim=-1).numpy()
        scores = entity_scores(found, tags, probabilities, labels)
        return [
            NamedSpan(entity.label, entity.first, entity.last, float(score))
            for entity, score in zip(in_characters(found, words), scores, strict=True)
        ]


def _sentences(texts: Sequence[str], places: Sequence[Sequence[Range]]) -> list[list[str]]:
    """The words of each text."""
    return [[text[start:end] for start, end in own] for text, own in zip(texts, places, strict=True)]
