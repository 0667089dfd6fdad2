"""A budget of time is used up, whatever the first steps suggest."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from llm_core.training.progress import Budget
from llm_core.training.schedule import Plan


def test_slow_first_steps_do_not_end_a_run_early(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now = 0.0
    monkeypatch.setattr("llm_core.training.progress.time.monotonic", lambda: now)
    plan = Plan(warmup=5)
    state: Any = SimpleNamespace(global_step=0, max_steps=10**9, is_world_process_zero=True)
    args: Any = SimpleNamespace(max_steps=10**9, world_size=1)
    budget = Budget(plan, minutes=1.0, file=tmp_path / "plan.json")
    budget.on_train_begin(args, state, None)
    while state.global_step < state.max_steps:
        now += 1.0 if state.global_step < 10 else 0.01  # a machine that warms up for ten steps
        state.global_step += 1
        budget.on_step_end(args, state, None)
        if now < 30:
            assert plan.share(state.global_step) < 0.5, "the learning rate would fall too early"
    assert 55 < now <= 61 and state.global_step > 4000
    assert plan.share(state.global_step) == 1
