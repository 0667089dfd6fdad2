"""Names that checkpoints give to languages, by ISO 639-1 code."""

from __future__ import annotations

from collections.abc import Container

_FLORES = {
    "en": "eng_Latn", "zh": "zho_Hans", "de": "deu_Latn", "fr": "fra_Latn", "es": "spa_Latn", "it": "ita_Latn",
    "pt": "por_Latn", "ru": "rus_Cyrl", "ja": "jpn_Jpan", "ko": "kor_Hang", "ar": "arb_Arab", "cs": "ces_Latn",
    "nl": "nld_Latn", "pl": "pol_Latn", "uk": "ukr_Cyrl", "tr": "tur_Latn", "sv": "swe_Latn", "da": "dan_Latn",
    "fi": "fin_Latn", "el": "ell_Grek", "he": "heb_Hebr", "hi": "hin_Deva", "th": "tha_Thai", "vi": "vie_Latn",
    "id": "ind_Latn", "bg": "bul_Cyrl", "fa": "pes_Arab", "ur": "urd_Arab",
}  # fmt: skip
_TARGET_TOKENS = {"en": (">>eng<<",), "zh": (">>cmn_Hans<<", ">>zho_Hans<<", ">>cmn<<", ">>zho<<")}


def flores_code(language: str) -> str:
    """NLLB's name of a language (FLORES-200); a language it does not have gives an empty string."""
    return _FLORES.get(language, "")


def target_token(language: str, vocabulary: Container[str]) -> str | None:
    """The token that tells a Marian checkpoint of several target languages which one to write; ``None`` if it has just
    one."""
    return next((token for token in _TARGET_TOKENS.get(language, ()) if token in vocabulary), None)
