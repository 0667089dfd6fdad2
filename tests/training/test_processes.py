"""Two processes compute what one does, whole (DDP) or sharded (FSDP2), and a run goes on with any number of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from llm_core.training.checkpoints import OPTIMIZER, WEIGHTS
from llm_core.training.fitting import Fit
from llm_core.training.recipe import Recipe
from llm_core.training.sample_file import FILE, read_samples
from llm_core.training.sharding import MODEL_SHARDS, OPTIMIZER_SHARDS
from tests.support.trainings import losses, train_apart, weights

Scratch = Callable[..., Recipe]
Weights = Mapping[str, torch.Tensor]


def _recipe(scratch: Scratch, **optim: Any) -> Recipe:
    """Twelve steps that draw no chance of their own, so that figures can be compared."""
    changes = {"bf16": False, "eval_steps": 6, "save_steps": 6, **optim}
    return scratch("causal_lm", optim=changes, model={"dropout": 0.0})


def _alone(recipe: Recipe, data_dir: Path, folder: Path) -> Weights:
    return Fit(recipe, None, data_dir, folder).run().model.state_dict()


def _halfway(run: Path, folder: Path) -> Path:
    """A copy of a run that was stopped after six of its twelve steps."""
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns("checkpoint-12", "final.safetensors"))
    return folder


def _assert_alike(found: Weights, expected: Weights) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, atol=2e-3, rtol=1e-2)


def _assert_same_curve(folder: Path, other: Path) -> None:
    for mine, theirs in zip(losses(folder), losses(other), strict=True):
        assert mine == pytest.approx(theirs, rel=1e-4)


@pytest.fixture(scope="module")
def one(scratch: Scratch, data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Weights]:
    """The run of one process, and its weights."""
    folder = tmp_path_factory.mktemp("one")
    return folder, _alone(_recipe(scratch), data_dir, folder)


@pytest.mark.parametrize("fsdp", [False, True])
def test_two_processes_compute_what_one_does_and_one_goes_on(
    fsdp: bool, one: tuple[Path, Weights], scratch: Scratch, data_dir: Path, tmp_path: Path
) -> None:
    whole, expected = one
    recipe, two = _recipe(scratch, fsdp=fsdp), tmp_path / "two"
    train_apart(recipe, data_dir, two, processes=2)
    _assert_same_curve(two, whole)
    _assert_alike(weights(two), expected)
    written = {path.name for path in (two / "checkpoint-6").iterdir()}
    assert ({MODEL_SHARDS, OPTIMIZER_SHARDS} <= written) == fsdp and ({WEIGHTS, OPTIMIZER} <= written) != fsdp
    if fsdp:
        assert len(list((two / "checkpoint-6" / MODEL_SHARDS).glob("*.distcp"))) == 2, "each process writes its shard"
    parts = _halfway(two, tmp_path / "parts")
    _assert_alike(_alone(recipe, data_dir, parts), weights(two))
    _assert_same_curve(parts, two)


@pytest.mark.parametrize("fsdp", [False, True])
def test_two_processes_go_on_from_one(
    fsdp: bool, one: tuple[Path, Weights], scratch: Scratch, data_dir: Path, tmp_path: Path
) -> None:
    whole, expected = one
    parts = _halfway(whole, tmp_path / "parts")
    train_apart(_recipe(scratch, fsdp=fsdp), data_dir, parts, processes=2)
    _assert_same_curve(parts, whole)
    _assert_alike(weights(parts), expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("objective", "optim"),
    [
        ("causal_lm", {"fsdp": True}),
        ("masked_lm", {"batch_tokens": 256, "bf16": True}),
        ("seq2seq", {"batch_tokens": 256, "fsdp": True, "gradient_checkpointing": True}),
    ],
)
def test_killed_processes_go_on_to_the_same_figures(
    objective: str, optim: dict[str, Any], scratch: Scratch, data_dir: Path, tmp_path: Path
) -> None:
    inputs = {"masked_lm": "the red [MASK] saw", "causal_lm": "the red", "seq2seq": ">>zho<< the red"}[objective]
    recipe = scratch(objective, samples={"inputs": [inputs]}, optim={"eval_steps": 4, **optim})
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train_apart(recipe, data_dir, whole, processes=2)
    train_apart(recipe, data_dir, parts, killed_after=10, processes=2)
    train_apart(recipe, data_dir, parts, processes=2)
    assert losses(parts) == losses(whole) and read_samples(parts / FILE) == read_samples(whole / FILE)
    assert all(torch.equal(weights(parts)[name], tensor) for name, tensor in weights(whole).items())
