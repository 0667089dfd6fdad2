"""Named entities on an encoder: words are tagged, and tags read as stretches of characters.

Texts are cut into words and windows, and logits read back, by the same code as in training (`data.tagging`), so that
the model sees what it learned on. The windows of all texts of a call are computed together.

Shape legend: B = rows of a batch, T = tokens, C = tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from llm_core.backends.base import Attribution, Decision, NamedSpan
from llm_core.backends.transformers.attribution import Gradients, log_odds
from llm_core.backends.transformers.encoder import Array, Explained
from llm_core.backends.transformers.token_batches import TokenRow
from llm_core.data.tagging import (
    OUTSIDE,
    TagWindow,
    best_tags,
    entities,
    entity_scores,
    in_characters,
    tag_windows,
    touched_tags,
    word_logits,
)
from llm_core.data.words import Range, character_ranges
from llm_core.errors import InputError
from llm_core.types import CancelToken


class TagModel(Explained):
    """Finds entities; see `Tags` and `Attributes`."""

    def compute(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Logits, (B, T, C)."""
        return self._logits(self._model(**batch))

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
        """Logits of the words of each text, (words, C)."""
        windows = self._windows(texts, places)
        logits = self.run([self._row(window) for window in windows], cancel)
        owned: list[list[int]] = [[] for _ in texts]
        for index, window in enumerate(windows):
            owned[window.row].append(index)
        return [
            word_logits([windows[i] for i in own], [logits[i] for i in own], len(words), self.spec.labels)
            for own, words in zip(owned, places, strict=True)
        ]

    @property
    def stride(self) -> int:
        """Tokens that neighbouring windows share."""
        return self.max_tokens // 4

    def explain(self, decision: Decision, gradients: Gradients) -> Attribution:
        """Of the window with most of the entity's words; capitals, where they are marked, stay so in the baseline."""
        [text] = decision.texts
        words = character_ranges(text)
        wanted = self._wanted(decision, words)
        windows = self._windows([text], [words])
        window = max(windows, key=lambda each: sum(word in wanted for _, word in each.first_pieces()))
        at = [(piece, self.spec.labels.index(wanted[word])) for piece, word in window.first_pieces() if word in wanted]
        places = tuple((0, 0) if word < 0 else words[word] for word in window.words)

        def output(outputs: Any) -> torch.Tensor:
            logits_BTC = self._logits(outputs)
            return torch.stack([log_odds(logits_BTC[:, piece], tag) for piece, tag in at]).mean(dim=0)

        return gradients.of(self._row(window), (places,), output)

    def _wanted(self, decision: Decision, words: Sequence[Range]) -> dict[int, str]:
        """Tags of an entity's words, by number."""
        tags = touched_tags(words, [(decision.label, *(decision.span or (0, 0)))])
        wanted = {number: tag for number, tag in enumerate(tags) if tag != OUTSIDE}
        if not wanted or not set(wanted.values()) <= set(self.spec.labels):
            raise InputError("span", "must be that of an entity of a type that the model knows")
        return wanted

    def _logits(self, outputs: Any) -> torch.Tensor:
        logits_BTC: torch.Tensor = outputs.logits
        return logits_BTC.float() / self.calibration.temperature

    def _windows(self, texts: Sequence[str], places: Sequence[Sequence[Range]]) -> list[TagWindow]:
        sentences = [[text[start:end] for start, end in own] for text, own in zip(texts, places, strict=True)]
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
