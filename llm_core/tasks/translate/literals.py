"""What is written the same in both languages: numbers, and names such as TensorFlow, HTTP or v1.2.

A translator that has seen too little of them writes another number or none. They are looked for as a glossary's terms
are, each with itself as its translation. Left to the model is what is often written otherwise: single digits, and
numbers before a word of magnitude (1.5 million is 150 万). The module knows no model.
"""

from __future__ import annotations

import re

from llm_core.tasks.translate.glossary import Entry, Occurrence
from llm_core.tasks.translate.languages import script_language

_NUMBER = re.compile(r"(?<![\w.,:])\d+(?:[.,:]\d+)*(?![\w])", re.ASCII)
_MAGNITUDE = re.compile(r"\s*(?:hundred|thousand|million|billion|trillion|dozen|[十百千万亿])", re.IGNORECASE)
_NAME = re.compile(r"(?<![A-Za-z0-9_])(?:0x|[A-Za-z])[A-Za-z0-9]*(?:[._+#\-][A-Za-z0-9]+)*(?![A-Za-z0-9_])", re.ASCII)
_TELLING = re.compile(r"\d|[._]|.[A-Z]", re.DOTALL)
"""In English text a name is told from a word by a digit, a mark or a capital within, or by being called: ``ord(``."""
_CALLED = re.compile(r"\((?!s\))")


def literals(text: str, language: str) -> list[Occurrence]:
    """Where numbers and names occur that a translation should have unchanged.

    Args:
        text: A sentence.
        language: Its language; in one that is not written in Latin letters, every Latin word is a name.
    """
    foreign = script_language(language) != "en"
    words = [match for match in _NAME.finditer(text) if len(match[0]) > 1]
    names = [w for w in words if foreign or _TELLING.search(w[0]) or _CALLED.match(text, w.end())]
    numbers = [match for match in _NUMBER.finditer(text) if _is_certain(match, text)]
    found = sorted((*names, *numbers), key=lambda match: match.start())
    return [Occurrence(Entry(match[0], match[0]), match.start(), match.end()) for match in found]


def _is_certain(number: re.Match[str], text: str) -> bool:
    return len(number[0]) > 1 and _MAGNITUDE.match(text, number.end()) is None
