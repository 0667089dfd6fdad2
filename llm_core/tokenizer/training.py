"""Learning a SentencePiece vocabulary from a stream of texts (arXiv:1808.06226; unigram arXiv:1804.10959, BPE
arXiv:1508.07909).

The choices, for Chinese + English + code:

- Byte fallback: characters too rare for a piece of their own become their UTF-8 bytes, so nothing is ever unknown.
- Coverage 0.9995: of some 20,000 Chinese characters in use about 4,000 make up that share of running text.
- Printable ASCII always has pieces, whatever the sample held: code needs every bracket.
- Chinese words may be pieces, which keeps texts short; or, with `split_han`, each character is one, which suits a model
  that finds stretches of characters.
- Digits are single pieces, so that numbers are spelt the same way wherever they stand (as in Llama).
- Normalisation. *llama* (decoder): none, and no blank added or removed, since code must come back byte for byte;
  runs of blanks may be pieces. *bert* (reads only): NMT rules and NFKC, so that full-width, ligature and compatibility
  forms share pieces. *marian* (writes Chinese): NFC, and NFKC for letters and digits alone, since NFKC would turn
  the full-width ，！？ of Chinese into ASCII for good.

The same texts in the same order give the same bytes. The module knows nothing of the Hub's file formats.
"""

from __future__ import annotations

import io
import re
import string
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args

from llm_core.data.words import HAN
from llm_core.errors import InputError
from llm_core.tokenizer.symbols import Family, SpecialTokens, check_family

Kind = Literal["unigram", "bpe"]
"""How pieces are learnt: unigram language model, or byte-pair merges."""

CHUNK_CHARACTERS = 1024
"""Texts are cut into chunks of at most this many characters, at line ends where there are any: SentencePiece skips
what exceeds `max_sentence_length` bytes, and a character has at most 4."""
BOUNDARY = "\ue000"
"""A private character: nothing that texts hold, and normalisation leaves it."""
_HAN = re.compile(rf"[{HAN}]")
THREADS = 4
"""Fixed, because the order in which the unigram model's expected counts are summed depends on it."""


def train_model(
    texts: Iterable[str],
    *,
    vocab_size: int,
    kind: str,
    family: str,
    extra_symbols: Iterable[str],
    character_coverage: float,
    max_chunks: int,
    split_han: bool,
) -> bytes:
    """A serialised SentencePiece model whose ids are the family's; see `Tokenizer.train` for the arguments."""
    import sentencepiece

    specials = SpecialTokens.of(family, tuple(extra_symbols))
    if kind not in get_args(Kind):
        raise InputError("kind", f"must be one of {', '.join(get_args(Kind))}", kind)
    if not 0.98 <= character_coverage <= 1:
        raise InputError("character_coverage", "must be between 0.98 and 1", character_coverage)
    if max_chunks <= 100:
        raise InputError("max_chunks", "must be above 100", max_chunks)
    model = io.BytesIO()
    with tempfile.TemporaryDirectory() as scratch:
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=_han_apart(_chunks(texts)) if split_han else _chunks(texts),
                pretokenization_delimiter=BOUNDARY if split_han else "",
                model_writer=model,
                vocab_size=vocab_size,
                model_type=kind,
                character_coverage=character_coverage,
                input_sentence_size=max_chunks,
                shuffle_input_sentence=True,
                max_sentence_length=4 * CHUNK_CHARACTERS,
                byte_fallback=True,
                split_digits=True,
                required_chars=string.digits + string.ascii_letters + string.punctuation,
                control_symbols=_control_symbols(specials),
                num_threads=THREADS,
                minloglevel=2,
                **_id_options(check_family(family), specials, vocab_size),
                **_text_options(check_family(family), Path(scratch)),
            )
        except RuntimeError as error:
            raise _named_error(error, vocab_size) from error
    return _without_paths(model.getvalue())


def _without_paths(model: bytes) -> bytes:
    """The model without the name of the temporary file its rules came from; the compiled rules stay."""
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto.FromString(model)  # type: ignore[attr-defined]  # made at import
    proto.normalizer_spec.ClearField("normalization_rule_tsv")
    return bytes(proto.SerializeToString(deterministic=True))


def _chunks(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        chunk = ""
        for line in re.findall(rf"[^\n]{{1,{CHUNK_CHARACTERS - 1}}}\n?|\n", text):
            if len(chunk) + len(line) > CHUNK_CHARACTERS:
                yield chunk
                chunk = ""
            chunk += line
        if chunk:
            yield chunk


def _han_apart(chunks: Iterable[str]) -> Iterator[str]:
    """With a boundary, which no piece may cross, on both sides of each Chinese character."""
    return (_HAN.sub(rf"{BOUNDARY}\g<0>{BOUNDARY}", chunk) for chunk in chunks)


def _control_symbols(specials: SpecialTokens) -> list[str]:
    return [*([specials.mask] if specials.mask else []), *specials.extra]


def _id_options(family: Family, specials: SpecialTokens, vocab_size: int) -> dict[str, Any]:
    """Where the special tokens go, so that SentencePiece's ids are the model's: BERT's and Llama's come first,
    Marian's end with <pad>."""
    if family == "bert":
        texts = {"pad_piece": specials.pad, "bos_piece": specials.cls, "eos_piece": specials.sep}
        return {"pad_id": 0, "unk_id": 1, "bos_id": 2, "eos_id": 3, "unk_piece": specials.unk, **texts}
    if family == "llama":
        return {"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": 3}
    return {"eos_id": 0, "unk_id": 1, "bos_id": -1, "pad_id": vocab_size - 1}


def _text_options(family: Family, scratch: Path) -> dict[str, Any]:
    if family == "llama":
        return {
            "normalization_rule_name": "identity",
            "add_dummy_prefix": False,
            "remove_extra_whitespaces": False,
            "allow_whitespace_only_pieces": True,
        }
    if family == "bert":
        return {"normalization_rule_name": "nmt_nfkc"}
    rules = scratch / "rules.tsv"
    rules.write_text("".join(f"{_hex(old)}\t{_hex(new)}\n" for old, new in _translation_rules()), encoding="utf-8")
    return {"normalization_rule_tsv": str(rules)}


def _hex(text: str) -> str:
    return " ".join(f"{ord(character):X}" for character in text)


def _translation_rules() -> Iterator[tuple[str, str]]:
    """Marian's normalisation as (text, replacement), from Python's Unicode tables; Hangul is left as it is."""
    for code in range(1, 0x110000):
        character = chr(code)
        if unicodedata.category(character) == "Cs" or 0xAC00 <= code <= 0xD7A3:
            continue
        replacement = _plain_form(character)
        if replacement != character:
            yield character, replacement
        decomposed = unicodedata.normalize("NFD", character)
        if len(decomposed) > 1 and unicodedata.normalize("NFC", decomposed) == character:
            yield decomposed, character


def _plain_form(character: str) -> str:
    category = unicodedata.category(character)
    if character.isspace() or category == "Zs":
        return " "
    if category == "Cc" or character in "\u200b\ufeff":  # invisible and without meaning to a translation
        return ""
    wide = unicodedata.decomposition(character).startswith(("<wide>", "<narrow>"))
    latin_ligature = "\ufb00" <= character <= "\ufb06"
    form: Literal["NFC", "NFKC"] = "NFKC" if latin_ligature or wide and category[0] in "LN" else "NFC"
    return unicodedata.normalize(form, character)


def _named_error(error: RuntimeError, vocab_size: int) -> Exception:
    """SentencePiece's complaint as the field and the rule; the error itself when it is no known one."""
    message = str(error)
    if match := re.search(r"smaller than required_chars\. \d+ vs (\d+)", message):
        rule = f"must be at least {match[1]} here: bytes, special tokens and each covered character need a piece"
        return InputError("vocab_size", rule, vocab_size)
    if match := re.search(r"size too high .*value <= (\d+)", message):
        return InputError("vocab_size", f"must be at most {match[1]}: the texts give no more pieces", vocab_size)
    if "sentences_.empty()" in message or "all_chars_count" in message:
        return InputError("texts", "must hold some text")
    return error
