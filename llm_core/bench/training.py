"""Training speed: our model against transformers' own class of the same shape, both under transformers' `Trainer`.

Same weights, same batches, same arguments (bf16 autocast, fused AdamW), alternating rounds. Ours computes as in
`llm_core.training`: the loss is taken from plain logits, and a masked language model computes logits where a token is
hidden, while transformers' class computes them everywhere; a line of its own has ours do the same. The first loss of
both, in float32 and without dropout, is compared before anything is timed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor
from transformers import (
    BertConfig,
    BertForMaskedLM,
    LlamaConfig,
    LlamaForCausalLM,
    MarianConfig,
    MarianMTModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from llm_core.bench.figures import Figure, alternate
from llm_core.data.collators import IGNORED
from llm_core.model.config import ModelConfig
from llm_core.model.convert import hub
from llm_core.model.heads import CausalLM, MaskedLM, Model, Seq2SeqLM
from llm_core.settings import Settings
from llm_core.training.loss import summed_loss

Batch = dict[str, Tensor]
_STEPS, _FREE = 6, 2
"""Optimiser steps a round, and how many of them are not timed."""


@dataclass(frozen=True)
class Size:
    """How large the compared models and their batches are."""

    layers: int = 6
    """Of the encoder–decoder, half on each side."""
    hidden: int = 256
    heads: int = 4
    vocabulary: int = 8192
    length: int = 128
    """Tokens a row."""
    rows: int = 4
    """Rows a batch."""


@dataclass(frozen=True)
class Contest:
    """One shape: who competes, and on what."""

    name: str
    theirs: Callable[[Size], Any]
    """transformers' model with fresh weights."""
    ours: Callable[[ModelConfig], Model]
    batch: Callable[[Size], Batch]
    """A batch as transformers' class takes it, with its labels."""
    adapt: Callable[[Batch], Batch]
    """The same batch as ours takes it."""


def bert(size: Size) -> Any:
    """A BERT with its masked-LM head; dropout 0.1."""
    return BertForMaskedLM(
        BertConfig(
            vocab_size=size.vocabulary,
            hidden_size=size.hidden,
            num_hidden_layers=size.layers,
            num_attention_heads=size.heads,
            intermediate_size=4 * size.hidden,
        )
    )


def llama(size: Size) -> Any:
    """A Llama with as many key/value heads as query heads halved, and tied embeddings."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=size.vocabulary,
            hidden_size=size.hidden,
            num_hidden_layers=size.layers,
            num_attention_heads=size.heads,
            num_key_value_heads=size.heads // 2,
            intermediate_size=3 * size.hidden,
            tie_word_embeddings=True,
            use_cache=False,
        )
    )


def marian(size: Size) -> Any:
    """A Marian with half of the layers on each side; dropout 0.1."""
    return MarianMTModel(
        MarianConfig(
            vocab_size=size.vocabulary,
            d_model=size.hidden,
            encoder_layers=size.layers // 2,
            decoder_layers=size.layers // 2,
            encoder_attention_heads=size.heads,
            decoder_attention_heads=size.heads,
            encoder_ffn_dim=4 * size.hidden,
            decoder_ffn_dim=4 * size.hidden,
            max_position_embeddings=512,
            activation_function="swish",
            scale_embedding=True,
            pad_token_id=0,
            eos_token_id=1,
            decoder_start_token_id=0,
            use_cache=False,
        )
    )


def _tokens(size: Size, seed: int = 0) -> Tensor:
    return torch.randint(4, size.vocabulary, (size.rows, size.length), generator=torch.Generator().manual_seed(seed))


def _masked(size: Size) -> Batch:
    ids = _tokens(size)
    hidden = torch.rand(ids.shape, generator=torch.Generator().manual_seed(1)) < 0.15
    labels = ids.masked_fill(~hidden, IGNORED)
    return {"input_ids": ids.masked_fill(hidden, 3), "attention_mask": torch.ones_like(ids), "labels": labels}


def _packed(size: Size) -> Batch:
    return {"input_ids": _tokens(size), "labels": _tokens(size)}


def _translation(size: Size) -> Batch:
    source, target = _tokens(size), _tokens(size, seed=1)
    shifted = torch.cat((torch.zeros_like(target[:, :1]), target[:, :-1]), dim=1)
    mask = torch.ones_like(source)
    return {"input_ids": source, "attention_mask": mask, "decoder_input_ids": shifted, "labels": target}


def _only_hidden(batch: Batch) -> Batch:
    positions = batch["labels"].ne(IGNORED)
    return {**batch, "logit_positions": positions, "labels": batch["labels"][positions]}


def _next_token(batch: Batch) -> Batch:
    labels = torch.full_like(batch["labels"], IGNORED)
    labels[:, :-1] = batch["labels"][:, 1:]
    return {**batch, "labels": labels}


def _as_it_is(batch: Batch) -> Batch:
    return dict(batch)


CONTESTS = (
    Contest("BERT, masked LM", bert, MaskedLM, _masked, _only_hidden),
    Contest("BERT, masked LM, ours with logits everywhere", bert, MaskedLM, _masked, _as_it_is),
    Contest("Llama", llama, CausalLM, _packed, _next_token),
    Contest("Marian", marian, Seq2SeqLM, _translation, _as_it_is),
)


def measure(settings: Settings, size: Size | None = None, rounds: int = 5) -> list[Figure]:
    """Tokens per second of both, and their ratio, for each shape; `settings` gives the threads."""
    torch.set_num_threads(settings.threads)
    return [figure for contest in CONTESTS for figure in compare(contest, size or Size(), rounds)]


def compare(contest: Contest, size: Size, rounds: int = 5) -> list[Figure]:
    """The figures of one shape.

    Raises:
        AssertionError: The two do not start from the same loss, to 1e-4.
    """
    torch.manual_seed(0)
    theirs, batch = contest.theirs(size), contest.batch(size)
    with TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        ours = hub.load(Path(folder), contest.ours)
    ours.use_fused_attention(False)  # on a CPU the formula as written trains faster than the fused kernel
    difference = abs(_first_loss(ours, contest.adapt(batch), _mean_loss) - _first_loss(theirs, batch, None))
    if difference > 1e-4:
        raise AssertionError(f"{contest.name}: the first losses differ by {difference:.2g}")
    read = batch["input_ids"].numel() + batch.get("decoder_input_ids", batch["labels"][:0]).numel()
    fast, slow, ratio = alternate(
        lambda: read / _seconds_a_step(ours, contest.adapt(batch), _mean_loss),
        lambda: read / _seconds_a_step(theirs, batch, None),
        rounds,
    )
    return [
        Figure(f"{contest.name}: ours", fast, "tokens/s", ""),
        Figure(f"{contest.name}: transformers' class", slow, "tokens/s", ""),
        Figure(f"{contest.name}: ratio, pair by pair", ratio, "", "≥ 1.0"),
        Figure(f"{contest.name}: difference of the first loss", difference, "nats", "< 1e-4"),
    ]


def _mean_loss(logits: Tensor, labels: Tensor, num_items_in_batch: Tensor | int | None = None) -> Tensor:
    return summed_loss(logits, labels) / (
        labels.ne(IGNORED).sum() if num_items_in_batch is None else num_items_in_batch
    )


@torch.no_grad()
def _first_loss(model: Any, batch: Batch, loss: Callable[..., Tensor] | None) -> float:
    model.eval()
    if loss is None:
        return float(model(**batch).loss)
    inputs = dict(batch)
    labels = inputs.pop("labels")
    return float(loss(model(**inputs), labels))


class _Clock(TrainerCallback):
    """Seconds of the steps after the first `_FREE`."""

    def __init__(self) -> None:
        self.started = self.seconds = 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Called by the Trainer."""
        if state.global_step == _FREE:
            self.started = time.perf_counter()
        self.seconds = time.perf_counter() - self.started


class _Batches(torch.utils.data.Dataset[Batch]):
    """The same batch as often as there are steps; the collator takes it as it is."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    def __len__(self) -> int:
        return _STEPS

    def __getitem__(self, index: int) -> Batch:
        return dict(self.batch)


def _seconds_a_step(model: Any, batch: Batch, loss: Callable[..., Tensor] | None) -> float:
    clock = _Clock()
    config = model.__dict__.pop("config") if loss else None  # the Trainer would write into it, and ours is frozen
    with TemporaryDirectory() as folder:
        trainer = Trainer(
            model=model,
            args=_arguments(folder),
            train_dataset=_Batches(batch),
            data_collator=_only_row,
            callbacks=[clock],
            compute_loss_func=loss,
        )
        if config is not None:
            model.config = config
        trainer.remove_callback(PrinterCallback)  # only tables go to standard output
        trainer.train()
    return clock.seconds / (_STEPS - _FREE)


def _only_row(rows: list[Batch]) -> Batch:
    return rows[0]


def _arguments(folder: str) -> TrainingArguments:
    return TrainingArguments(
        output_dir=folder,
        max_steps=_STEPS,
        per_device_train_batch_size=1,
        learning_rate=1e-4,
        optim="adamw_torch_fused",
        bf16=True,
        use_cpu=True,
        remove_unused_columns=False,
        label_names=["labels"],
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
