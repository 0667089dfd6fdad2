"""Named entities on an encoder: words are tagged, and tags read as stretches of characters.

Texts are cut into words and windows, and logits read back, by the same code as in training (`data.tagging`), so that
the model sees what it learned on. The windows of all texts of a call are computed together.

Shape legend: B = rows of a batch, T = tokens, C = tags.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from llm_core.backends.base import NamedSpan
from llm_core.backends.transformers.encoder import Array, EncoderModel
from llm_core.backends.transformers.token_batches import TokenRow
from llm_core.data.tagging import TagWindow, best_tags, entities, entity_scores, in_characters, tag_windows, word_logits
from llm_core.data.words import Range, character_ranges
from llm_core.types import CancelToken


class TagModel(EncoderModel):
    """Finds entities; see `Tags`."""

    def compute(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Logits, (B, T, C)."""
        logits_BTC: torch.Tensor = self._model(**batch).logits
        return logits_BTC.float() / self.calibration.temperature

    def tag(self, texts: Sequence[str], cancel: CancelToken) -> list[list[NamedSpan]]:
        """See `Tags.tag`."""
        places = [character_ranges(text) for text in texts]
        sentences = [[text[start:end] for start, end in own] for text, own in zip(texts, places, strict=True)]
        marked = self.calibration.mark_capitals
        windows = tag_windows(self._tokenizer, sentences, self.max_tokens, self.stride, marked)
        logits = self.run([TokenRow(window.input_ids, self._types(window)) for window in windows], cancel)
        owned: list[list[int]] = [[] for _ in texts]
        for index, window in enumerate(windows):
            owned[window.row].append(index)
        return [
            self._spans([windows[i] for i in own], [logits[i] for i in own], words)
            for own, words in zip(owned, places, strict=True)
        ]

    @property
    def stride(self) -> int:
        """Tokens that neighbouring windows share."""
        return self.max_tokens // 4

    def _types(self, window: TagWindow) -> list[int] | None:
        return window.token_type_ids or ([0] * len(window.input_ids) if self._with_types else None)

    def _spans(self, windows: Sequence[TagWindow], logits: Sequence[Array], words: Sequence[Range]) -> list[NamedSpan]:
        labels = self.spec.labels
        of_words = word_logits(windows, logits, len(words), labels)
        tags = best_tags(of_words, labels)
        found = entities(tags)
        probabilities = torch.from_numpy(of_words).softmax(dim=-1).numpy()
        scores = entity_scores(found, tags, probabilities, labels)
        return [
            NamedSpan(entity.label, entity.first, entity.last, float(score))
            for entity, score in zip(in_characters(found, words), scores, strict=True)
        ]
