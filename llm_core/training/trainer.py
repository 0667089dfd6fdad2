"""transformers' `Trainer` with our models, our losses, our order of rows and our schedule.

What differs from the Trainer's own ways:

- the model gives logits, and the loss is divided by the labels of the whole step, over micro-batches and processes;
- the order of rows and what is masked depend on seed and epoch alone, so a resumed run sees just what is left;
- evaluation measures the mean loss and accuracy of a label, not of a batch;
- checkpoints hold the weights as safetensors and no pickled arguments.

It knows no recipe's data and no task: an objective is given.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import DistributedType, FullyShardedDataParallelPlugin, PartialState
from accelerate.utils import parse_flag_from_env
from safetensors.torch import save_file
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainerState, TrainingArguments

from llm_core.data.batches import EpochSampler, FollowsEpoch, TokenBudgetSampler
from llm_core.data.collators import IGNORED
from llm_core.errors import InputError
from llm_core.hardware import has_bfloat16
from llm_core.model.heads import Model
from llm_core.training import sharding
from llm_core.training.checkpoints import STATE, WEIGHTS
from llm_core.training.features import FeatureSet
from llm_core.training.loss import summed_loss
from llm_core.training.objectives import Objective
from llm_core.training.progress import EpochDraws
from llm_core.training.recipe import Recipe
from llm_core.training.recipe_parts import Optim
from llm_core.training.schedule import UNKNOWN_LAST, Plan
from llm_core.training.steps import StepBatches, batches_a_step, rows_at_once, steps_of

PATIENCE_SECONDS = 6 * 3600
"""The other processes wait so long for the first one, which tokenises the data."""
LOADER_WORKERS = 4
"""Processes that make batches while an accelerator computes; it would wait for one alone."""


class CoreTrainer(Trainer):
    """See the module.

    Args:
        model: Any of `llm_core.model.heads`.
        objective: Gives batches and arranges logits.
        recipe: How it is optimised.
        args: From `arguments`.
        plan: The schedule.
        train: Features to learn from.
        validation: Features to evaluate on, or None.
        callbacks: Told of each step.
    """

    def __init__(
        self,
        model: Model,
        objective: Objective,
        recipe: Recipe,
        args: TrainingArguments,
        plan: Plan,
        *,
        train: FeatureSet,
        validation: FeatureSet | None = None,
        callbacks: Sequence[TrainerCallback] = (),
    ) -> None:
        self.objective: Objective = objective
        self.optim, self.plan = recipe.optim, plan
        self.lengths: list[int] = train.lengths
        config = model.__dict__.pop("config")  # the Trainer would write into it, and ours is frozen
        super().__init__(
            model=model,
            args=args,
            data_collator=objective.collator(args.seed),
            train_dataset=train.rows,
            eval_dataset=validation and validation.rows,
            callbacks=list(callbacks),
            compute_loss_func=self._mean_loss,
        )
        model.config = config
        self.remove_callback(PrinterCallback)

    def create_accelerator_and_postprocess(self) -> None:
        """As the Trainer's. accelerate turns FSDP on for accelerators only; gloo shards among CPUs as well."""
        super().create_accelerator_and_postprocess()
        state = self.accelerator.state
        if is_sharding(self.optim) and state.distributed_type == DistributedType.MULTI_CPU:
            plugin = FullyShardedDataParallelPlugin(**self.args.fsdp_plugin_args or {})
            if self.args.bf16:
                plugin.set_mixed_precision("bf16")
            state.distributed_type = PartialState._shared_state["distributed_type"] = DistributedType.FSDP
            state.fsdp_plugin, self.is_fsdp_enabled = plugin, True

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Tensor:
        """As the Trainer's; counts the tokens that are read, padding left out."""
        read = torch.tensor(tokens_in(inputs), device=self.args.device)
        self.state.num_input_tokens_seen += int(self.accelerator.reduce(read))
        return super().training_step(model, inputs, num_items_in_batch)

    def _mean_loss(self, logits: Tensor, labels: Tensor, num_items_in_batch: Tensor | int | None = None) -> Tensor:
        total = summed_loss(self.objective.per_label(logits), labels, self.optim.label_smoothing)
        return total / (labels.ne(IGNORED).sum() if num_items_in_batch is None else num_items_in_batch)

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Batches of rows of similar length, or of a number of tokens."""
        followers = [self.data_collator] if hasattr(self.data_collator, "set_epoch") else []
        batches = train_batches(self.lengths, self.optim, self.args.seed, followers)
        self.add_callback(EpochDraws(batches))
        return self._loader(self.train_dataset, batches, self.data_collator, self.args.dataloader_num_workers)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader[Any]:
        """Validation rows in their order, hidden the same way each time."""
        rows: Any = self.eval_dataset if eval_dataset is None else eval_dataset
        size, processes = self.args.eval_batch_size, self.args.world_size
        batches = StepBatches(range(len(rows)), size * processes, size, processes)
        return self._loader(rows, batches, self.objective.collator(self.args.seed))

    def _loader(self, rows: Any, batches: Any, collate: Any, workers: int = 0) -> DataLoader[Any]:
        pinned = self.args.dataloader_pin_memory
        loader = DataLoader(rows, batch_sampler=batches, collate_fn=collate, num_workers=workers, pin_memory=pinned)
        prepared: DataLoader[Any] = self.accelerator.prepare(loader)
        return prepared

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The plan's factor of the peak learning rate."""
        optim, plan, chosen = self.optim, self.plan, optimizer or self.optimizer
        assert chosen is not None, "the optimiser is made first"

        def factor(step: int) -> float:
            return plan.factor(step, optim.schedule, optim.decay)

        self.lr_scheduler = LambdaLR(chosen, factor)
        self._created_lr_scheduler = True
        return self.lr_scheduler

    def finished(self, checkpoint: Path) -> None:
        """Takes over the weights and figures of a run that was at its end already."""
        self.state = TrainerState.load_from_json(str(checkpoint / STATE))
        best = self.state.best_model_checkpoint if self.optim.patience is not None else None
        self._load_from_checkpoint(best or str(checkpoint))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        checkpoint = Path(resume_from_checkpoint)
        if sharding.is_sharded(checkpoint) == self.is_fsdp_enabled:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        else:
            sharding.load_model(checkpoint, self.model if model is None else model)

    def _load_best_model(self) -> None:
        self._load_from_checkpoint(str(self.state.best_model_checkpoint))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None or sharding.is_sharded(Path(checkpoint)) == self.is_fsdp_enabled:
            super()._load_optimizer_and_scheduler(checkpoint)
        else:
            sharding.load_optimizer(Path(checkpoint), self.model, self.optimizer, self.lr_scheduler)

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(output_dir)
        self.accelerator.wait_for_everyone()  # the state, which makes a checkpoint whole, is written next

    @torch.no_grad()
    def evaluate(self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval") -> Any:
        """``eval_loss`` (nats a label) and ``eval_accuracy`` (share of labels guessed), over all processes."""
        model = self.model_wrapped
        model.eval()
        sums = torch.zeros(3, device=self.args.device, dtype=torch.float64)
        for batch in self.get_eval_dataloader(eval_dataset):
            labels = batch.pop("labels")
            logits = self.objective.per_label(model(**batch))
            known = labels.ne(IGNORED)
            right = (logits.argmax(-1).eq(labels) & known).sum()
            sums += torch.stack([summed_loss(logits, labels), right, known.sum()]).to(sums)
        model.train()
        loss, right, count = self.accelerator.reduce(sums).tolist()
        prefix = f"{metric_key_prefix}_"
        metrics = {f"{prefix}loss": loss / count, f"{prefix}accuracy": right / count}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Tensor] | None = None) -> None:
        if self.args.should_save:
            folder = Path(output_dir or str(self.args.output_dir))
            folder.mkdir(parents=True, exist_ok=True)
            model: Any = self.model
            state = model.state_dict() if state_dict is None else state_dict
            tensors = {name: tensor.contiguous() for name, tensor in state.items()}
            save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def tokens_in(batch: Mapping[str, Any]) -> int:
    """Tokens of a batch, of both sides, without padding."""
    mask, decoder = batch.get("attention_mask"), batch.get("decoder_input_ids")
    read = batch["input_ids"].numel() if mask is None else int(mask.sum())
    return read if decoder is None else read + int(batch["labels"].ne(IGNORED).sum())


def train_batches(
    lengths: Sequence[int], optim: Optim, seed: int, followers: Sequence[FollowsEpoch] = ()
) -> StepBatches | TokenBudgetSampler:
    """The micro-batches of an epoch, of all processes.

    Args:
        lengths: Tokens of each row.
        optim: How large they are.
        seed: Of their order.
        followers: Told of each epoch.
    """
    processes = process_count()
    if optim.batch_tokens is not None:
        return TokenBudgetSampler(lengths, optim.batch_tokens, seed, 8, processes, followers, optim.short_first)
    if optim.batch_size < processes:
        raise InputError("optim.batch_size", f"must be at least the number of processes, {processes}", optim.batch_size)
    order = EpochSampler(seed, optim.batch_size, list(lengths), followers)
    return StepBatches(order, optim.batch_size, micro_batch(optim), processes)


def steps_per_epoch(lengths: Sequence[int], optim: Optim) -> int:
    """Steps of the optimiser in an epoch."""
    return steps_of(len(train_batches(lengths, optim, 0)), accumulation(optim), process_count())


def micro_batch(optim: Optim) -> int:
    """Rows that a process computes at once."""
    return rows_at_once(optim.batch_size, optim.micro_batch, process_count())


def accumulation(optim: Optim) -> int:
    """Micro-batches of a step in each process."""
    return 1 if optim.batch_tokens else batches_a_step(optim.batch_size, micro_batch(optim), process_count())


def process_count() -> int:
    """Processes of this run, as torchrun and accelerate tell them."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def process_rank() -> int:
    """This process's number; the first one writes."""
    return int(os.environ.get("RANK", "0"))


def arguments(recipe: Recipe, folder: Path, seed: int) -> TrainingArguments:
    """The recipe in the Trainer's words; the last step is yet to be set.

    Args:
        recipe: How it is optimised.
        folder: Where checkpoints go.
        seed: Of weights, order, masks and dropout.
    """
    optim, cuda, processes = recipe.optim, torch.cuda.is_available(), process_count()
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=UNKNOWN_LAST,
        learning_rate=optim.learning_rate,
        per_device_train_batch_size=micro_batch(optim),
        per_device_eval_batch_size=micro_batch(optim),
        gradient_accumulation_steps=accumulation(optim),
        weight_decay=optim.weight_decay,
        adam_beta2=optim.adam_beta2,
        max_grad_norm=optim.max_grad_norm,
        optim="adamw_torch_fused",
        seed=seed,
        bf16=number_format(optim) == "bfloat16",
        use_cpu=not cuda,
        logging_steps=optim.log_steps,
        logging_nan_inf_filter=False,
        save_steps=optim.save_steps,
        save_total_limit=2,
        eval_strategy="no" if optim.eval_steps is None else "steps",
        eval_steps=optim.eval_steps,
        load_best_model_at_end=optim.patience is not None,
        metric_for_best_model=optim.metric if optim.patience is not None else None,
        greater_is_better=optim.metric == "accuracy",
        label_names=["labels"],
        remove_unused_columns=False,
        report_to="none",
        disable_tqdm=True,
        dataloader_num_workers=LOADER_WORKERS if cuda else 0,
        dataloader_pin_memory=cuda,
        ddp_backend="gloo" if processes > 1 and not cuda else None,
        ddp_find_unused_parameters=False,
        ddp_timeout=PATIENCE_SECONDS,
        accelerator_config={"even_batches": False},  # ours are even already
        **_sharding(optim),
    )


def number_format(optim: Optim) -> str:
    """What products are computed in, here: ``bfloat16`` or ``float32``."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return "bfloat16" if optim.bf16 and has_bfloat16(device) else "float32"


def is_sharding(optim: Optim) -> bool:
    """Whether several processes share one model: by the recipe, or by accelerate's own settings."""
    return optim.fsdp or parse_flag_from_env("ACCELERATE_USE_FSDP")


def _sharding(optim: Optim) -> dict[str, Any]:
    if not optim.fsdp or process_count() == 1:
        return {}
    wrapped = {"version": 2, "transformer_layer_cls_to_wrap": ["Block"], "state_dict_type": "SHARDED_STATE_DICT"}
    return {"fsdp": True, "fsdp_config": wrapped}
