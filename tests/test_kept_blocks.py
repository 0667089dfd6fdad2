"""Blocks of a run stay until the run asks something else."""

from __future__ import annotations

from pathlib import Path

from llm_core.kept_blocks import KeptBlocks


def test_blocks_are_kept_for_the_same_run_only(tmp_path: Path) -> None:
    folder = tmp_path / "blocks"
    kept = KeptBlocks(folder, ["sentiment", {"text": "note"}])
    assert kept.numbers() == set() and not folder.exists()
    kept.keep(3, [{"好": 0.1}, "two"])
    (folder / "4.json.part").write_text("half", encoding="utf-8")  # of a process that was killed
    again = KeptBlocks(folder, ["sentiment", {"text": "note"}])
    assert again.numbers() == {3} and again.read(3) == [{"好": 0.1}, "two"]
    assert KeptBlocks(folder, ["sentiment", {"text": "other"}]).numbers() == set()
