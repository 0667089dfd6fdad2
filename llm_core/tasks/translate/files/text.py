"""Plain text and Markdown: one unit, of which the translation task keeps the structure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from llm_core.tasks.translate.files.base import FileUnit, check_count, decode


class TextFile:
    """See `TranslatableFile`.

    Args:
        data: The file.
        markdown: Whether it is Markdown.
    """

    def __init__(self, data: bytes, *, markdown: bool) -> None:
        self._decoded = decode(data)
        self.units: tuple[FileUnit, ...] = (FileUnit(self._decoded.text),)
        self.format: Literal["plain", "markdown"] = "markdown" if markdown else "plain"

    def rebuild(self, translations: Sequence[str], target: str) -> bytes:
        """See `TranslatableFile.rebuild`."""
        check_count(self.units, translations)
        return self._decoded.encode(translations[0])
