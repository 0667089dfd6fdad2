"""The learning rate over a run, and what bends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_core.training.schedule import Plan
from llm_core.training.steps import StepBatches, batches_a_step, rows_at_once, steps_of


@pytest.mark.parametrize(
    ("schedule", "decay", "middle"), [("cosine", 1.0, 0.5), ("linear", 1.0, 0.5), ("wsd", 0.25, 1.0), ("wsd", 1.0, 0.5)]
)
def test_rates_rise_then_fall_to_zero(schedule: str, decay: float, middle: float) -> None:
    plan = Plan(warmup=10, last=110)
    rates = [plan.factor(step, schedule, decay) for step in range(111)]
    assert rates[:11] == pytest.approx([step / 10 for step in range(11)])
    assert rates[60] == pytest.approx(middle)
    assert rates[110] == pytest.approx(0, abs=1e-12)
    assert all(b <= a for a, b in zip(rates[10:], rates[11:], strict=False))


def test_an_unknown_end_leaves_the_rate_at_its_peak() -> None:
    assert Plan(warmup=5).factor(10**6, "cosine") == 1.0


def test_estimates_bend_the_schedule_without_a_jump(tmp_path: Path) -> None:
    plan = Plan(warmup=0)
    plan.bend(10, 110)
    before = plan.share(60)
    plan.bend(60, 80)  # slower than thought: the rest goes in 20 steps
    assert plan.share(60) == before == pytest.approx(0.5)
    assert [plan.share(step) for step in (35, 70, 80, 90)] == pytest.approx([0.25, 0.75, 1.0, 1.0])
    plan.save(tmp_path / "plan.json")
    assert Plan.load(tmp_path / "plan.json") == plan


@pytest.mark.parametrize("rows", [1, 7, 16, 17, 40, 41])
@pytest.mark.parametrize(("micro", "processes"), [(8, 1), (4, 1), (4, 2), (2, 4), (8, 3)])
def test_every_row_is_in_one_batch_and_processes_have_as_many(rows: int, micro: int, processes: int) -> None:
    micro = rows_at_once(16, micro, processes)
    batches = StepBatches(range(rows), step_rows=16, micro_batch=micro, processes=processes)
    found = list(batches)
    assert len(found) == len(batches) and len(found) % processes == 0
    assert all(1 <= len(batch) <= micro for batch in found)
    left = rows % 16
    assert [row for batch in found for row in batch] == list(range(rows - (left if left < processes else 0)))
    wanted = rows // 16 + (left >= processes and left > 0)
    assert steps_of(len(found), batches_a_step(16, micro, processes), processes) == max(1, wanted)
