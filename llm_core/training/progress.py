"""Callbacks that watch a run: its curve and progress line, its budget of time, and the epoch of its random draws."""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import torch
from transformers import TrainerCallback

from llm_core.training.curve import Curve
from llm_core.training.schedule import UNKNOWN_LAST, Plan

QUIET_SECONDS = 30.0
"""Between two progress lines when nobody watches (no terminal)."""
LOOK_STEPS = 10
"""The budget is looked at each so many steps."""


class EpochDraws(TrainerCallback):
    """Tells the sampler which epoch begins: accelerate does not reach through all its wrappers of a resumed loader."""

    def __init__(self, batches: Any) -> None:
        self.batches = batches

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Before the first batch is drawn."""
        steps = math.ceil(len(others["train_dataloader"]) / args.gradient_accumulation_steps)
        self.batches.set_epoch(state.global_step // steps)


class Progress(TrainerCallback):
    """Writes the curve and a progress line: loss, tokens/s, time left, memory.

    Args:
        file: The curve's CSV.
        stream: Where the line goes; a terminal's is rewritten.
    """

    def __init__(self, file: Path, stream: TextIO | None = None) -> None:
        self.curve, self.stream = Curve(file), stream or sys.stderr
        self.began = self.last_time = time.monotonic()
        self.last_tokens = self.first_step = 0
        self.shown = -math.inf

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Goes on where the checkpoint stood."""
        spent = self.curve.begin(state.global_step) if state.is_world_process_zero else 0.0
        self.last_time = time.monotonic()
        self.began, self.last_tokens = self.last_time - spent, state.num_input_tokens_seen
        self.first_step, self.first_time = state.global_step, self.last_time

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **others: Any) -> None:
        """A row of the curve, and the line."""
        if not state.is_world_process_zero or not logs or not ("loss" in logs or "eval_loss" in logs):
            return
        now, row = time.monotonic(), {"step": state.global_step, "tokens": state.num_input_tokens_seen}
        row |= {"seconds": round(now - self.began, 2), **logs}
        if "loss" in logs:
            fresh = state.num_input_tokens_seen - self.last_tokens
            row["tokens_per_second"] = round(fresh / max(now - self.last_time, 1e-9))
            self.last_time, self.last_tokens = now, state.num_input_tokens_seen
        self.curve.add(row)
        self._show(state, row, now)

    def on_train_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Leaves the last line standing."""
        if state.is_world_process_zero and self.stream.isatty():
            print(file=self.stream)

    def _show(self, state: Any, row: dict[str, Any], now: float) -> None:
        watched = self.stream.isatty()
        if not watched and now - self.shown < QUIET_SECONDS:
            return
        self.shown = now
        parts = [f"step {state.global_step:,}{_of(state.max_steps)}"]
        parts += [f"{name} {row[name]:.4f}" for name in ("loss", "eval_loss", "eval_accuracy") if name in row]
        if "tokens_per_second" in row:
            parts.append(f"{row['tokens_per_second']:,} tokens/s")
        if (left := self._seconds_left(state, now)) is not None:
            parts.append(f"{left / 60:.1f} min left")
        parts.append(f"{memory_gigabytes():.2f} GB")
        line = "  ".join(parts)
        print(f"\r\033[K{line}" if watched else line, end="" if watched else "\n", file=self.stream, flush=True)

    def _seconds_left(self, state: Any, now: float) -> float | None:
        done = state.global_step - self.first_step
        if not done or state.max_steps >= UNKNOWN_LAST:
            return None
        return float((now - self.first_time) / done * (state.max_steps - state.global_step))


def _of(last: int) -> str:
    return "" if last >= UNKNOWN_LAST else f"/{last:,}"


def memory_gigabytes() -> float:
    """What this process holds: on the accelerator its peak, else resident memory."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    import psutil

    return float(psutil.Process().memory_info().rss) / 1e9


class Budget(TrainerCallback):
    """Makes the schedule end when the time is up; see `schedule`.

    Args:
        plan: The schedule; bent here.
        minutes: For the whole run, over all its processes one after the other.
        file: Where the plan is kept for a resumed run.
        most: Steps after which the run ends, however much time is left; None: it uses its time up.
    """

    def __init__(self, plan: Plan, minutes: float, file: Path, most: int | None = None) -> None:
        self.plan, self.seconds, self.file, self.most = plan, minutes * 60, file, most
        self.spent, self.next_look = plan.seconds, 0.02

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Starts the clock."""
        self.began, self.first_step = time.monotonic(), state.global_step

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Estimates the last step, now and then."""
        done = state.global_step - self.first_step
        if done < LOOK_STEPS or done % LOOK_STEPS:
            return
        here = _rank_zero_says(time.monotonic() - self.began, args.world_size)
        if done == LOOK_STEPS:  # these were slow: memory is found, kernels are chosen or compiled
            self.warmed_up = here
            return
        used = (self.spent + here) / self.seconds
        ends_soon = self.plan.last is not None and self.plan.last - state.global_step <= LOOK_STEPS
        if used < self.next_look and not ends_soon:
            return
        self.next_look = used + 0.08
        left = max(0.0, self.seconds - self.spent - here)
        steps_per_second = (done - LOOK_STEPS) / (here - self.warmed_up)
        last = state.global_step + max(1, int(left * steps_per_second))
        self.plan.bend(state.global_step, last if self.most is None else min(last, self.most))
        state.max_steps = args.max_steps = self.plan.last
        self.plan.seconds = self.spent + here
        if state.is_world_process_zero:
            self.plan.save(self.file)


def _rank_zero_says(value: float, processes: int) -> float:
    """The same number in every process."""
    if processes == 1:
        return value
    said = [value]
    torch.distributed.broadcast_object_list(said, src=0)
    return said[0]
