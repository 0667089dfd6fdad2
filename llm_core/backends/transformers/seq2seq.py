"""Hub translators in memory: Marian (one pair a checkpoint) and NLLB (one checkpoint, 200 languages).

Sentences are translated in batches of like length; the token is read once a generated position. The module knows
nothing of paragraphs.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, StoppingCriteria, StoppingCriteriaList
from transformers.utils import logging as transformers_logging

from llm_core.backends.base import LoadedModel
from llm_core.backends.languages import flores_code, target_token
from llm_core.backends.transformers.checkpoint import check_checkpoint, computing, loading
from llm_core.backends.transformers.precision import inference_dtype
from llm_core.catalog import ModelSpec
from llm_core.errors import InputError
from llm_core.types import CancelToken, ModelFiles

transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]

_BATCH_SENTENCES = 16


def open_seq2seq(spec: ModelSpec, files: ModelFiles, device: str, dtype: torch.dtype | None = None) -> LoadedModel:
    """Load an entry whose head is ``"seq2seq"``.

    Args:
        spec: The entry; `language_pairs` are the pairs to offer.
        files: Its verified files.
        device: torch device.
        dtype: Format to compute in; default: the fastest the device has.

    Raises:
        WeightsError: The files are not a translator's, or hold what is never read.
        OutOfMemoryError: They do not fit.
    """
    check_checkpoint(files.directory)
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    with loading(spec.id), without_advice():
        tokenizer = AutoTokenizer.from_pretrained(files.directory, **options)
        model: Any = AutoModelForSeq2SeqLM.from_pretrained(
            files.directory, dtype=dtype or inference_dtype(device), use_safetensors=True, **options
        )
        return Seq2SeqModel(spec, model.to(device), tokenizer, device)


@contextmanager
def without_advice() -> Iterator[None]:
    """Marian's tokenizer recommends a package that only normalizes punctuation."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
        yield


class Seq2SeqModel:
    """A translator in memory; see `backends.base.Translates`."""

    def __init__(self, spec: ModelSpec, model: Any, tokenizer: Any, device: str) -> None:
        self.spec = spec
        self.device = device
        self.memory_bytes = sum(p.numel() * p.element_size() for p in model.parameters())
        self._model = model
        self._tokenizer = tokenizer
        self._vocabulary = tokenizer.get_vocab()
        # The tokenizer's source language is a setting, not an argument.
        self._lock = threading.Lock()

    def close(self) -> None:
        """Free the memory."""
        self._model = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def language_pairs(self) -> frozenset[tuple[str, str]]:
        """The entry's pairs, of which a multilingual checkpoint must know both languages."""
        if not self._multilingual:
            return frozenset(self.spec.language_pairs)
        return frozenset(pair for pair in self.spec.language_pairs if all(map(self._knows, pair)))

    def translate(
        self, sentences: Sequence[str], source: str, target: str, cancel: CancelToken, *, beam_size: int = 4
    ) -> list[str]:
        """The best translation of each sentence.

        Raises:
            InputError: The model has no such pair.
            BackendError: The model failed.
            CancelledError, DeadlineExceededError: As the token says.
        """
        if (source, target) not in self.language_pairs():
            raise InputError("target", f"{self.spec.title} does not translate from {source} to {target}")
        order = sorted(range(len(sentences)), key=lambda place: len(sentences[place]))
        answers = [""] * len(sentences)
        for start in range(0, len(order), _BATCH_SENTENCES):
            cancel.check()
            places = order[start : start + _BATCH_SENTENCES]
            batch = [sentences[place] for place in places]
            for place, answer in zip(places, self._batch(batch, source, target, cancel, beam_size), strict=True):
                answers[place] = answer
        return answers

    @property
    def _multilingual(self) -> bool:
        return self._model.config.model_type in ("m2m_100", "nllb-moe")

    def _knows(self, language: str) -> bool:
        return flores_code(language) in self._vocabulary

    def _batch(self, batch: list[str], source: str, target: str, cancel: CancelToken, beam_size: int) -> list[str]:
        inputs, options = self._inputs(batch, source, target)
        limit = min(2 * inputs["input_ids"].shape[1] + 20, self._positions)
        with torch.inference_mode(), computing(self.spec.id):
            output = self._model.generate(
                **inputs,
                **options,
                num_beams=beam_size,
                do_sample=False,
                max_new_tokens=limit,
                max_length=None,
                stopping_criteria=StoppingCriteriaList([_Cancelled(cancel)]),
            )
        cancel.check()
        texts: list[str] = self._tokenizer.batch_decode(output, skip_special_tokens=True)
        return [text.strip() for text in texts]

    @property
    def _positions(self) -> int:
        return int(getattr(self._model.config, "max_position_embeddings", 512)) - 1

    def _inputs(self, batch: list[str], source: str, target: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Token ids and what makes the model write the target language."""
        options: dict[str, Any] = {}
        with self._lock:
            if self._multilingual:
                self._tokenizer.src_lang = flores_code(source)
                options["forced_bos_token_id"] = self._vocabulary[flores_code(target)]
            elif token := target_token(target, self._vocabulary):
                batch = [f"{token} {sentence}" for sentence in batch]
            encoded = self._tokenizer(
                batch, return_tensors="pt", padding=True, truncation=True, max_length=self._positions
            )
        return {name: encoded[name].to(self.device) for name in ("input_ids", "attention_mask")}, options


class _Cancelled(StoppingCriteria):
    """Ends all sentences of a batch once the request should stop."""

    def __init__(self, cancel: CancelToken) -> None:
        self._cancel = cancel

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        """Whether each row is done, shape (B,)."""
        return torch.full((input_ids.shape[0],), self._cancel.stopped, dtype=torch.bool, device=input_ids.device)
