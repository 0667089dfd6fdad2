"""Progressive depth: blocks that join change nothing, and learn only once they have joined."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from llm_core.errors import InputError
from llm_core.model.config import preset
from llm_core.model.transformer import Transformer
from llm_core.training.deepening import join
from llm_core.training.recipe import Recipe
from llm_core.training.train import train

Scratch = Callable[..., Recipe]


@pytest.mark.parametrize("family", ["bert", "llama"])
def test_blocks_that_join_change_nothing(family: str) -> None:
    torch.manual_seed(0)
    side = "encoder" if family == "bert" else "decoder"
    sizes = {"vocab_size": 50, "hidden_size": 16, "intermediate_size": 32, "num_heads": 2, f"{side}_layers": 3}
    model = Transformer(preset(family, **sizes)).eval()
    stack = getattr(model, side)
    for block in stack.blocks:
        torch.nn.init.constant_(block.feed_forward_norm.weight, 1.7)
    ids = torch.arange(20).view(2, 10)
    run = model.encode if family == "bert" else model.decode
    whole = run(ids)
    stack.depth = 1
    shallow = run(ids)
    assert (shallow - whole).abs().max() > 0.01
    join(stack)
    assert stack.depth is None
    torch.testing.assert_close(run(ids), shallow, atol=1e-5, rtol=1e-5)


def test_upper_blocks_rest_until_they_join(scratch: Scratch, data_dir: Path, tmp_path: Path) -> None:
    optim = {"shallow_first": 6, "shallow_blocks": 1, "save_steps": 6}
    recipe = scratch("masked_lm", model={"encoder_layers": 3}, optim=optim)
    train(recipe, base_dir=None, data_dir=data_dir, output_dir=tmp_path / "m", work_dir=tmp_path / "run")
    shallow, whole = (_moved(tmp_path / "run" / f"checkpoint-{step}") for step in (6, 12))
    assert shallow < whole == len(load_file(tmp_path / "run" / "checkpoint-12" / "model.safetensors"))


def _moved(checkpoint: Path) -> int:
    """Weights that the optimiser has moved so far."""
    return len(torch.load(checkpoint / "optimizer.pt", weights_only=True)["state"])


def test_a_run_that_ends_shallow(scratch: Scratch, data_dir: Path, tmp_path: Path) -> None:
    recipe = scratch("masked_lm", optim={"shallow_first": 12, "shallow_blocks": 1})
    with pytest.raises(InputError, match=r"optim\.shallow_first: must be less than the run's 12 steps"):
        train(recipe, base_dir=None, data_dir=data_dir, output_dir=tmp_path / "m", work_dir=tmp_path / "run")
