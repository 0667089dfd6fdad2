"""The CRF of a tagger (`data.crf`), fitted to the logits that the exported model gives its own training rows.

The encoder stands still, so a step costs nothing but a small table: minutes, not hours. Its logits are too sure of rows
that it was trained on; leaving it out for a share of the sentences makes up for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PrinterCallback, Trainer, TrainingArguments

from llm_core.data.crf import FILE, NgramCRF, padded, save_crf
from llm_core.data.loaders import Row
from llm_core.data.tagging import in_small_words, repaired
from llm_core.training.export import load_model
from llm_core.training.mixture import Mixture
from llm_core.training.predictors import Array, tag_predictor
from llm_core.training.recipe import Recipe
from llm_core.training.recipe_parts import CRFPart
from llm_core.training.vocabulary import open_tokenizer

LONGEST = 100
"""Words of a row: longer sentences are cut, so that padding stays little."""
WARMUP = 0.1
"""Share of the steps until the squares that Adagrad adds up are large enough to keep its steps small."""


class _Loss(nn.Module):
    """The mean negative log-likelihood of a word, in nats; as the Trainer wants it."""

    def __init__(self, crf: NgramCRF) -> None:
        super().__init__()
        self.crf = crf

    def forward(self, input_ids: Tensor, logits: Tensor, mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        emissions = self.crf.emissions(self.crf.embedded(input_ids), logits, mask)
        return {"loss": -self.crf.log_likelihood(emissions, mask, labels).sum() / mask.sum()}


def fit_crf(recipe: Recipe, base_dir: Path | None, data_dir: Path | None, model_dir: Path, work_dir: Path) -> None:
    """Fits the recipe's CRF to an exported tagger and writes it beside the weights; without one, an old file goes.

    Args:
        recipe: Of the tagger.
        base_dir: Directory of its base, for an adapter.
        data_dir: Folder of data sets; None: the Hub.
        model_dir: Of the exported model.
        work_dir: Where the Trainer may write.

    Raises:
        InputError: A data row is malformed.
        ModelUnavailableError: A data set is not to be had.
    """
    (model_dir / FILE).unlink(missing_ok=True)
    if recipe.crf is None:
        return
    model: Any = load_model(model_dir, base_dir)
    encoder = tag_predictor(recipe, model, open_tokenizer(base_dir or model_dir))
    rows = [in_small_words(row)[0] for row in Mixture(recipe, data_dir).training()]
    crf = _fresh(recipe.labels, recipe.crf, recipe.optim.seeds[0])
    features = _features(crf, recipe.labels, rows, encoder.logits(rows))
    trainer = Trainer(_Loss(crf), _arguments(recipe.crf, work_dir, recipe.optim.seeds[0]), _collated, features)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    save_crf(crf, model_dir, getattr(torch, recipe.dtype))


def _fresh(labels: Sequence[str], wanted: CRFPart, seed: int) -> NgramCRF:
    torch.manual_seed(seed)
    kept_out = {"dropout": wanted.dropout, "encoder_dropout": wanted.encoder_dropout}
    return NgramCRF(labels, wanted.rows, wanted.size, wanted.orders, wanted.width, **kept_out)


def _features(
    crf: NgramCRF, labels: Sequence[str], rows: Sequence[Row], logits: Sequence[Array]
) -> list[dict[str, Tensor]]:
    index = {label: number for number, label in enumerate(labels)}
    found = []
    for row, given in zip(rows, logits, strict=True):
        whole = {
            "input_ids": crf.ngrams(row["tokens"]),
            "logits": torch.from_numpy(given),
            "labels": torch.tensor([index[tag] for tag in repaired(row["tags"])]),
        }
        for first in range(0, len(row["tokens"]), LONGEST):
            found.append({name: part[first : first + LONGEST] for name, part in whole.items()})
    return found


def _collated(features: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    parts = {name: padded([each[name] for each in features]) for name in features[0]}
    return {**{name: together for name, (together, _) in parts.items()}, "mask": parts["labels"][1]}


def _arguments(wanted: CRFPart, work_dir: Path, seed: int) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(work_dir),
        num_train_epochs=wanted.epochs,
        learning_rate=wanted.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=WARMUP,
        optim="adagrad",
        per_device_train_batch_size=64,
        weight_decay=0.0,
        max_grad_norm=0.0,
        train_sampling_strategy="group_by_length",
        seed=seed,
        use_cpu=True,
        save_strategy="no",
        logging_steps=100,
        remove_unused_columns=False,
        report_to="none",
        disable_tqdm=True,
    )
