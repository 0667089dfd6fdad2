"""Which language a sentence is in, and how Chinese is written.

Languages are told by their script, which cannot tell French from English. Chinese has two scripts: models know the
simplified one (``zh``), so traditional text (``zh-Hant``) is converted before the model and after it, by OpenCC with
Taiwan's forms of the characters. The module knows nothing of models.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator

from llm_core.tasks.language import LANGUAGE_NAMES, script_shares

AUTO = "auto"
TRADITIONAL = "zh-Hant"
"""Code of Chinese in traditional characters."""
UNSPACED = frozenset({"zh", "ja", TRADITIONAL})
"""Languages that put no blank between sentences."""
_LANGUAGE_OF_SCRIPT = {
    "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "CYRILLIC": "ru", "GREEK": "el", "ARABIC": "ar", "HEBREW": "he",
    "DEVANAGARI": "hi", "THAI": "th", "LATIN": "en",
}  # fmt: skip
_ENOUGH_SENTENCES = 500
"""A text's language and script are those of its beginning; the rest is still looked at sentence by sentence."""
_ENOUGH_CHARS = 2_000
_STAND_IN = {"uk": "ru", "bg": "ru", "fa": "ar", "ur": "ar"}
"""Languages that share a script with the one it is taken for; those in Latin letters are all taken for English."""


def _language_code(code: str) -> str:
    plain = code.isascii() and code.islower() and code.isalpha() and len(code) in (2, 3)
    if not plain and code not in (AUTO, TRADITIONAL):
        raise ValueError(f"must be an ISO 639-1 code such as en or zh, or {TRADITIONAL}; {code[:20]!r} is none")
    return code


def _not_auto(code: str) -> str:
    if code == AUTO:
        raise ValueError("must be a language; only the source can be detected")
    return code


Code = Annotated[str, AfterValidator(_language_code)]
TargetCode = Annotated[Code, AfterValidator(_not_auto)]


def model_code(code: str) -> str:
    """The language as models know it."""
    return "zh" if code == TRADITIONAL else code


def language_name(code: str) -> str:
    """The language in English."""
    return "Traditional Chinese" if code == TRADITIONAL else LANGUAGE_NAMES.get(code, code)


def language_of(text: str) -> str:
    """The language of a text as models know it; empty when it has no letters of a known script."""
    shares = script_shares(text)
    script = next(iter(shares), "")
    kana = shares.get("HIRAGANA", 0.0) + shares.get("KATAKANA", 0.0) > 0
    if script == "CJK" and not kana:
        return "zh"
    # Japanese mixes Chinese characters with its own two scripts.
    return _LANGUAGE_OF_SCRIPT.get("HIRAGANA" if kana and script != "LATIN" else script, "")


def main_language(sentences: Sequence[str], target: str) -> str:
    """The language of most of the text, what is in the target language already left out unless there is nothing else.

    Args:
        sentences: Of the whole text.
        target: Code of the language to translate into.

    Returns:
        A code, ``zh-Hant`` for traditional characters; empty when no sentence has letters of a known script.
    """
    lengths: Counter[str] = Counter()
    chinese = ""
    for sentence in sentences[:_ENOUGH_SENTENCES]:
        language = language_of(sentence)
        lengths[language] += len(sentence)
        chinese += sentence if language == "zh" else ""
    del lengths[""]
    others = [code for code, _ in lengths.most_common() if code != model_code(target)]
    found = next(iter(others or lengths), "")
    return TRADITIONAL if found == "zh" and is_traditional(chinese[:_ENOUGH_CHARS]) else found


def is_in_target(sentence_language: str, source: str, target: str) -> bool:
    """Whether a sentence is in the target language already; languages of one script cannot be told apart."""
    written = script_language(target)
    return sentence_language == written != script_language(source)


def script_language(code: str) -> str:
    """The language that text in this one is taken for."""
    if code in _LANGUAGE_OF_SCRIPT.values() or model_code(code) == "zh":
        return model_code(code)
    return _STAND_IN.get(code, "en")


def is_traditional(text: str) -> bool:
    """Whether more characters of a Chinese text change when it is simplified than when it is made traditional."""
    simplified, traditional = simplify(text), to_traditional(text)
    return _changed(text, simplified) > _changed(text, traditional)


def simplify(text: str) -> str:
    """Traditional characters made simplified; what is simplified stays."""
    return str(_converter("t2s").convert(text))


def to_traditional(text: str) -> str:
    """Simplified characters made traditional, in Taiwan's forms."""
    return str(_converter("s2tw").convert(text))


def _changed(before: str, after: str) -> int:
    return sum(a != b for a, b in zip(before, after, strict=False)) + abs(len(before) - len(after))


@functools.cache
def _converter(name: str) -> Any:
    import opencc  # its dictionaries are read only when there is Chinese to convert

    return opencc.OpenCC(name)
