"""A SentencePiece vocabulary in the forms the Hub's tokenizer classes read.

    bert     spiece.model     + tokenizer.json + tokenizer_config.json   (PreTrainedTokenizerFast)
    llama    tokenizer.model  + tokenizer.json + tokenizer_config.json   (LlamaTokenizer; unigram: the fast class)
    marian   source.spm, target.spm (the same bytes), vocab.json, tokenizer_config.json   (MarianTokenizer)

Everything is derived from the SentencePiece model, whose ids are the family's ids. `tokenizer.json` differs from
SentencePiece where that was made for whole texts: after a special token inside a text no blank is put in front.
The module knows nothing of how a vocabulary was learnt.
"""

from __future__ import annotations

import json
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from llm_core.errors import InputError
from llm_core.tokenizer.symbols import Family, SpecialTokens

if TYPE_CHECKING:
    import tokenizers

MODEL_FILE: dict[Family, str] = {"bert": "spiece.model", "llama": "tokenizer.model", "marian": "source.spm"}
"""The SentencePiece model's name in a directory of each family."""
TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt"),
    *("vocab.json", "merges.txt", *MODEL_FILE.values(), "target.spm", "sentencepiece.bpe.model"),
)
"""What any of the Hub's tokenizer classes may read, ours or not."""
BLANK = "▁"
"""How SentencePiece writes a blank inside a piece (U+2581)."""


class PieceType(IntEnum):
    """What an id stands for; the numbers of SentencePiece's ModelProto and of GGUF's `tokenizer.ggml.token_type`."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


class Entry(NamedTuple):
    """One id of a vocabulary."""

    piece: str
    """Its text, blanks as ``▁``; a byte as ``<0xE4>``."""
    score: float
    """Unigram: natural logarithm of its probability. BPE: minus the rank of its merge. 0 for other than NORMAL."""
    type: PieceType


def fast_tokenizer(
    entries: tuple[Entry, ...], kind: str, family: Family, specials: SpecialTokens
) -> tokenizers.Tokenizer:
    """The vocabulary as Hugging Face's `tokenizers` object of a bert or llama model; its JSON is tokenizer.json."""
    import tokenizers
    from tokenizers import AddedToken, decoders

    fast = tokenizers.Tokenizer(_unigram(entries, specials) if kind == "unigram" else _bpe(entries, specials))
    controls = [entry.piece for entry in entries if entry.type in (PieceType.CONTROL, PieceType.UNKNOWN)]
    fast.add_special_tokens([AddedToken(piece, normalized=False, special=True) for piece in controls])
    if family == "bert":
        _shape_bert(fast, specials)
    else:
        _shape_llama(fast, specials)
        fast.decoder = decoders.Sequence([decoders.Replace(BLANK, " "), decoders.ByteFallback(), decoders.Fuse()])
    return fast


def _shape_bert(fast: tokenizers.Tokenizer, specials: SpecialTokens) -> None:
    from tokenizers import Regex, decoders, normalizers, pre_tokenizers, processors

    # Blanks at the end of a stretch go, so that in "a [MASK] b" the mask stands for "▁word", as it does in training.
    blanks = [normalizers.Replace(Regex(r"\s+$"), ""), normalizers.Replace(Regex(r"\s+"), " ")]
    fast.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), *blanks])
    fast.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    fast.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="first")])
    cls, sep = str(specials.cls), str(specials.sep)
    fast.post_processor = processors.TemplateProcessing(
        single=f"{cls}:0 $A:0 {sep}:0",
        pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1",
        special_tokens=[(token, fast.token_to_id(token)) for token in (cls, sep)],
    )


def _shape_llama(fast: tokenizers.Tokenizer, specials: SpecialTokens) -> None:
    from tokenizers import pre_tokenizers, processors

    fast.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=False)
    bos = str(specials.bos)
    fast.post_processor = processors.TemplateProcessing(
        single=f"{bos}:0 $A:0",
        pair=f"{bos}:0 $A:0 {bos}:1 $B:1",
        special_tokens=[(bos, fast.token_to_id(bos))],
    )


def _unigram(entries: tuple[Entry, ...], specials: SpecialTokens) -> Any:
    from tokenizers import models

    # SentencePiece never reads the text "<0x41>" as a byte piece; here a score below any spelling of it sees to that.
    floor = 10 * min(entry.score for entry in entries) - 100
    scores = [(e.piece, e.score if e.type is PieceType.NORMAL else floor) for e in entries]
    return models.Unigram(scores, unk_id=[e.piece for e in entries].index(specials.unk), byte_fallback=True)


def _bpe(entries: tuple[Entry, ...], specials: SpecialTokens) -> Any:
    from tokenizers import models

    vocabulary = {entry.piece: position for position, entry in enumerate(entries)}
    merges = _merges({entry.piece: entry.score for entry in entries if entry.type is PieceType.NORMAL})
    return models.BPE(vocabulary, merges, unk_token=specials.unk, fuse_unk=True, byte_fallback=True)


def _merges(scores: dict[str, float]) -> list[tuple[str, str]]:
    """Every pair of pieces that makes a third, best result first: SentencePiece merges any such pair, whichever way
    the piece was learnt."""
    pairs = [
        (piece[:cut], piece[cut:])
        for piece in sorted(scores, key=lambda piece: -scores[piece])
        for cut in range(1, len(piece))
    ]
    return [pair for pair in pairs if pair[0] in scores and pair[1] in scores]


def directory_files(
    model: bytes, entries: tuple[Entry, ...], kind: str, family: Family, specials: SpecialTokens
) -> dict[str, bytes]:
    """Name to content of every file of a tokenizer directory; see the module's docstring for the names."""
    config: dict[str, Any] = {f"{role}_token": token for role, token in specials.named().items()}
    config |= {"extra_special_tokens": list(specials.extra), "clean_up_tokenization_spaces": False}
    files = {MODEL_FILE[family]: model, "tokenizer_config.json": _json(config | _class_options(kind, family))}
    if family == "marian":
        vocabulary = {entry.piece: position for position, entry in enumerate(entries)}
        return files | {"target.spm": model, "vocab.json": _json(vocabulary)}
    return files | {"tokenizer.json": fast_tokenizer(entries, kind, family, specials).to_str(pretty=True).encode()}


def _class_options(kind: str, family: Family) -> dict[str, Any]:
    if family == "marian":
        return {"tokenizer_class": "MarianTokenizer", "separate_vocabs": False}
    if family == "bert":
        names = ["input_ids", "token_type_ids", "attention_mask"]
        return {"tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": names}
    name = "LlamaTokenizer" if kind == "bpe" else "PreTrainedTokenizerFast"
    names = ["input_ids", "attention_mask"]
    options = {"add_prefix_space": False, "legacy": False, "add_bos_token": True, "add_eos_token": False}
    return {"tokenizer_class": name, "model_input_names": names} | (options if kind == "bpe" else {})


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode()


def find_model(place: Path) -> Path:
    """The SentencePiece file that `place` is, or the one in the directory `place`.

    Raises:
        InputError: There is none, or a Marian directory's two vocabularies differ.
    """
    candidates = [place] if place.is_file() else [place / name for name in MODEL_FILE.values()]
    found = next((file for file in candidates if file.is_file()), None)
    if found is None:
        raise InputError("path", f"must hold one of {', '.join(MODEL_FILE.values())}", str(place))
    target = found.with_name("target.spm")
    if found.name == "source.spm" and target.is_file() and target.read_bytes() != found.read_bytes():
        raise InputError("path", "must hold one vocabulary: source.spm and target.spm differ", str(place))
    return found


def check_vocabulary_file(directory: Path, entries: tuple[Entry, ...]) -> None:
    """Makes sure that the ids the Hub's class would give are the SentencePiece model's.

    Raises:
        InputError: vocab.json or tokenizer.json in `directory` was made from another model, or later changed.
    """
    pieces = [entry.piece for entry in entries]
    for name in ("vocab.json", "tokenizer.json"):
        if (directory / name).is_file() and _pieces_of(directory / name) != pieces:
            raise InputError("path", f"{name} must number the pieces as the SentencePiece model does", str(directory))


def _pieces_of(file: Path) -> list[str]:
    """The pieces by id that vocab.json or tokenizer.json holds."""
    try:
        content = json.loads(file.read_bytes())
        vocabulary = content if file.name == "vocab.json" else content["model"]["vocab"]
        if isinstance(vocabulary, list):  # unigram: [piece, score]
            return [piece for piece, _ in vocabulary]
        return sorted(vocabulary, key=vocabulary.__getitem__)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("path", f"{file.name} cannot be read: {error!r}", str(file.parent)) from error
