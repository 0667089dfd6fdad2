"""What a run leaves behind besides weights: the recipe as it was used, and where and with what it ran.

runs/NAME/recipe.toml  environment.json  curve.csv  curve.png  samples.jsonl  plan.json  tokens/  tokenizer/
         seed-N/checkpoint-STEP/
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from llm_core.training.recipe import Recipe

PACKAGES = ("torch", "transformers", "accelerate", "datasets", "safetensors", "tokenizers", "sentencepiece", "numpy")


def recipe_toml(recipe: Recipe) -> str:
    """The recipe with its overrides, as a file that trains the same again."""
    import tomlkit

    return tomlkit.dumps(recipe.model_dump(mode="json", exclude_unset=True))


def environment(directory: Path) -> dict[str, Any]:
    """Versions, machine and, inside a repository, the commit.

    Args:
        directory: Inside the repository, if any.
    """
    cuda = torch.cuda.is_available()
    return {
        "python": sys.version.split()[0],
        "packages": {name: version(name) for name in PACKAGES},
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
