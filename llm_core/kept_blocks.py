"""What is done of a long run, block by block on disk, so that a run that was stopped goes on."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llm_core.files import replacing

BLOCK_ROWS = 256
"""Rows that are done, kept and tried again together."""


class KeptBlocks:
    """The blocks of one run, in a folder beside its output.

    Args:
        folder: Holds one file a block; made when the first is kept.
        asked: What the run was asked; a folder of another run is emptied.
    """

    def __init__(self, folder: Path, asked: Sequence[Any]) -> None:
        self._folder = folder
        self._key = hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()
        if folder.is_dir() and self._asked() != self._key:
            shutil.rmtree(folder)

    def numbers(self) -> set[int]:
        """Of the blocks that are done."""
        return {int(file.stem) for file in self._folder.glob("*.json")}

    def read(self, number: int) -> list[Any]:
        """What became of a block's rows."""
        found: list[Any] = json.loads((self._folder / f"{number}.json").read_text(encoding="utf-8"))
        return found

    def keep(self, number: int, outcomes: Sequence[Any]) -> None:
        """Write a block that is done; a process killed meanwhile leaves none."""
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "run.key").write_text(self._key, encoding="utf-8")
        with replacing(self._folder / f"{number}.json") as draft:
            draft.write_text(json.dumps(list(outcomes), ensure_ascii=False), encoding="utf-8")

    def _asked(self) -> str:
        file = self._folder / "run.key"
        return file.read_text(encoding="utf-8") if file.is_file() else ""
