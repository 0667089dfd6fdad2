"""The file of showcases: what a model made of a few inputs at several steps of its training.

Each line of ``samples.jsonl`` is ``{"step", "loss", "input", "output"}``. The output is a continuation or a translation
as text, or, for a masked LM, the most probable pieces and their probabilities for each mask. Reading it needs no torch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE = "samples.jsonl"


def read_samples(file: Path) -> list[dict[str, Any]]:
    """The lines of a file; a last half line, of a killed process, is left out."""
    if not file.is_file():
        return []
    whole, _, _ = file.read_text(encoding="utf-8").rpartition("\n")
    return [json.loads(line) for line in whole.split("\n") if line]


def keep_until(file: Path, step: int) -> None:
    """Keeps the lines up to `step`."""
    if file.is_file():
        kept = [line for line in read_samples(file) if line["step"] <= step] if step else []
        file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in kept), encoding="utf-8")
