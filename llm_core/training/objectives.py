"""What is learned: an objective turns rows into features and batches, and knows its model's head.

    rows ──features──▶ token ids (stored) ──collator──▶ batch ──model──▶ logits ──loss.summed_loss──▶ one number

All objectives share one loss: cross-entropy summed over the labels that count, which the trainer divides by how many
these are in the whole step; so micro-batches and processes of any size add up to the same mean. The module knows no
trainer.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice, tee
from typing import Any

import torch
from torch import Tensor

from llm_core.data.classification import classification_features
from llm_core.data.collators import IGNORED, Batch, CausalLMCollator, Features, PaddingCollator, Seq2SeqCollator
from llm_core.data.infilling import FillInTheMiddle
from llm_core.data.loaders import Row
from llm_core.data.masking import MaskedLMCollator
from llm_core.data.packing import packed
from llm_core.data.question_answering import make_windows, training_features
from llm_core.data.tagging import in_small_words, tag_features, tag_windows
from llm_core.data.words import word_starts
from llm_core.model.config import ModelConfig
from llm_core.model.heads import (
    CausalLM,
    MaskedLM,
    Model,
    Seq2SeqLM,
    SequenceClassifier,
    SpanExtractor,
    TokenClassifier,
)
from llm_core.tokenizer import direction_tag
from llm_core.training.recipe import Recipe

Feature = dict[str, Any]
Collate = Callable[[Features], Batch]
ROWS_AT_ONCE = 1000
"""Rows tokenised together: enough to keep the tokenizer's threads busy."""
LANGUAGES = {"en": "eng", "zh": "zho", "de": "deu", "fr": "fra", "cs": "ces"}
"""Two-letter codes of data fields to the three-letter codes of direction tags."""


@dataclass(frozen=True)
class Objective(ABC):
    """What the trainer needs to know of a task."""

    recipe: Recipe
    tokenizer: Any
    """The Hub's class for the vocabulary."""

    @property
    @abstractmethod
    def head(self) -> Callable[[ModelConfig], Model]:
        """Builds the model with this objective's head."""

    @abstractmethod
    def features(self, rows: Iterable[Row]) -> Iterator[Feature]:
        """Token features of rows, streamed."""

    def collator(self, seed: int) -> Collate:
        """Features to a batch with ``labels``, padded unless more is needed; `seed` is for what is drawn each epoch."""
        return PaddingCollator(self.tokenizer.pad_token_id)

    def per_label(self, logits: Tensor) -> Tensor:
        """Logits arranged so that the last axis is what is chosen from, and the others are those of the labels."""
        return logits


class MaskedLanguageModel(Objective):
    """Hidden tokens are guessed (BERT, arXiv:1810.04805)."""

    head = MaskedLM

    def features(self, rows: Iterable[Row]) -> Iterator[Feature]:
        """Blocks between [CLS] and [SEP], with `word_starts` when whole words are to be hidden."""
        cls, sep = self.tokenizer.cls_token_id, self.tokenizer.sep_token_id
        for ids, starts in self._blocks(rows, sep, self.recipe.max_length - 2):
            feature: Feature = {"input_ids": [cls, *ids, sep]}
            yield {**feature, "word_starts": [1, *starts, 1]} if self._by_word else feature

    def collator(self, seed: int) -> Collate:
        """See `Objective`."""
        tokenizer = self.tokenizer
        special = [tokenizer.pad_token_id, tokenizer.unk_token_id, *tokenizer.all_special_ids]
        share, whole = self.recipe.masking.share, self.recipe.masking.whole_words
        return MaskedLMCollator(
            tokenizer.mask_token_id, tokenizer.pad_token_id, len(tokenizer), special, share, whole, seed
        )

    @property
    def _by_word(self) -> bool:
        return self.recipe.masking.whole_words > 0

    def _blocks(self, rows: Iterable[Row], end: int, length: int) -> Iterator[tuple[list[int], list[int]]]:
        documents, shadows = tee(self._documents(rows))
        if self.recipe.pack:
            ids = packed((ids for ids, _ in documents), length, end)
            return zip(ids, packed((starts for _, starts in shadows), length, 1), strict=True)
        return ((i[a : a + length], s[a : a + length]) for i, s in documents for a in range(0, len(i), length))

    def _documents(self, rows: Iterable[Row]) -> Iterator[tuple[list[int], list[int]]]:
        """Token ids of each text and, for whole words, which of them begin one."""
        whole = self._by_word
        for texts in _chunks(row["text"] for row in rows):
            encoded = self.tokenizer(texts, add_special_tokens=False, return_offsets_mapping=whole)
            offsets = encoded["offset_mapping"] if whole else [[]] * len(texts)
            for text, ids, spans in zip(texts, encoded["input_ids"], offsets, strict=True):
                if ids:
                    yield ids, word_starts(text, spans) if whole else ids


class NextToken(Objective):
    """The next token is predicted, now and then to fill a gap (arXiv:2207.14255)."""

    head = CausalLM

    def features(self, rows: Iterable[Row]) -> Iterator[Feature]:
        """Blocks of documents, each begun as the tokenizer begins a text and closed by the end token."""
        length, end = self.recipe.max_length, self.tokenizer.eos_token_id
        documents = self._documents(rows)
        if self.recipe.pack:
            yield from ({"input_ids": block} for block in packed(documents, length, end))
            return
        for ids in documents:
            whole = [*ids, end]
            # a last piece of one token would predict nothing
            yield from ({"input_ids": whole[a : a + length]} for a in range(0, len(whole) - 1, length))

    def collator(self, seed: int) -> Collate:
        """See `Objective`."""
        pad = self.tokenizer.pad_token_id
        return partial(_next_tokens, CausalLMCollator(self.tokenizer.eos_token_id if pad is None else pad))

    def _documents(self, rows: Iterable[Row]) -> Iterator[list[int]]:
        draw, fill = random.Random(self.recipe.optim.seeds[0]), self._infilling()
        begin = [token for token in self.tokenizer("")["input_ids"] if token != self.tokenizer.eos_token_id]
        room = self.recipe.max_length - len(begin) - 4  # three marks and the end
        for texts in _chunks(row["text"] for row in rows):
            for ids in self.tokenizer(texts, add_special_tokens=False)["input_ids"]:
                if ids:
                    yield from ([*begin, *piece] for piece in (fill.pieces(ids, room, draw) if fill else [ids]))

    def _infilling(self) -> FillInTheMiddle | None:
        wanted = self.recipe.infilling
        if wanted is None:
            return None
        prefix, middle, suffix = self.tokenizer.convert_tokens_to_ids(list(wanted.symbols))
        return FillInTheMiddle(prefix, middle, suffix, wanted.rate, wanted.spm_rate)


def _next_tokens(collator: CausalLMCollator, features: Features) -> Batch:
    """The batch with labels one to the left: position t is to give token t + 1; the last gives nothing."""
    batch = collator(features)
    labels = torch.full_like(batch["labels"], IGNORED)
    labels[:, :-1] = batch["labels"][:, 1:]
    return {**batch, "labels": labels}


class Translation(Objective):
    """The target text is predicted from the source text, in one or several directions."""

    head = Seq2SeqLM

    def features(self, rows: Iterable[Row]) -> Iterator[Feature]:
        """Both sides, cut to `max_length`."""
        options = {"truncation": True, "max_length": self.recipe.max_length}
        for chunk in _chunks(rows):
            sources = [source_text(row["source"], row["direction"], self.recipe.tagged) for row in chunk]
            encoded = self.tokenizer(sources, text_target=[row["target"] for row in chunk], **options)
            for ids, labels in zip(encoded["input_ids"], encoded["labels"], strict=True):
                yield {"input_ids": ids, "labels": labels}

    def collator(self, seed: int) -> Collate:
        """See `Objective`; the decoder starts with the padding token, as Marian's does."""
        return Seq2SeqCollator(self.tokenizer.pad_token_id, self.tokenizer.pad_token_id)


def source_text(text: str, direction: str, tagged: bool) -> str:
    """What the encoder reads: the text, behind the tag of the target language where there are several."""
    target = direction.partition("-")[2]
    return f"{direction_tag(LANGUAGES.get(target, target))} {text}" if tagged else text


class Classification(Objective):
    """One label a text."""

    @property
    def head(self) -> Callable[[ModelConfig], Model]:
        """See `Objective`."""
        return partial(SequenceClassifier, num_labels=len(self.recipe.labels))

    def features(self, rows: Iterable[Row]) -> Iterator[Feature]:
        """See `Objective`."""
        for chunk in _chunks(rows):
            yield from classification_features(self.tokenizer, chunk, self.recipe.labels, self.recipe.max_length)


class Tagging(Objective):
    """One label a word, at its first piece."""

    @property
    def head(self) -> Callable[[ModelConfig], Model]:
        """See `Objective`."""
        return partial(TokenClassifier, num_labels=len(self.recipe.labels))

    def features(self, rows: Iterable[Row]) -> Iterator[Feature]:
        """See `Objective`."""
        for chunk in _chunks(in_small_words(row)[0] for row in rows):
            sentences = [row["tokens"] for row in chunk]
            length, stride, marked = self.recipe.max_length, self.recipe.stride, self.recipe.mark_capitals
            windows = tag_windows(self.tokenizer, sentences, length, stride, marked)
            yield from tag_features(windows, chunk, self.recipe.labels)


class QuestionAnswering(Objective):
    """Where the answer starts and where it ends; position 0 means "not in the text"."""

    head = SpanExtractor

    def features(self, rows: Iterable[Row]) -> Iterator[Feature]:
        """See `Objective`."""
        for chunk in _chunks(rows):
            length, stride, marked = self.recipe.max_length, self.recipe.stride, self.recipe.mark_shared_words
            windows = make_windows(self.tokenizer, chunk, length, stride, marked)
            for feature in training_features(windows, chunk):
                if self.recipe.tuning.ship == "adapter" and not marked:  # peft's wrapper drops them
                    del feature["token_type_ids"]
                yield feature

    def collator(self, seed: int) -> Collate:
        """See `Objective`."""
        return partial(_spans, super().collator(seed))

    def per_label(self, logits: Tensor) -> Tensor:
        """(B, 2, T): for start and end a choice among the tokens."""
        return logits.transpose(1, 2)


def _spans(collator: Collate, features: Features) -> Batch:
    """The batch with ``labels`` (B, 2): start and end."""
    batch = collator(features)
    labels = torch.stack((batch.pop("start_positions"), batch.pop("end_positions")), dim=1)
    return {**batch, "labels": labels}


_OBJECTIVES: dict[str, type[Objective]] = {
    "masked_lm": MaskedLanguageModel,
    "causal_lm": NextToken,
    "seq2seq": Translation,
    "classification": Classification,
    "tagging": Tagging,
    "question_answering": QuestionAnswering,
}


def objective_for(recipe: Recipe, tokenizer: Any) -> Objective:
    """The recipe's objective, on this vocabulary."""
    return _OBJECTIVES[recipe.objective](recipe, tokenizer)


def _chunks(items: Iterable[Any]) -> Iterator[list[Any]]:
    stream = iter(items)
    while chunk := list(islice(stream, ROWS_AT_ONCE)):
        yield chunk
