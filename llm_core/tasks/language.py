"""Which scripts a text is written in, and whether a model reads them.

Only the script is looked at, so English is never refused for slang, emoji, code or brevity; French is not told from
English. The module knows nothing of tasks: it takes a catalogue entry's `languages` and a text.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence

from llm_core.catalog import ModelSpec
from llm_core.errors import InputError

LANGUAGE_NAMES = {
    "en": "English", "zh": "Chinese", "ja": "Japanese", "ko": "Korean", "ru": "Russian", "el": "Greek", "ar": "Arabic",
    "he": "Hebrew", "hi": "Hindi", "th": "Thai", "de": "German", "fr": "French", "es": "Spanish", "cs": "Czech",
    "it": "Italian", "pt": "Portuguese", "nl": "Dutch", "pl": "Polish", "code": "code",
}  # fmt: skip
_LATIN = frozenset({"LATIN"})
_SCRIPTS_OF = {
    "zh": frozenset({"CJK"}), "ja": frozenset({"CJK", "HIRAGANA", "KATAKANA"}), "ko": frozenset({"HANGUL", "CJK"}),
    **dict.fromkeys(("ru", "uk", "bg"), frozenset({"CYRILLIC"})), "el": frozenset({"GREEK"}),
    "ar": frozenset({"ARABIC"}), "fa": frozenset({"ARABIC"}), "ur": frozenset({"ARABIC"}), "he": frozenset({"HEBREW"}),
    "hi": frozenset({"DEVANAGARI"}), "th": frozenset({"THAI"}), "code": _LATIN,
    **dict.fromkeys(("en", "de", "fr", "es", "cs", "it", "pt", "nl", "pl", "sv", "da", "fi", "tr", "vi", "id"), _LATIN),
}  # fmt: skip
_SCRIPT_NAMES = {
    "CJK": "Chinese characters", "HIRAGANA": "Japanese", "KATAKANA": "Japanese", "HANGUL": "Korean",
    "LATIN": "the Latin alphabet", "CYRILLIC": "Cyrillic", "GREEK": "Greek", "ARABIC": "Arabic", "HEBREW": "Hebrew",
    "DEVANAGARI": "Devanagari", "THAI": "Thai",
}  # fmt: skip
_IDEOGRAPH_WEIGHT = 3
"""One Chinese character says about as much as three letters: brand names do not turn a Chinese sentence into an
English one."""
_UNREADABLE_SHARE = 0.5
_MICRO_SIGN = "\u00b5"
"""A unit in every language; normalization would make it a Greek letter."""


def script_shares(text: str) -> dict[str, float]:
    """Share of each script in the text's letters, largest first; empty when it has no letters of a known script."""
    weights: Counter[str] = Counter()
    for character, count in Counter(unicodedata.normalize("NFKC", text.replace(_MICRO_SIGN, ""))).items():
        script = unicodedata.name(character, "").partition(" ")[0] if character.isalpha() else ""
        if script in _SCRIPT_NAMES:
            weights[script] += count * (_IDEOGRAPH_WEIGHT if script == "CJK" else 1)
    total = sum(weights.values())
    return {script: weight / total for script, weight in weights.most_common()}


def is_chinese(text: str) -> bool:
    """Whether the text is mostly written in Chinese characters (and not in Japanese)."""
    shares = script_shares(text)
    return next(iter(shares), "") == "CJK" and not shares.get("HIRAGANA") and not shares.get("KATAKANA")


def reads(spec: ModelSpec, text: str) -> bool:
    """Whether at least half of the text's letters are of scripts that the model reads.

    A model with a language this module does not know is taken to read everything.
    """
    if any(language not in _SCRIPTS_OF for language in spec.languages):
        return True
    readable = frozenset().union(*(_SCRIPTS_OF[language] for language in spec.languages))
    return sum(share for script, share in script_shares(text).items() if script not in readable) <= _UNREADABLE_SHARE


def check_language(spec: ModelSpec, field: str, text: str, others: Sequence[ModelSpec] = ()) -> None:
    """Accept a text that the model can read.

    Args:
        spec: The model that would read it.
        field: Name of the request field.
        text: Its text.
        others: Models to name as a way out, those of them that read the text.

    Raises:
        InputError: Most of its letters are of a script that the model does not read.
    """
    if reads(spec, text):
        return
    script = _SCRIPT_NAMES[next(iter(script_shares(text)))]
    languages = " and ".join(LANGUAGE_NAMES.get(language, language) for language in spec.languages)
    able = [other.title for other in others if reads(other, text)]
    remedy = f"choose {' or '.join(able)}" if able else "no model here reads it yet"
    raise InputError(field, f"is mostly written in {script}, but {spec.title} reads {languages}; {remedy}")


def readers(specs: Sequence[ModelSpec], field: str, text: str) -> tuple[ModelSpec, ...]:
    """Those models that read the text, in their order.

    Raises:
        InputError: There are models, but none reads it.
    """
    able = tuple(spec for spec in specs if reads(spec, text))
    if specs and not able:
        check_language(specs[0], field, text)
    return able


def check_writes(spec: ModelSpec, field: str, language: str) -> None:
    """Accept a language that the model can answer in.

    Args:
        spec: The model that would write it.
        field: Name of the request field.
        language: ISO 639-1 code.

    Raises:
        InputError: It is none of the model's languages.
    """
    if language not in spec.languages:
        languages = " and ".join(LANGUAGE_NAMES.get(known, known) for known in spec.languages)
        raise InputError(field, f"{spec.title} does not write {LANGUAGE_NAMES[language]}; it writes {languages}")


def writers(specs: Sequence[ModelSpec], field: str, language: str) -> tuple[ModelSpec, ...]:
    """Those models that write the language, in their order.

    Raises:
        InputError: There are models, but none writes it.
    """
    able = tuple(spec for spec in specs if language in spec.languages)
    if specs and not able:
        check_writes(specs[0], field, language)
    return able
