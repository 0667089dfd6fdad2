"""Translators for CTranslate2: a Hub directory in, a directory that plain `ctranslate2.Translator` loads out.

The conversion is CTranslate2's own, through transformers. Marian's padding, its decoder's first token, is left out of
the vocabulary, so that it is never written. The module loads no translator and knows nothing of languages.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np

from llm_core.errors import InputError, WeightsError

QUANTIZATIONS = ("float32", "float16", "bfloat16", "int16", "int8", "int8_float32", "int8_float16", "int8_bfloat16")
"""Number formats of the weights on disk; the translator computes in the nearest one that its machine has."""
SEARCH: dict[str, Any] = {"no_repeat_ngram_size": 5, "length_penalty": 1.4}
"""Options of ``translate_batch``. A run of five pieces is not said twice: small models stumble into loops; on
validation rows this removed most of them and cost no BLEU. Hypotheses are divided by their length to the power of 1.4:
trained with smoothed labels, a model ends its sentences early, and at 1.0 translations were 2 to 8 % too short."""
_PIECES = ("source.spm", "target.spm")


def mean_log_probability(score: float, pieces: Sequence[str], length_penalty: float) -> float:
    """The mean log-probability of a hypothesis's pieces and its end, in nats; CTranslate2 divides by more.

    Args:
        score: As ``translate_batch`` returns it.
        pieces: Of the hypothesis.
        length_penalty: That the search was made with.
    """
    return score * float((len(pieces) + 1) ** (length_penalty - 1))


def convert(directory: Path, place: Path, *, quantization: str = "int8") -> None:
    """Converts a translator and copies its SentencePiece files; `place` appears only when it is complete.

    Args:
        directory: In the Hub's layout with safetensors, such as `hub.save` and `Tokenizer.save` write.
        place: A new directory; the one above it is made if missing.
        quantization: One of `QUANTIZATIONS`.

    Raises:
        InputError: Unknown `quantization`, or `place` is there already; also when another process made it meanwhile.
        WeightsError: The files are no translator that CTranslate2 can convert, or `place` cannot be written.
    """
    if quantization not in QUANTIZATIONS:
        raise InputError("quantization", f"must be one of {', '.join(QUANTIZATIONS)}", quantization)
    if place.exists():
        raise _taken(place)
    if not any(directory.glob("*.safetensors")):
        raise WeightsError(f"{directory.name} has no safetensors; other weight formats are not read")
    try:
        _convert_into_new(directory, place, quantization)
    except OSError as error:
        if place.is_dir():
            raise _taken(place) from error
        raise WeightsError(f"{directory.name}: the converted model cannot be written: {error}") from error
    except (ValueError, KeyError, RuntimeError, NotImplementedError, AttributeError, TypeError) as error:
        raise WeightsError(f"{directory.name}: CTranslate2 cannot convert the checkpoint: {error}") from error


class _Converter(ctranslate2.converters.TransformersConverter):  # type: ignore[misc]  # it has no types
    """CTranslate2's converter, exact for Marian models of which padding's embedding is not zero."""

    def load_model(self, model_class: Any, model_name_or_path: str, **kwargs: Any) -> Any:
        """The model, changed to start from zeros with the same result."""
        model = super().load_model(model_class, model_name_or_path, **kwargs)
        if model.config.model_type == "marian":
            _start_from_zeros(model)
        return model

    def _load(self) -> Any:
        """The specification; attention is reported as the mean of the last layer's heads, not of its first head."""
        spec = super()._load()
        if hasattr(spec.decoder, "alignment_heads"):
            spec.decoder.alignment_heads = np.int16(0)
        return spec


def _start_from_zeros(model: Any) -> None:
    """CTranslate2's Marian decoder starts from zeros, checkpoints of the Marian toolkit from a row of zeros; elsewhere
    the row was trained. What it adds goes to the decoder's first position, where no other token ever stands."""
    start, last = model.config.decoder_start_token_id, model.config.vocab_size - 1
    if start != last:
        raise WeightsError(f"a marian model for CTranslate2 starts from its last token ({last}), not from {start}")
    decoder = model.get_decoder()
    scale = model.config.d_model**0.5 if model.config.scale_embedding else 1.0
    decoder.embed_positions.weight.data[0] += scale * decoder.embed_tokens.weight.data[start]


def _taken(place: Path) -> InputError:
    return InputError("place", "must not exist yet", place.name)


def _convert_into_new(directory: Path, place: Path, quantization: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{place.name}.", dir=place.parent) as scratch:
        # A folder within: mkdtemp's own can be entered by this user alone, and so could the result.
        partial = Path(scratch) / "model"
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
            _Converter(str(directory)).convert(str(partial), quantization=quantization)
        for name in _PIECES:
            if (directory / name).is_file():
                shutil.copyfile(directory / name, partial / name)
        os.replace(partial, place)
