"""A run that was killed goes on to the very same numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from llm_core.training import checkpoints
from llm_core.training.recipe import Recipe
from llm_core.training.sample_file import read_samples
from tests.support.trainings import losses, train_apart, weights

Scratch = Callable[..., Recipe]


@pytest.mark.parametrize(
    ("objective", "killed_after", "optim"),
    [("masked_lm", 10, {}), ("causal_lm", 4, {"shallow_first": 4, "shallow_blocks": 1})],
)
def test_a_killed_run_goes_on_bit_by_bit(
    objective: str, killed_after: int, optim: dict[str, int], scratch: Scratch, data_dir: Path, tmp_path: Path
) -> None:
    inputs = {"masked_lm": "the red [MASK] saw", "causal_lm": "the red"}[objective]
    recipe = scratch(objective, samples={"inputs": [inputs]}, optim={"eval_steps": 4, **optim})
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train_apart(recipe, data_dir, whole)
    train_apart(recipe, data_dir, parts, killed_after)
    assert checkpoints.newest(parts) == parts / f"checkpoint-{killed_after // 4 * 4}"
    (parts / "checkpoint-12").mkdir()  # what a process killed while it writes leaves behind
    (parts / "checkpoint-12" / "model.safetensors").write_bytes(b"half")
    train_apart(recipe, data_dir, parts)
    assert len(losses(whole)) == 15 and losses(parts) == losses(whole)
    assert read_samples(parts / "samples.jsonl") == read_samples(whole / "samples.jsonl")
    expected, found = weights(whole), weights(parts)
    assert (
        all(torch.equal(found[name], tensor) for name, tensor in expected.items()) and found.keys() == expected.keys()
    )
