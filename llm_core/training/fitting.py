"""From a recipe to trained weights: vocabulary, features, model, trainer, and what goes on from a checkpoint.

On a CPU: bfloat16 autocast, where it has instructions for that, and "medium" float32 products. Under torchrun or
accelerate every process runs this; the first one tokenises and writes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import EarlyStoppingCallback, TrainerCallback, TrainingArguments

from llm_core.model.heads import Model
from llm_core.training import checkpoints, curve, sample_file, samples
from llm_core.training.deepening import Deepening
from llm_core.training.features import FeatureSet, digest, held, stored
from llm_core.training.mixture import Mixture
from llm_core.training.objectives import Objective, objective_for
from llm_core.training.progress import Budget, Progress
from llm_core.training.recipe import Recipe
from llm_core.training.run_folder import describe
from llm_core.training.schedule import UNKNOWN_LAST, Plan
from llm_core.training.trainer import CoreTrainer, arguments, process_count, steps_per_epoch
from llm_core.training.tuning import approximated, fresh, from_base, trainable
from llm_core.training.vocabulary import open_tokenizer, vocabulary

PLAN = "plan.json"
POLISH = "polish"
"""Folder within the run folder; see `Tuning.polish`."""


@dataclass(frozen=True)
class Fitted:
    """What fitting gives."""

    model: Model
    """In float32, on the CPU, ready for inference; with its adapter on it, not merged."""
    objective: Objective
    tokenizer_dir: Path
    folder: Path
    """Where its curve and samples are."""
    seed: int
    """The one whose model this is."""
    steps: int
    tokens: int
    """Read in training, by all processes."""
    seconds: float
    """Over all processes of a run that was resumed."""
    results: tuple[float, ...]
    """The validation metric of each seed, when there are several."""


@dataclass(frozen=True)
class Fit:
    """A training as it was asked for.

    Args:
        recipe: What to train.
        base_dir: Directory of the base, in the Hub's format; None: from scratch.
        data_dir: Folder of data sets; None: the Hub.
        folder: The run folder.
        resume: Go on from the newest checkpoint.
        budget_minutes: Make the schedule end when the time is up, whatever number of steps the recipe says.
        at_most: The budget only ends a run that would take longer; the recipe's number of steps is kept otherwise.
        in_memory: Keep features in memory instead of on disk; for a few rows.
        watchers: Told of each step, too.
        tuned: Train the adapter that approximates this fully fine-tuned model; see `Tuning.polish`.
    """

    recipe: Recipe
    base_dir: Path | None
    data_dir: Path | None
    folder: Path
    resume: bool = True
    budget_minutes: float | None = None
    at_most: bool = False
    in_memory: bool = False
    watchers: tuple[TrainerCallback, ...] = ()
    tuned: Model | None = None

    def run(self) -> Fitted:
        """Trains once for each seed and gives the best, polished where the recipe says so.

        Raises:
            InputError: A row is malformed, or the recipe does not fit the base.
            ModelUnavailableError: A data set is not to be had.
        """
        torch.set_float32_matmul_precision("medium")
        self.folder.mkdir(parents=True, exist_ok=True)
        best = self._best()
        return best if self.recipe.tuning.polish is None else self._polished(best)

    def _best(self) -> Fitted:
        seeds = self.recipe.optim.seeds
        if len(seeds) == 1:
            return self._once(seeds[0], self.folder)[0]
        found = [self._once(seed, self.folder / f"seed-{seed}") for seed in seeds]
        results = tuple(result for _, result in found)
        best = results.index(max(results) if self.recipe.optim.metric == "accuracy" else min(results))
        return Fitted(**{**vars(found[best][0]), "results": results})

    def _polished(self, fitted: Fitted) -> Fitted:
        recipe, folder = self.recipe.polishing(fitted.seed), self.folder / POLISH
        done = replace(self, recipe=recipe, folder=folder, budget_minutes=None, tuned=fitted.model).run()
        sums = {name: getattr(fitted, name) + getattr(done, name) for name in ("steps", "tokens", "seconds")}
        return replace(fitted, model=done.model, **sums)

    def _once(self, seed: int, folder: Path) -> tuple[Fitted, float]:
        args = arguments(self.recipe, folder, seed)
        with args.main_process_first(local=False, desc="features"):
            objective, train, validation, tokenizer_dir = self._prepared()
        checkpoint = self._checkpoint(args, folder)
        plan = self._plan(train, folder, checkpoint)
        args.max_steps = plan.last or UNKNOWN_LAST
        finished = checkpoint is not None and checkpoints.steps(checkpoint) >= args.max_steps
        if args.process_index == 0 and not finished:
            describe(self.recipe, self.folder)
        model = self._model(objective, seed)
        if self.recipe.optim.compile:
            model.compile(dynamic=True)
        watching = self._callbacks(plan, folder, objective, model)
        trainer = CoreTrainer(
            model, objective, self.recipe, args, plan, train=train, validation=validation, callbacks=watching
        )
        if checkpoint is not None and finished:
            trainer.finished(checkpoint)
        else:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        result = trainer.evaluate()[f"eval_{self.recipe.optim.metric}"] if len(self.recipe.optim.seeds) > 1 else 0.0
        seconds = max((row["seconds"] for row in curve.read_curve(folder / curve.FILE)), default=0.0)
        state = trainer.state
        plain = self._plain(trainer, lambda: self._model(objective, seed))
        tokens = state.num_input_tokens_seen
        return Fitted(plain, objective, tokenizer_dir, folder, seed, state.global_step, tokens, seconds, ()), result

    def _prepared(self) -> tuple[Objective, FeatureSet, FeatureSet | None, Path]:
        mixture = Mixture(self.recipe, self.data_dir)
        place = self.base_dir or vocabulary(mixture, self.folder / "tokenizer")
        objective = objective_for(self.recipe, open_tokenizer(place))
        if self.in_memory:
            validation = None if self.recipe.optim.eval_steps is None else held(objective, mixture.validation())
            return objective, held(objective, mixture.training()), validation, place
        named = str(self.recipe.base or (place / "made_from.json").read_text(encoding="utf-8"))
        tokens = self.folder / "tokens" / digest(self.recipe, self.data_dir, named)
        train = stored(objective, mixture.training(), tokens / "train.arrow")
        if self.recipe.optim.eval_steps is None:
            return objective, train, None, place
        return objective, train, stored(objective, mixture.validation(), tokens / "validation.arrow"), place

    def _checkpoint(self, args: TrainingArguments, folder: Path) -> Path | None:
        if args.process_index == 0:
            checkpoints.clear(folder, self.resume)
        if process_count() > 1:
            torch.distributed.barrier()
        return checkpoints.newest(folder)

    def _plan(self, train: FeatureSet, folder: Path, checkpoint: Path | None) -> Plan:
        optim = self.recipe.optim
        if checkpoint is not None and (folder / PLAN).is_file():
            return Plan.load(folder / PLAN)
        if self.budget_minutes is not None and not self.at_most:
            return Plan(optim.warmup_steps)
        last = optim.max_steps or math.ceil((optim.epochs or 1) * steps_per_epoch(train.lengths, optim))
        return Plan(min(optim.warmup_steps, last - 1), last)

    def _model(self, objective: Objective, seed: int) -> Model:
        model = fresh(objective, seed) if self.base_dir is None else from_base(objective, self.base_dir, seed)
        model = trainable(objective, model) if self.tuned is None else approximated(objective, model, self.tuned)
        fused, optim = self.recipe.optim.fused_attention, self.recipe.optim
        model.use_fused_attention(torch.cuda.is_available() if fused is None else fused)
        for stack in (model.transformer.encoder, model.transformer.decoder):
            if stack is not None:
                stack.gradient_checkpointing = optim.gradient_checkpointing
        return model

    def _callbacks(self, plan: Plan, folder: Path, objective: Objective, model: Model) -> list[TrainerCallback]:
        optim = self.recipe.optim
        found: list[TrainerCallback] = [Progress(folder / curve.FILE)]
        if self.budget_minutes is not None:
            most = plan.last if self.at_most else None
            found.append(Budget(plan, self.budget_minutes, folder / PLAN, most))
        if optim.shallow_first:
            found.append(Deepening(model, optim.shallow_first, optim.shallow_blocks))
        if self.recipe.samples is not None:
            wanted = self.recipe.samples
            found.append(samples.Sampler(wanted, model, objective.tokenizer, folder / sample_file.FILE))
        if optim.patience is not None:
            found.append(EarlyStoppingCallback(optim.patience))
        return [*found, *self.watchers]

    def _plain(self, trainer: CoreTrainer, build: Callable[[], Model]) -> Model:
        """The trained weights in a model that no wrapper has touched."""
        state: dict[str, Any] = trainer.accelerator.get_state_dict(trainer.model_wrapped)
        model = build()
        if trainer.args.process_index == 0:
            model.load_state_dict(state)
        model.use_fused_attention(True)
        return model.cpu().eval()
