"""Files that a reader never sees half of: they are written beside their place and moved there when they are whole."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """A path to write to, which takes the place of `file` when the block ends well and vanishes when it does not.

    The directory of `file` exists; processes that write the same file at once need a lock of their own.
    """
    partial = file.with_name(f"{file.name}.part")
    try:
        yield partial
        os.replace(partial, file)
    finally:
        partial.unlink(missing_ok=True)


def write_json(file: Path, value: Any) -> None:
    """Writes indented UTF-8 JSON."""
    with replacing(file) as partial:
        partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
