"""What a run leaves behind besides weights: the recipe as it was used, and where and with what it ran.

runs/NAME/recipe.toml  environment.json  curve.csv  curve.png  samples.jsonl  plan.json  tokens/  tokenizer/
         seed-N/checkpoint-STEP/
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from llm_core.errors import InputError
from llm_core.training.recipe import Recipe

RECIPE, ENVIRONMENT, LOCK = "recipe.toml", "environment.json", "training.lock"
PACKAGES = ("torch", "transformers", "accelerate", "datasets", "safetensors", "tokenizers", "sentencepiece", "numpy")


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keeps other trainings out of a run folder; a process that dies lets go of it.

    Args:
        folder: Made if missing.

    Raises:
        InputError: Another training is in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError("run folder", f"another training is running in {folder}") from None
    try:
        yield
    finally:
        lock.release()


def recipe_toml(recipe: Recipe) -> str:
    """The recipe with its overrides, as a file that trains the same again."""
    import tomlkit

    return tomlkit.dumps(recipe.model_dump(mode="json", exclude_unset=True))


def describe(recipe: Recipe, folder: Path) -> None:
    """Writes the recipe as it is used, and the `environment`.

    Args:
        recipe: What is trained.
        folder: The run folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECIPE).write_text(recipe_toml(recipe), encoding="utf-8")
    about = environment(Path.cwd())
    (folder / ENVIRONMENT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def hardware(folder: Path) -> str:
    """What a run computed on, in words: its accelerator, or its processes and threads.

    Args:
        folder: The run folder; its training may have ended on another machine than this.
    """
    about = json.loads((folder / ENVIRONMENT).read_text(encoding="utf-8"))
    together = f"{about['processes']} processes of " if about["processes"] > 1 else ""
    return ", ".join(about["accelerators"]) or f"{together}{about['threads']} CPU threads"


def environment(directory: Path) -> dict[str, Any]:
    """Versions, machine and, inside a repository, the commit.

    Args:
        directory: Inside the repository, if any.
    """
    cuda = torch.cuda.is_available()
    return {
        "python": sys.version.split()[0],
        "packages": {name: version(name) for name in PACKAGES if find_spec(name) is not None},
        "platform": platform.platform(),
        "processor": platform.machine(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "processes": int(os.environ.get("WORLD_SIZE", "1")),
        "accelerators": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if cuda else [],
        "git_commit": _git(directory, "rev-parse", "HEAD"),
        "git_changed": bool(_git(directory, "status", "--porcelain")),
    }


def _git(directory: Path, *command: str) -> str | None:
    try:
        done = subprocess.run(["git", *command], cwd=directory, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
