"""Checkpoints: which of them are whole, and what a resumed run goes on from.

A process that is killed while it writes leaves half a checkpoint behind; the Trainer writes its state last, so a
checkpoint with a readable state and every process's random state is whole.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

STATE = "trainer_state.json"


def newest(folder: Path, processes: int = 1) -> Path | None:
    """The whole checkpoint with the most steps, or None.

    Args:
        folder: Holds ``checkpoint-STEP`` directories.
        processes: Of the run that goes on; the random state of each must be there.
    """
    return max((c for c in folder.glob("checkpoint-*") if is_whole(c, processes)), key=steps, default=None)


def is_whole(checkpoint: Path, processes: int = 1) -> bool:
    """Whether nothing is missing in a checkpoint."""
    names = ["rng_state.pth"] if processes == 1 else [f"rng_state_{rank}.pth" for rank in range(processes)]
    try:
        state = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return state["global_step"] == steps(checkpoint) and all((checkpoint / name).is_file() for name in names)


def steps(checkpoint: Path) -> int:
    """Steps done at a checkpoint."""
    return int(checkpoint.name.rpartition("-")[2])


def clear(folder: Path, processes: int, resume: bool) -> None:
    """Removes checkpoints that are not whole, and, when a run does not go on, all of them."""
    for checkpoint in folder.glob("checkpoint-*"):
        if not resume or not is_whole(checkpoint, processes):
            shutil.rmtree(checkpoint)
