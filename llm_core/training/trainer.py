"""Fitting: transformers' `Trainer` driven by a recipe.

On a CPU: bfloat16 autocast, "medium" float32 products, batches of similar length so that little padding is computed.
Checkpoints go to a working directory; a run that was stopped goes on from the newest one.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, concatenate_datasets
from transformers import AutoTokenizer, DataCollatorWithPadding, Trainer, TrainingArguments
from transformers.trainer_pt_utils import LengthGroupedSampler
from transformers.trainer_utils import get_last_checkpoint

from llm_core.data.loaders import Row
from llm_core.training.objectives import Objective, mixture, objective_for
from llm_core.training.recipe import Recipe
from llm_core.training.tuning import base_model, trainable


class EpochSampler(LengthGroupedSampler):
    """Batches of similar length, in an order that depends on seed and epoch alone: a resumed run sees the rest."""

    def set_epoch(self, epoch: int) -> None:
        """Called by accelerate before each epoch."""
        self.generator = torch.Generator().manual_seed(self.seed + epoch)

    def __init__(self, seed: int, batch_size: int, lengths: list[int]) -> None:
        super().__init__(batch_size, lengths=lengths)
        self.seed = seed
        self.set_epoch(0)


class BucketedTrainer(Trainer):
    """The Trainer with `EpochSampler`: its own sampler draws from the global generator, which a resume shifts."""

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> EpochSampler:
        rows = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        dataset: Any = self.train_dataset  # the argument lacks the column that no model takes
        return EpochSampler(self.args.seed, rows, list(dataset["length"]))


def fit(recipe: Recipe, *, base_dir: Path, data_dir: Path | None, work_dir: Path, resume: bool = True) -> Any:
    """Trains the recipe and returns the model in float32, with the adapter on it.

    Args:
        recipe: What to train.
        base_dir: Directory of the base model in the Hub's format.
        data_dir: Folder of data sets; None: environment variable, then the Hub.
        work_dir: Where checkpoints and logs go.
        resume: Go on from the newest checkpoint in `work_dir`, if there is one.
    """
    torch.set_float32_matmul_precision("medium")
    tokenizer = AutoTokenizer.from_pretrained(base_dir)
    objective, rows = objective_for(recipe), mixture(recipe, data_dir)
    dataset = _dataset(objective, tokenizer, rows)
    trainer = BucketedTrainer(
        model=trainable(recipe, base_model(recipe, base_dir)),
        args=training_arguments(recipe, work_dir, steps_per_epoch=math.ceil(len(dataset) / recipe.optim.batch_size)),
        train_dataset=dataset,
        data_collator=DataCollatorWithPadding(tokenizer, pad_to_multiple_of=8),
        processing_class=tokenizer,
        compute_loss_func=objective.loss(),
    )
    trainer.train(resume_from_checkpoint=_newest_checkpoint(work_dir) if resume else None)
    return trainer.model


def _newest_checkpoint(work_dir: Path) -> str | None:
    if not work_dir.is_dir():
        return None
    found: str | None = get_last_checkpoint(str(work_dir))  # type: ignore[no-untyped-call]
    return found


def _dataset(objective: Objective, tokenizer: Any, rows: list[Row], chunk: int = 2000) -> Dataset:
    """Features as an Arrow table, tokenised in chunks: lists of Python integers would take ten times the memory."""
    chunks = (rows[k : k + chunk] for k in range(0, len(rows), chunk))
    parts = [Dataset.from_list(objective.features(tokenizer, part)) for part in chunks]
    dataset = concatenate_datasets(parts)
    return dataset.add_column("length", [len(ids) for ids in dataset["input_ids"]])


def training_arguments(recipe: Recipe, work_dir: Path, steps_per_epoch: int) -> TrainingArguments:
    """The recipe in the Trainer's words."""
    optim = recipe.optim
    processes = int(os.environ.get("WORLD_SIZE", "1"))  # torchrun's count
    micro_batch = min(optim.micro_batch, max(1, optim.batch_size // processes))  # each process computes its share
    after_warmup = max(1, math.ceil(optim.epochs * steps_per_epoch) - optim.warmup_steps)
    return TrainingArguments(
        output_dir=str(work_dir),
        num_train_epochs=optim.epochs,
        learning_rate=optim.learning_rate,
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=max(1, optim.batch_size // (micro_batch * processes)),
        warmup_steps=optim.warmup_steps,
        lr_scheduler_type="warmup_stable_decay",
        lr_scheduler_kwargs={"num_decay_steps": math.ceil(after_warmup * optim.decay), "decay_type": "linear"},
        weight_decay=optim.weight_decay,
        optim="adamw_torch_fused",
        seed=optim.seed,
        bf16=True,
        use_cpu=not torch.cuda.is_available(),
        save_steps=optim.save_steps,
        save_total_limit=2,
        logging_steps=50,
        report_to="none",
        dataloader_pin_memory=torch.cuda.is_available(),
        disable_tqdm=True,
        ddp_backend="gloo" if processes > 1 and not torch.cuda.is_available() else None,
        ddp_find_unused_parameters=False,
    )
