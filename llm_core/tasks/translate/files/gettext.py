"""Message catalogues of gettext (.po, .pot), by `polib`: what has no translation yet, or a doubtful one, gets one.

Translations that are there stay. Of a plural, the first form is the translation of the singular where the language has
several forms, all others that of the plural; languages with more than two forms need a look. The file is written in
polib's layout, which is gettext's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import polib  # type: ignore[import-untyped]

from llm_core.errors import InputError
from llm_core.tasks.translate.files.base import FileUnit, check_count, decode

_TWO = "nplurals=2; plural=(n != 1);"
_SLAVIC = "n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2"
_PLURAL_FORMS = {
    **dict.fromkeys(("zh", "zh-Hant", "ja", "ko", "th", "vi", "id"), "nplurals=1; plural=0;"),
    **dict.fromkeys(("fr", "tr"), "nplurals=2; plural=(n > 1);"),
    **dict.fromkeys(("ru", "uk"), f"nplurals=3; plural=({_SLAVIC});"),
    "cs": "nplurals=3; plural=(n==1) ? 0 : (n>=2 && n<=4) ? 1 : 2;",
    "pl": "nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);",
    "ar": "nplurals=6; plural=(n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5);",
}
"""GNU gettext's manual, "Plural forms"; other languages have one form for one thing and one for several."""
_LOCALES = {"zh": "zh_CN", "zh-Hant": "zh_TW"}


class GettextFile:
    """See `TranslatableFile`.

    Args:
        data: The file.

    Raises:
        InputError: It is no message catalogue.
    """

    format: Literal["plain", "markdown"] = "plain"

    def __init__(self, data: bytes) -> None:
        self._decoded = decode(data)
        self._missing = _missing(_parsed(self._decoded.text))
        catalogue = _parsed(self._decoded.text)
        units = [unit for number in self._missing for unit in _units(catalogue[number])]
        if not units and len(catalogue):
            raise InputError("document", "has nothing to translate: all its messages are translated already")
        self.units = tuple(units)

    def rebuild(self, translations: Sequence[str], target: str) -> bytes:
        """See `TranslatableFile.rebuild`."""
        check_count(self.units, translations)
        catalogue = _parsed(self._decoded.text)
        forms = _describe(catalogue, target)
        waiting = iter(translations)
        for number in self._missing:
            entry = catalogue[number]
            texts = [_ended(next(waiting), unit.text) for unit in _units(entry)]
            if entry.msgid_plural:
                entry.msgstr_plural = {form: texts[0 if form == 0 and forms > 1 else 1] for form in range(forms)}
            else:
                entry.msgstr = texts[0]
            entry.flags = [flag for flag in entry.flags if flag != "fuzzy"]
            entry.previous_msgid = entry.previous_msgid_plural = entry.previous_msgctxt = None
        return self._decoded.encode(str(catalogue) + "\n")


def _parsed(text: str) -> Any:
    try:
        # Without a line break before it polib might take the text for the name of a file.
        return polib.pofile("\n" + text.replace("\r\n", "\n"), check_for_duplicates=False)
    except (OSError, ValueError, IndexError, KeyError, AttributeError, UnicodeError) as error:
        raise InputError("document", "is not a gettext catalogue that can be read") from error


def _missing(catalogue: Any) -> list[int]:
    """Numbers of the messages without a translation that counts."""
    return [n for n, entry in enumerate(catalogue) if not entry.obsolete and entry.msgid and not entry.translated()]


def _units(entry: Any) -> list[FileUnit]:
    return [FileUnit(text, entry.msgctxt or "") for text in (entry.msgid, entry.msgid_plural) if text]


def _describe(catalogue: Any, target: str) -> int:
    """Set the header's language and plural forms; how many forms there are.

    A catalogue that is partly translated keeps its own rule.
    """
    rule = catalogue.metadata.get("Plural-Forms", "")
    if not catalogue.translated_entries() or not rule.startswith("nplurals=") or not rule[9:10].isdigit():
        rule = _PLURAL_FORMS.get(target, _TWO)
        catalogue.metadata["Plural-Forms"] = rule
        catalogue.metadata["Language"] = _LOCALES.get(target, target)
    catalogue.metadata["Content-Type"] = "text/plain; charset=UTF-8"
    return max(1, int(rule[9]))


def _ended(text: str, source: str) -> str:
    """The text with the line breaks around it that gettext wants to be alike."""
    start, end = source[: len(source) - len(source.lstrip("\n"))], source[len(source.rstrip("\n")) :]
    return start + text.strip("\n") + end
