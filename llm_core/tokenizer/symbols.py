"""The three families' special tokens, in one place; nothing else of the project spells them.

The module knows nothing of models or files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal, cast, get_args

from llm_core.errors import InputError

Family = Literal["bert", "llama", "marian"]
"""Which of the three shapes a vocabulary is for."""

FILL_IN_THE_MIDDLE = ("<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>")
"""Marks of prefix, middle and suffix for fill-in-the-middle (arXiv:2207.14255), as later decoders name them."""


def direction_tag(language: str) -> str:
    """Target-language mark of a multilingual Marian model, such as ``>>zho<<`` (ISO 639-3 code)."""
    return f">>{language}<<"


@dataclass(frozen=True)
class SpecialTokens:
    """Texts of the tokens that stand for no text; None where a family has none."""

    unk: str
    pad: str
    bos: str | None = None
    eos: str | None = None
    cls: str | None = None
    sep: str | None = None
    mask: str | None = None
    extra: tuple[str, ...] = ()
    """Further symbols of one model: direction tags, fill-in-the-middle marks."""

    def __post_init__(self) -> None:
        taken = set(self.named().values())
        for symbol in self.extra:
            if not symbol or any(character.isspace() or character == "▁" for character in symbol):
                raise InputError("extra_symbols", "must not be empty or hold whitespace", symbol)
            if symbol in taken:
                raise InputError("extra_symbols", "must differ from each other and from the special tokens", symbol)
            taken.add(symbol)

    @classmethod
    def of(cls, family: str, extra: Sequence[str] = ()) -> SpecialTokens:
        """The family's own tokens and `extra`.

        Raises:
            InputError: Unknown `family`, or an extra symbol that is empty, spaced, or there already.
        """
        return cls(**_NAMED[check_family(family)], extra=tuple(extra))

    def named(self) -> dict[str, str]:
        """Role to token text, such as ``{"unk": "<unk>", …}``; without the extra symbols."""
        roles = [field.name for field in fields(self) if field.name != "extra"]
        return {role: token for role in roles if (token := getattr(self, role)) is not None}

    def all(self) -> tuple[str, ...]:
        """Every special token's text."""
        return (*self.named().values(), *self.extra)


_NAMED: dict[Family, dict[str, str]] = {
    "bert": {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"},
    "llama": {"unk": "<unk>", "bos": "<s>", "eos": "</s>", "pad": "<pad>"},
    "marian": {"eos": "</s>", "unk": "<unk>", "pad": "<pad>"},
}


def check_family(family: str) -> Family:
    """`family` itself.

    Raises:
        InputError: It is none of the three.
    """
    if family not in get_args(Family):
        raise InputError("family", f"must be one of {', '.join(get_args(Family))}", family)
    return cast(Family, family)


def family_of(pieces: Sequence[str]) -> Family:
    """The family whose special tokens a vocabulary holds.

    Raises:
        InputError: None's are all there.
    """
    held = set(pieces)
    for family, named in _NAMED.items():  # llama before marian: its tokens hold marian's
        if held.issuperset(named.values()):
            return family
    raise InputError("vocabulary", "holds the special tokens of none of bert, llama and marian")
