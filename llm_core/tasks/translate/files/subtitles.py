"""SubRip subtitles (.srt): the words of each cue; numbers, times, places and tags stay byte for byte.

The file is patched in place: subtitle libraries write cues anew, which renumbers them and drops what they do not know.
The lines of a cue are translated as one text and broken anew into as many lines, speakers' lines (``- …``) one by one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from llm_core.errors import InputError
from llm_core.tasks.translate.files.base import FileUnit, check_count, decode

_CUE = re.compile(
    r"^(?P<time>[ \t]*\d{1,3}:\d{1,2}:\d{1,2}[,.]\d{1,3}[ \t]*-->[ \t]*\d{1,3}:\d{1,2}:\d{1,2}[,.]\d{1,3}[^\r\n]*)"
    r"(?:\r\n|\r|\n)(?P<words>(?:[^\r\n]*[^\s][^\r\n]*(?:\r\n|\r|\n|\Z))+)",
    re.MULTILINE,
)
_SPEAKER = re.compile(r"\s*(?:<[^<>]*>)*\s*[-–—♪]")


class SubtitleFile:
    """See `TranslatableFile`.

    Args:
        data: The file.

    Raises:
        InputError: It has no cue.
    """

    format: Literal["plain", "markdown"] = "plain"

    def __init__(self, data: bytes) -> None:
        self._decoded = decode(data)
        self._places: list[tuple[int, int]] = []
        units: list[FileUnit] = []
        for cue in _CUE.finditer(self._decoded.text):
            for start, end in _groups(self._decoded.text, *cue.span("words")):
                self._places.append((start, end))
                units.append(FileUnit(_joined(self._decoded.text[start:end]), cue["time"].split("-->")[0].strip()))
        if not units:
            raise InputError("document", "has no subtitles: a line with its times (00:00:01,000 --> …) before each")
        self.units = tuple(units)

    def rebuild(self, translations: Sequence[str], target: str) -> bytes:
        """See `TranslatableFile.rebuild`."""
        check_count(self.units, translations)
        whole, cursor, text = "", 0, self._decoded.text
        for (start, end), unit, translation in zip(self._places, self.units, translations, strict=True):
            old = text[start:end]
            whole += text[cursor:start] + (old if translation == unit.text else _broken(translation, old))
            cursor = end
        return self._decoded.encode(whole + text[cursor:])


def _groups(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Ranges of lines that belong together, without the line end after them."""
    lines = [(start + line.start(), start + line.end()) for line in re.finditer(r"[^\r\n]+", text[start:end])]
    if sum(_SPEAKER.match(text[a:b]) is not None for a, b in lines) > 1:
        return lines
    return [(lines[0][0], lines[-1][1])]


def _joined(text: str) -> str:
    return re.sub(r"[ \t]*(?:\r\n|\r|\n)[ \t]*", " ", text)


def _broken(text: str, old: str) -> str:
    """The text in at most as many lines as the old one, of about the same length; never an empty line, which would end
    the cue."""
    end = "\r\n" if "\r\n" in old else "\n"
    lines: list[str] = []
    rest = " ".join(text.split())
    for remaining in range(len(re.findall(r"[\r\n]+", old)) + 1, 1, -1):
        cut = _cut(rest, len(rest) // remaining)
        if not cut:
            break
        lines.append(rest[:cut].strip())
        rest = rest[cut:].strip()
    return end.join([*lines, rest])


def _cut(text: str, near: int) -> int:
    """Where to break: after the blank or mark nearest to a place, else, in Chinese and the like, there; 0: nowhere."""
    places = [place.end() for place in re.finditer(r"[ ，。；、！？](?![^<]*>)", text[:-1])]
    if nearest := min(places, key=lambda place: abs(place - near), default=0):
        return nearest
    return near if not text.isascii() and "<" not in text and "{" not in text else 0
