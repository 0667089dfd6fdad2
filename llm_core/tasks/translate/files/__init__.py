"""Documents in and out of translation with their structure: text, Markdown, Word, subtitles, tables, gettext.

    file = open_file(data, "notes.md")
    translations = ...                      # of file.units, in their order
    data = file.rebuild(translations, "zh")

One small class a format behind one protocol. A file is written back from its own bytes: what was not translated stays
as it was, and translations equal to the units give the same file again, gettext's aside. Text is written as UTF-8.
The package knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath

from llm_core.errors import InputError
from llm_core.limits import MAX_DOCUMENT_CHARS
from llm_core.tasks.documents import bytes_of
from llm_core.tasks.translate.files.base import FileUnit, TranslatableFile

SUFFIXES = (".txt", ".md", ".docx", ".srt", ".csv", ".po")
"""Kinds of files, by the end of their names."""
_ALIASES = {".markdown": ".md", ".text": ".txt", ".tsv": ".csv", ".pot": ".po"}
MAX_FILE_UNITS = 20_000

__all__ = ["SUFFIXES", "FileUnit", "TranslatableFile", "open_file", "translated_name"]


def open_file(source: bytes | Path, name: str, *, columns: Sequence[str] = (), header: bool = True) -> TranslatableFile:
    """Read a file for translation.

    Args:
        source: Its bytes, or a file that the program chose (never a path that a visitor typed).
        name: What the visitor calls it; its end says what kind it is.
        columns: Of a table: the columns to translate, by name or by number from 1; none means all.
        header: Of a table: whether the first row names the columns, and is not translated.

    Raises:
        InputError: It is too large, broken, of another kind, or has nothing to translate.
    """
    data = bytes_of(source)
    file = _opened(data, _suffix(name), columns, header)
    if not any(any(map(str.isalpha, unit.text)) for unit in file.units):
        raise InputError("document", "must hold some text to translate")
    if sum(len(unit.text) for unit in file.units) > MAX_DOCUMENT_CHARS:
        raise InputError("document", f"must have at most {MAX_DOCUMENT_CHARS:,} characters to translate")
    if len(file.units) > MAX_FILE_UNITS:
        raise InputError(
            "document", f"must have at most {MAX_FILE_UNITS:,} texts to translate, it has {len(file.units):,}"
        )
    return file


def translated_name(name: str, target: str) -> str:
    """What to call the translation of a file: ``notes.zh.md`` for ``notes.md``."""
    path = PurePath(name.replace("\\", "/"))
    return f"{path.stem}.{target}{path.suffix}"


def _suffix(name: str) -> str:
    suffix = PurePath(name).suffix.lower()
    suffix = _ALIASES.get(suffix, suffix)
    if suffix not in SUFFIXES:
        raise InputError("document", f"must be one of {', '.join(SUFFIXES)}")
    return suffix


def _opened(data: bytes, suffix: str, columns: Sequence[str], header: bool) -> TranslatableFile:
    if suffix == ".docx":
        from llm_core.tasks.translate.files.word import WordFile

        return WordFile(data)
    if suffix == ".po":
        from llm_core.tasks.translate.files.gettext import GettextFile

        return GettextFile(data)
    if suffix == ".csv":
        from llm_core.tasks.translate.files.table import TableFile

        return TableFile(data, columns, header=header)
    if suffix == ".srt":
        from llm_core.tasks.translate.files.subtitles import SubtitleFile

        return SubtitleFile(data)
    from llm_core.tasks.translate.files.text import TextFile

    return TextFile(data, markdown=suffix == ".md")
