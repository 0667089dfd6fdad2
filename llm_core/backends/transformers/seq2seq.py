"""Hub translators in memory: Marian (one pair a checkpoint) and NLLB (one checkpoint, 200 languages).

Sentences are translated in batches of like length; the token is read once a generated position. The module knows
nothing of paragraphs.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, StoppingCriteria, StoppingCriteriaList
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import logging as transformers_logging

from llm_core.backends.base import Attention, Hypothesis, LoadedModel, Translates, check_hypotheses
from llm_core.backends.languages import flores_code, target_token
from llm_core.backends.pieces import piece_spans
from llm_core.backends.transformers.calibration import read_calibration
from llm_core.backends.transformers.checkpoint import LOCAL_ONLY, check_checkpoint, computing, loading
from llm_core.backends.transformers.precision import inference_dtype
from llm_core.catalog import ModelSpec
from llm_core.types import CancelToken, ModelFiles

transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]

_BATCH_SENTENCES = 16
_SCORED_LOGITS = 1 << 26
"""Numbers in one piece while translations are scored: 256 MB in float32."""
_ATTENDING_ROWS = 4
"""All layers and heads give their weights at once."""
_MARK = re.compile(r">>\w+<<")
"""Marian's target language."""

Encoded = dict[str, torch.Tensor]
"""``input_ids`` and ``attention_mask``, shape (B, S)."""


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
    with loading(spec.id), without_advice():
        tokenizer = AutoTokenizer.from_pretrained(files.directory, **LOCAL_ONLY)
        model: Any = AutoModelForSeq2SeqLM.from_pretrained(
            files.directory, dtype=dtype or inference_dtype(device), use_safetensors=True, **LOCAL_ONLY
        )
        low = read_calibration(files.directory).low_log_probability
        return Seq2SeqModel(spec, model.to(device), tokenizer, device, low)


@contextmanager
def without_advice() -> Iterator[None]:
    """Marian's tokenizer recommends a package that only normalizes punctuation."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
        yield


class Seq2SeqModel(Translates):
    """A translator in memory; see `backends.base.Translates`."""

    def __init__(
        self, spec: ModelSpec, model: Any, tokenizer: Any, device: str, low_log_probability: float | None = None
    ) -> None:
        self.spec = spec
        self.low_log_probability = low_log_probability
        self.device = device
        self.memory_bytes = sum(p.numel() * p.element_size() for p in model.parameters())
        self._model = model
        self._tokenizer = tokenizer
        self._vocabulary = tokenizer.get_vocab()
        # The tokenizer's source language and the model's kind of attention are settings, not arguments.
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
        """The best translations of each sentence, scored by reading them once more; attention is that of the last layer
        but one, which aligns words best (Garg et al. 2019, arXiv:1909.02074).

        Raises:
            InputError: The model has no such pair, or `count` exceeds `beam_size`.
            BackendError: The model failed.
            CancelledError, DeadlineExceededError: As the token says.
        """
        check_hypotheses(self.spec, self.language_pairs(), (source, target), count, beam_size)
        order = sorted(range(len(sentences)), key=lambda place: len(sentences[place]))
        answers: list[list[Hypothesis]] = [[] for _ in sentences]
        for start in range(0, len(order), _BATCH_SENTENCES):
            cancel.check()
            places = order[start : start + _BATCH_SENTENCES]
            batch = [sentences[place] for place in places]
            inputs, options = self._inputs(batch, source, target)
            written = self._written(inputs, {**options, "num_beams": beam_size, "num_return_sequences": count}, cancel)
            found = self._scored(batch, inputs, written, skip=1 + bool(options), attention=attention)
            for number, place in enumerate(places):
                answers[place] = found[number * count : (number + 1) * count]
        return answers

    @property
    def _multilingual(self) -> bool:
        return self._model.config.model_type in ("m2m_100", "nllb-moe")

    def _knows(self, language: str) -> bool:
        return flores_code(language) in self._vocabulary

    def _written(self, inputs: Encoded, options: dict[str, Any], cancel: CancelToken) -> torch.Tensor:
        """Ids of the translations, shape (B · count, T)."""
        limit = min(2 * inputs["input_ids"].shape[1] + 20, self._positions)
        with torch.inference_mode(), computing(self.spec.id):
            output: torch.Tensor = self._model.generate(
                **inputs,
                **options,
                do_sample=False,
                max_new_tokens=limit,
                max_length=None,
                stopping_criteria=StoppingCriteriaList([_Cancelled(cancel)]),
            )
        cancel.check()
        return output

    def _scored(
        self, batch: list[str], inputs: Encoded, written: torch.Tensor, *, skip: int, attention: bool
    ) -> list[Hypothesis]:
        """Hypotheses of the ids in `written`, of which the first `skip` were given to the model."""
        count = len(written) // len(batch)
        texts = [text.strip() for text in self._tokenizer.batch_decode(written, skip_special_tokens=True)]
        found: list[Hypothesis] = []
        with torch.inference_mode(), computing(self.spec.id), self._attending(attention):
            hidden = self._model.get_encoder()(**inputs).last_hidden_state  # (B, S, D)
            for rows in self._rows_at_once(written, attention):
                places = torch.tensor([row // count for row in rows], device=written.device)
                mask = inputs["attention_mask"][places]
                means, weights = self._read(hidden[places], mask, written[rows], skip, attention)
                for number, row in enumerate(rows):
                    seen = None
                    if attention:
                        source = piece_spans(batch[row // count], self._said(inputs["input_ids"][row // count]))
                        seen = self._attention(weights[number], source, texts[row], written[row, skip:])
                    found.append(Hypothesis(texts[row], float(means[number]), seen))
        return found

    def _read(
        self, hidden: torch.Tensor, mask: torch.Tensor, written: torch.Tensor, skip: int, attention: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean log-probability of each row's tokens, shape (B,), and its cross-attention, shape (B, T - skip, S)."""
        output = self._model(
            encoder_outputs=BaseModelOutput(last_hidden_state=hidden),
            attention_mask=mask,
            decoder_input_ids=written[:, :-1],
            output_attentions=attention,
        )
        logits = self._allowed(output.logits[:, skip - 1 :].float())  # (B, T - skip, vocabulary)
        chosen = logits.gather(-1, written[:, skip:, None])[..., 0] - logits.logsumexp(-1)
        real = self._before_padding(written[:, skip:])
        means = ((chosen * real).sum(1) / real.sum(1).clamp(min=1)).clamp(max=0.0)
        if not attention:
            return means, means
        layer = max(0, len(output.cross_attentions) - 2)
        return means, output.cross_attentions[layer].float().mean(1)[:, skip - 1 :]

    def _rows_at_once(self, written: torch.Tensor, attention: bool) -> Iterator[list[int]]:
        """Row numbers in groups whose logits and attention fit into memory easily."""
        size = max(1, _SCORED_LOGITS // (written.shape[1] * int(self._model.config.vocab_size)))
        size = min(size, _ATTENDING_ROWS) if attention else size
        for start in range(0, len(written), size):
            yield list(range(start, min(start + size, len(written))))

    def _attention(
        self, weights: torch.Tensor, source: tuple[tuple[int, int], ...], text: str, ids: torch.Tensor
    ) -> Attention:
        return Attention(weights.cpu().numpy(), source, piece_spans(text, self._said(ids)))

    def _said(self, ids: torch.Tensor) -> list[str]:
        """The pieces of a text, special tokens left empty."""
        special = set(self._tokenizer.all_special_ids)
        pieces: list[str] = self._tokenizer.convert_ids_to_tokens(ids.tolist())
        known = zip(ids.tolist(), pieces, strict=True)
        return ["" if number in special or _MARK.fullmatch(piece) else piece for number, piece in known]

    def _allowed(self, logits: torch.Tensor) -> torch.Tensor:
        """Without the tokens that the checkpoint never writes (Marian's padding)."""
        banned = [ids[0] for ids in self._model.generation_config.bad_words_ids or [] if len(ids) == 1]
        logits[..., banned] = float("-inf")
        return logits

    def _before_padding(self, ids: torch.Tensor) -> torch.Tensor:
        """Ones up to and with the first end of sentence, shape (B, T)."""
        ends = ids == self._model.config.eos_token_id
        before: torch.Tensor = (ends.cumsum(1) - ends.int()) == 0
        return before.float()

    @contextmanager
    def _attending(self, wanted: bool) -> Iterator[None]:
        """Only the plain implementation of attention gives its weights."""
        if not wanted:
            yield
            return
        usual = self._model.config._attn_implementation
        with self._lock:
            self._model.set_attn_implementation("eager")
            try:
                yield
            finally:
                self._model.set_attn_implementation(usual)

    @property
    def _positions(self) -> int:
        return int(getattr(self._model.config, "max_position_embeddings", 512)) - 1

    def _inputs(self, batch: list[str], source: str, target: str) -> tuple[Encoded, dict[str, Any]]:
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
