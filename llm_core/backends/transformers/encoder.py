"""Encoders in memory: embeddings of texts of any length, and the base class of classification, span extraction and
tagging.

Weights are loaded in float32, adapters merged, then cast to the device's format; heads stay in float32, because
logits in bfloat16 have steps that show in probabilities. Texts longer than the model reads are covered by overlapping
windows and averaged, never cut.

Shape legend: B = rows of a batch, T = tokens, D = embedding dimensions.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)
from transformers.utils import logging as transformers_logging

from llm_core.backends.base import Attribution, Decision, LoadedModel, ModelFiles, Range
from llm_core.backends.transformers.adapters import ignores_token_types, is_adapter, merge_adapter
from llm_core.backends.transformers.attribution import Gradients
from llm_core.backends.transformers.calibration import Calibration, read_calibration
from llm_core.backends.transformers.checkpoint import LOCAL_ONLY, check_checkpoint, computing, loading, read_json
from llm_core.backends.transformers.packed_layers import pack
from llm_core.backends.transformers.precision import inference_dtype
from llm_core.backends.transformers.shared_tokenizer import SharedTokenizer, open_tokenizer
from llm_core.backends.transformers.tensor_pool import POOL
from llm_core.backends.transformers.threads import batches_for, computed
from llm_core.backends.transformers.token_batches import TokenRow, padded
from llm_core.catalog import LABELLED_HEADS, ModelSpec
from llm_core.errors import WeightsError
from llm_core.hardware import return_freed_memory
from llm_core.types import CancelToken

Array = NDArray[np.float32]

_AUTO_CLASSES: dict[str, Any] = {
    "embedding": AutoModel,
    "sequence_classification": AutoModelForSequenceClassification,
    "token_classification": AutoModelForTokenClassification,
    "span_extraction": AutoModelForQuestionAnswering,
    "entailment": AutoModelForSequenceClassification,
}

transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
# The report lists heads that are missing from a base; `_load_model` checks missing weights itself, and raises.
logging.getLogger("transformers.modeling_utils").addFilter(lambda record: "LOAD REPORT" not in record.getMessage())


def open_encoder(spec: ModelSpec, files: ModelFiles, device: str, dtype: torch.dtype | None = None) -> LoadedModel:
    """Load an entry whose head is an encoder's.

    Args:
        spec: The entry; `head`, `labels` and `context_length` are used.
        files: Its verified files.
        device: torch device.
        dtype: Format to compute in; default: the fastest the device has.

    Raises:
        WeightsError: The files are not what the head needs.
        OutOfMemoryError: They do not fit.
    """
    from llm_core.backends.transformers.entailment import EntailmentModel
    from llm_core.backends.transformers.labels import ClassifierModel
    from llm_core.backends.transformers.spans import SpanModel
    from llm_core.backends.transformers.tags import TagModel

    kinds: dict[str, type[EncoderModel]] = {
        "embedding": EmbeddingModel,
        "sequence_classification": ClassifierModel,
        "token_classification": TagModel,
        "span_extraction": SpanModel,
        "entailment": EntailmentModel,
    }
    with loading(spec.id):
        model = _load_model(spec, files)
        model = _cast(model, dtype or inference_dtype(device))
        pack(model, device)
        tokenizer = _load_tokenizer(spec, files)
        opened = kinds[spec.head](spec, model, tokenizer, device, files.directory)
    return_freed_memory()  # of the weights in float32
    return opened


def _load_model(spec: ModelSpec, files: ModelFiles) -> Any:
    """The whole model in float32, its adapter merged."""
    adapted = is_adapter(files.directory)
    if adapted and files.base is None:
        raise WeightsError(f"{spec.id} is an adapter, and its catalogue entry names no base")
    weights = files.base.directory if files.base is not None else files.directory
    check_checkpoint(weights)
    read_json(files.directory / "config.json")
    config = AutoConfig.from_pretrained(files.directory, **LOCAL_ONLY)
    if spec.head in LABELLED_HEADS:
        _check_labels(spec, config)
    model, report = _AUTO_CLASSES[spec.head].from_pretrained(
        weights,
        config=config,
        dtype=torch.float32,
        use_safetensors=True,
        attn_implementation="sdpa",
        output_loading_info=True,
        **LOCAL_ONLY,
    )
    missing = {name for name in report["missing_keys"] if not (spec.head == "embedding" and name.startswith("pooler."))}
    if adapted:
        missing -= merge_adapter(model, files.directory)
    if missing:
        raise WeightsError(f"{spec.id}: weights are missing: {', '.join(sorted(missing)[:4])}")
    return model.eval()


def _check_labels(spec: ModelSpec, config: Any) -> None:
    names = tuple(config.id2label[index] for index in range(config.num_labels))
    if len(names) != len(spec.labels):
        raise WeightsError(f"{spec.id}: the model has {len(names)} labels, its catalogue entry {len(spec.labels)}")
    if set(names) == set(spec.labels) and names != spec.labels:
        raise WeightsError(
            f"{spec.id}: the catalogue entry must list the labels in the model's order: {', '.join(names)}"
        )


def _cast(model: Any, dtype: torch.dtype) -> Any:
    """The trunk in `dtype`, everything on top of it in float32."""
    model.to(dtype)
    for name, child in list(model.named_children()):
        if hasattr(model, model.base_model_prefix) and name != model.base_model_prefix:
            setattr(model, name, _InFloat32(child))
    return model


class _InFloat32(nn.Module):
    """A head that computes in float32 whatever the trunk does."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head.float()

    def forward(self, hidden: torch.Tensor, *rest: Any) -> Any:
        """The head's output for `hidden`, cast to float32."""
        return self.head(hidden.float(), *rest)


def _load_tokenizer(spec: ModelSpec, files: ModelFiles) -> SharedTokenizer:
    own = any((files.directory / name).is_file() for name in ("tokenizer.json", "vocab.txt"))
    directory = files.directory if own or files.base is None else files.base.directory
    tokenizer = open_tokenizer(directory, token_types=not ignores_token_types(files.directory))
    if not tokenizer.is_fast:
        raise WeightsError(f"{spec.id}: needs a tokenizer with character offsets (tokenizer.json)")
    return tokenizer


class EncoderModel:
    """An encoder in memory; subclasses say what is computed from its output.

    Args:
        spec: The catalogue entry.
        model: The network, adapter merged, cast.
        tokenizer: Its fast tokenizer.
        device: torch device to move to.
        directory: Of the entry's own files, for calibration and pooling.
    """

    def __init__(self, spec: ModelSpec, model: Any, tokenizer: Any, device: str, directory: Path) -> None:
        self.spec = spec
        self.device = device
        self.calibration: Calibration = read_calibration(directory)
        self.max_tokens = min(spec.context_length, _positions(model.config))
        self._tokenizer = tokenizer
        self._holding = POOL.adopt(model, device)
        self._model: Any = model
        self._with_types = "token_type_ids" in tokenizer.model_input_names

    @property
    def memory_bytes(self) -> int:
        """Weights in bytes; what is shared with other models is counted in even parts."""
        return self._holding.nbytes

    def close(self) -> None:
        """Free the memory; the model is not used afterwards."""
        self._holding.release()
        self._model = None

    def compute(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """What one batch gives: a tensor of B rows."""
        raise NotImplementedError

    def run(self, rows: Sequence[TokenRow], cancel: CancelToken) -> list[Array]:
        """The result of each row, in order; stops between batches when cancelled."""
        lengths = [len(row.input_ids) for row in rows]
        batches = batches_for(lengths, self.device)

        def compute(indices: list[int]) -> Array:
            cancel.check()
            arrays = padded([rows[index] for index in indices], self._tokenizer.pad_token_id or 0)
            with computing(self.spec.id), torch.inference_mode():
                batch = {name: torch.from_numpy(array).to(self.device) for name, array in arrays.items()}
                found: Array = self.compute(batch).float().cpu().numpy()
            return found

        results: list[Array] = [np.empty(0, np.float32)] * len(rows)
        for indices, found in zip(batches, computed(compute, batches, sum(lengths), self.device), strict=True):
            for index, result in zip(indices, found, strict=True):
                results[index] = result
        cancel.check()
        return results

    def run_texts(self, texts: Sequence[str], cancel: CancelToken) -> tuple[list[Array], list[tuple[int, int]]]:
        """As `run`, for texts of any length.

        Returns:
            The result of each window, and for each window (index of its text, its number of tokens).
        """
        encoded = self._cut(texts)
        owners, rows = encoded["overflow_to_sample_mapping"], self._rows(encoded)
        return self.run(rows, cancel), [(owner, len(row.input_ids)) for owner, row in zip(owners, rows, strict=True)]

    def windows_of(self, text: str) -> tuple[list[TokenRow], list[tuple[Range, ...]]]:
        """The windows of a text, and for each the characters of its tokens, empty for special tokens."""
        encoded = self._cut([text], return_offsets_mapping=True)
        return self._rows(encoded), [tuple(map(tuple, places)) for places in encoded["offset_mapping"]]

    def _cut(self, texts: Sequence[str], **options: Any) -> Any:
        return self._tokenizer(
            list(texts),
            truncation=True,
            max_length=self.max_tokens,
            stride=min(32, self.max_tokens // 4),
            return_overflowing_tokens=True,
            return_token_type_ids=self._with_types,
            return_attention_mask=False,
            **options,
        )

    def _rows(self, encoded: Any) -> list[TokenRow]:
        ids = encoded["input_ids"]
        types = encoded["token_type_ids"] if self._with_types else [None] * len(ids)
        return [TokenRow(*pair) for pair in zip(ids, types, strict=True)]

    def average(self, results: Sequence[Array], windows: Sequence[tuple[int, int]], count: int) -> Array:
        """Mean of each text's window results, weighted by tokens; shape (count, size of a result)."""
        sums = np.zeros((count, results[0].shape[0]), np.float32)
        weights = np.zeros((count, 1), np.float32)
        for result, (owner, tokens) in zip(results, windows, strict=True):
            sums[owner] += tokens * result
            weights[owner] += tokens
        return np.asarray(sums / weights, dtype=np.float32)


class Explained(EncoderModel):
    """An encoder whose decisions are explained; see `Attributes`."""

    def attribute(self, decisions: Sequence[Decision], cancel: CancelToken) -> list[Attribution]:
        """See `Attributes.attribute`."""
        with computing(self.spec.id):
            gradients = Gradients(self._model, self._tokenizer, self.device, cancel)
            return [self.explain(decision, gradients) for decision in decisions]

    def explain(self, decision: Decision, gradients: Gradients) -> Attribution:
        """The attribution of one decision."""
        raise NotImplementedError


def _positions(config: Any) -> int:
    """Tokens that the position embeddings allow; RoBERTa-shaped models count from behind the padding id."""
    positions = int(getattr(config, "max_position_embeddings", 512))
    return positions - 2 if config.model_type in ("roberta", "xlm-roberta", "camembert") else positions


class EmbeddingModel(EncoderModel):
    """Texts to unit vectors; see `Embeds`."""

    def __init__(self, spec: ModelSpec, model: Any, tokenizer: Any, device: str, directory: Path) -> None:
        super().__init__(spec, model, tokenizer, device, directory)
        self._first_token = _pools_first_token(directory)

    def compute(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Pooled hidden states, (B, D)."""
        hidden_BTD = self._model(**batch).last_hidden_state.float()
        if self._first_token:
            return nn.functional.normalize(hidden_BTD[:, 0], dim=-1)
        mask_BT1 = batch["attention_mask"].unsqueeze(-1).float()
        mean_BD = (hidden_BTD * mask_BT1).sum(1) / mask_BT1.sum(1)
        return nn.functional.normalize(mean_BD, dim=-1)

    def embed(self, texts: Sequence[str], cancel: CancelToken) -> Array:
        """See `Embeds.embed`."""
        if not texts:
            return np.empty((0, self._model.config.hidden_size), np.float32)
        vectors = self.average(*self.run_texts(texts, cancel), len(texts))
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def _pools_first_token(directory: Path) -> bool:
    """What sentence-transformers recorded; the mean of all tokens when it did not."""
    file = directory / "1_Pooling" / "config.json"
    return file.is_file() and bool(read_json(file).get("pooling_mode_cls_token"))
