"""Checkpoints: which of them are whole, and what a resumed run goes on from.

A process that is killed while it writes leaves half a checkpoint behind; the Trainer's state is written last, after
every process has written its part, so a checkpoint with a readable state is whole. Any number of processes may go on
from it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

STATE, WEIGHTS = "trainer_state.json", "model.safetensors"
OPTIMIZER, SCHEDULER = "optimizer.pt", "scheduler.pt"


def newest(folder: Path) -> Path | None:
    """The whole checkpoint with the most steps, or None.

    Args:
        folder: Holds ``checkpoint-STEP`` directories.
    """
    return max(filter(is_whole, folder.glob("checkpoint-*")), key=steps, default=None)


def is_whole(checkpoint: Path) -> bool:
    """Whether nothing is missing in a checkpoint."""
    try:
        state = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(state["global_step"] == steps(checkpoint))


def steps(checkpoint: Path) -> int:
    """Steps done at a checkpoint."""
    return int(checkpoint.name.rpartition("-")[2])


def clear(folder: Path, resume: bool) -> None:
    """Removes checkpoints that are not whole, and, when a run does not go on, all of them."""
    for checkpoint in folder.glob("checkpoint-*"):
        if not resume or not is_whole(checkpoint):
            shutil.rmtree(checkpoint)
