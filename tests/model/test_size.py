"""The model stays short enough to be read in one sitting."""

from __future__ import annotations

from pathlib import Path

import llm_core.model

LINES = 700
"""Docstrings and comments counted, blank lines not."""


def test_the_model_is_short() -> None:
    files = sorted(Path(llm_core.model.__file__).parent.glob("*.py"))
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert {"attention.py", "transformer.py", "lora.py"} <= {file.name for file in files}
    assert len(lines) <= LINES
