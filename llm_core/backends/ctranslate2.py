"""The CTranslate2 runtime: Marian-shaped translators on the CPU, in int8.

A directory in the Hub's layout is converted when it is first opened, into a folder beside it that appears only when it
is complete; a directory that is converted already is used as it is. Text becomes tokens by the checkpoint's own
SentencePiece files. The module knows nothing of paragraphs.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import sentencepiece

from llm_core.backends.base import Attention, Hypothesis, Translates, check_hypotheses
from llm_core.backends.languages import target_token
from llm_core.backends.pieces import piece_spans
from llm_core.catalog import ModelSpec
from llm_core.data.dictionary import FILE, Dictionary
from llm_core.errors import BackendError, InputError, WeightsError
from llm_core.model.convert.ctranslate2 import SEARCH, convert, mean_log_probability
from llm_core.types import CancelToken, ModelFiles

logger = logging.getLogger(__name__)

_BATCH_SENTENCES = 8
"""Translated together, and so the work that may go on after a request was withdrawn."""
_POLL_SECONDS = 0.01
_END = "</s>"


class CTranslate2Backend:
    """Opens entries whose `backend` is ``"ctranslate2"``.

    Args:
        threads: CPU threads of each model.
        quantization: Number format of converted weights.
    """

    def __init__(self, threads: int, quantization: str = "int8") -> None:
        self._threads = threads
        self._quantization = quantization

    def open(self, spec: ModelSpec, files: ModelFiles) -> CTranslate2Model:
        """Load a translator, converting it first where needed.

        Raises:
            WeightsError: The files are not a Marian checkpoint, or cannot be converted.
        """
        source, target = (_read_pieces(files.directory / name) for name in ("source.spm", "target.spm"))
        directory = _converted(spec, files.directory, self._quantization)
        try:
            translator = ctranslate2.Translator(
                str(directory), device="cpu", inter_threads=self._threads, intra_threads=1
            )
        except (RuntimeError, ValueError) as error:
            raise WeightsError(f"{spec.id}: CTranslate2 cannot load the converted model: {error}") from error
        from llm_core.backends.transformers.calibration import read_calibration  # imports nothing heavy

        low = read_calibration(files.directory).low_log_probability
        dictionary = Dictionary(file) if (file := files.directory / FILE).is_file() else None
        return CTranslate2Model(spec, translator, source, target, _vocabulary(directory), low, dictionary)


class CTranslate2Model(Translates):
    """A translator in memory; see `backends.base.Translates`."""

    device = "cpu"

    def __init__(
        self,
        spec: ModelSpec,
        translator: Any,
        source: Any,
        target: Any,
        vocabulary: frozenset[str],
        low_log_probability: float | None = None,
        dictionary: Dictionary | None = None,
    ) -> None:
        self.spec = spec
        self.low_log_probability = low_log_probability
        self.dictionary = dictionary
        self.memory_bytes = spec.memory_bytes
        self._translator = translator
        self._source = source
        self._target = target
        self._vocabulary = vocabulary
        self._positions = spec.context_length - 1

    def close(self) -> None:
        """Free the memory."""
        self._translator.unload_model()

    def language_pairs(self) -> frozenset[tuple[str, str]]:
        """The entry's pairs: the checkpoint does not name its languages."""
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
        """The best translations of each sentence; attention is what the conversion chose: the mean of the last
        layer's heads, in directories converted here.

        Raises:
            InputError: The model has no such pair, or `count` exceeds `beam_size`.
            BackendError: CTranslate2 failed.
            CancelledError, DeadlineExceededError: As the token says; up to eight sentences may still be worked on.
        """
        check_hypotheses(self.spec, self.language_pairs(), (source, target), count, beam_size)
        mark = target_token(target, self._vocabulary)
        rows = [self._tokens(sentence, mark) for sentence in sentences]
        order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
        answers: list[list[Hypothesis]] = [[] for _ in rows]
        options = {"beam_size": beam_size, "num_hypotheses": count, "return_attention": attention}
        for start in range(0, len(order), _BATCH_SENTENCES):
            places = order[start : start + _BATCH_SENTENCES]
            for place, result in zip(places, self._batch([rows[p] for p in places], options, cancel), strict=True):
                spans = piece_spans(sentences[place], _said(rows[place], mark)) if attention else ()
                answers[place] = [self._hypothesis(result, number, spans) for number in range(len(result.hypotheses))]
        return answers

    def _tokens(self, sentence: str, mark: str | None) -> list[str]:
        pieces: list[str] = self._source.encode(sentence, out_type=str)
        return [*([mark] if mark else []), *pieces[: self._positions - 2], _END]

    def _batch(self, rows: list[list[str]], options: dict[str, Any], cancel: CancelToken) -> list[Any]:
        cancel.check()
        try:
            pending = self._translator.translate_batch(
                rows,
                asynchronous=True,
                return_scores=True,
                max_batch_size=-(-len(rows) // self._translator.num_translators),  # a part for each thread
                max_decoding_length=min(self._positions, 2 * max(map(len, rows)) + 20),
                **SEARCH,
                **options,
            )
            while not pending[-1].done():
                cancel.check()
                time.sleep(_POLL_SECONDS)
            return [result.result() for result in pending]
        except (RuntimeError, ValueError) as error:
            raise BackendError(f"{self.spec.id}: CTranslate2 failed: {error}") from error

    def _hypothesis(self, result: Any, number: int, source: tuple[tuple[int, int], ...]) -> Hypothesis:
        pieces: list[str] = result.hypotheses[number]
        text: str = self._target.decode(pieces).strip()
        attention = None
        if result.attention:
            # The columns are padded to the longest of the batch.
            weights = np.asarray(result.attention[number], dtype=np.float32).reshape(len(result.attention[number]), -1)
            attention = Attention(weights[: len(pieces), : len(source)], source, piece_spans(text, pieces))
        score = mean_log_probability(result.scores[number], pieces, SEARCH["length_penalty"])
        return Hypothesis(text, min(0.0, score), attention)  # a rounding error may lift a certain answer above 0


def _said(row: Sequence[str], mark: str | None) -> list[str]:
    """The tokens of a source, what is not text left empty."""
    return ["" if piece in (mark, _END) else piece for piece in row]


def _read_pieces(file: Path) -> Any:
    try:
        return sentencepiece.SentencePieceProcessor(model_file=str(file))
    except (OSError, RuntimeError) as error:
        raise WeightsError(f"{file.parent.name}/{file.name} is missing or no SentencePiece model") from error


def _vocabulary(directory: Path) -> frozenset[str]:
    """Source tokens of a converted model."""
    names = ("shared_vocabulary.json", "source_vocabulary.json")
    file = next((directory / name for name in names if (directory / name).is_file()), None)
    return frozenset(json.loads(file.read_text(encoding="utf-8"))) if file else frozenset()


def _converted(spec: ModelSpec, directory: Path, quantization: str) -> Path:
    """The directory of the converted model; made now if it is not there yet."""
    if (directory / "model.bin").is_file():
        return directory
    from llm_core.backends.transformers.checkpoint import check_checkpoint  # imports nothing heavy unless needed

    check_checkpoint(directory)
    place = directory.with_name(f"{directory.name}.ct2-{quantization}-{_state_of(directory)}")
    if not place.is_dir():
        started = time.monotonic()
        try:
            convert(directory, place, quantization=quantization)
        except InputError:
            if not place.is_dir():  # otherwise another process was faster
                raise
        logger.info("converted %s to CTranslate2 %s in %.1f s", spec.id, quantization, time.monotonic() - started)
    return place


def _state_of(directory: Path) -> str:
    """Changes when the weights or the converter do."""
    files = sorted(directory.glob("*.safetensors"))
    stamps = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(repr((ctranslate2.__version__, stamps)).encode()).hexdigest()[:12]
