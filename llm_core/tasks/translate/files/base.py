"""What every kind of file offers, and how text files are decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from llm_core.errors import InputError
from llm_core.tasks.documents import decode_text

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class FileUnit:
    """A text to translate."""

    text: str
    context: str = ""
    """Where it stands, in words for people: a cell, a time, a message's context."""


class TranslatableFile(Protocol):
    """A file that was read."""

    units: tuple[FileUnit, ...]
    format: Literal["plain", "markdown"]
    """How its units are written; the field of that name of a translation request."""

    def rebuild(self, translations: Sequence[str], target: str) -> bytes:
        """The file with other texts in the places of its units.

        Args:
            translations: One for each unit.
            target: Their language (ISO 639-1, or ``zh-Hant``).

        Raises:
            InputError: Not one for each unit.
        """


def check_count(units: Sequence[FileUnit], translations: Sequence[str]) -> None:
    """Accept one translation for each unit.

    Raises:
        InputError: Their numbers differ.
    """
    if len(units) != len(translations):
        raise InputError("translations", f"must be one for each of {len(units)} units", len(translations))


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text of a file and how to write it again."""

    text: str
    bom: bool
    """Whether a byte order mark is to stand before it."""

    def encode(self, text: str) -> bytes:
        """Another text as such a file, in UTF-8."""
        return (_BOM if self.bom else b"") + text.encode("utf-8", "replace")


def decode(data: bytes) -> Decoded:
    """Text of a file, line ends as they are.

    Raises:
        InputError: It is no text, or in an unknown encoding.
    """
    text = decode_text(data)
    if "\x00" in text:
        raise InputError("document", "must be a text file; this one has NUL characters")
    return Decoded(text.removeprefix("\ufeff"), data.startswith(_BOM))
