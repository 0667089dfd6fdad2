"""The tokenizer inside a GGUF file: SentencePiece BPE or byte-level BPE of a Hub directory, as llama.cpp reads them.

llama.cpp tokenizes by itself, so what it would do otherwise than the Hub's class is refused, not approximated.
One difference is meant: a special token's text inside a text is that token only where llama.cpp is asked to parse
special tokens; with the Hub's classes it always is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import gguf
import sentencepiece
import tokenizers
from gguf import TokenType

from llm_core.errors import WeightsError
from llm_core.model.config import ModelConfig

_ROLES = ("bos", "eos", "unk", "pad")
_GPT2_WORDS, _BYTES_ONLY, _DIGITS = "words of GPT-2", "bytes", "single digits"
_LLAMA3_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)
_PRE_TOKENIZERS = {
    ((_GPT2_WORDS,), False): "gpt-2",
    ((_DIGITS, _GPT2_WORDS), False): "smollm",
    ((_LLAMA3_WORDS, _BYTES_ONLY), True): "llama-bpe",
}
"""Steps before the merges, and whether whole words skip these: llama.cpp's name for it."""


class _Entry(NamedTuple):
    text: str
    type: TokenType
    score: float


class _Source:
    """The files of one tokenizer, read."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        try:
            content = (directory / "tokenizer.json").read_text(encoding="utf-8")
            self.rules: dict[str, Any] = json.loads(content)
            self.fast = tokenizers.Tokenizer.from_str(content)
            self.settings = self._optional_json("tokenizer_config.json")
        except Exception as error:  # the tokenizers package raises bare Exception
            raise self.refusal(f"cannot be read: {error}") from error

    def refusal(self, reason: str) -> WeightsError:
        """What to raise where the tokenizer is not one for llama.cpp."""
        return WeightsError(f"{self.directory.name}: the tokenizer {reason}")

    def special_id(self, role: str) -> int | None:
        """The id of a special token by its role, such as ``"eos"``."""
        token = self.settings.get(f"{role}_token")
        return self.fast.token_to_id(token["content"] if isinstance(token, dict) else token) if token else None

    def chat_template(self) -> str | None:
        """The default chat template, from either place where the Hub keeps it."""
        file = self.directory / "chat_template.jinja"
        template = file.read_text(encoding="utf-8") if file.is_file() else self.settings.get("chat_template")
        if isinstance(template, list):  # of several, by name
            template = next((entry["template"] for entry in template if entry["name"] == "default"), None)
        return template

    def _optional_json(self, name: str) -> dict[str, Any]:
        file = self.directory / name
        return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}


def add_vocabulary(writer: gguf.GGUFWriter, directory: Path, config: ModelConfig) -> None:
    """Adds the tokenizer of a Hub directory to a GGUF file.

    Args:
        writer: Of the file.
        directory: Holds ``tokenizer.json``, for SentencePiece ``tokenizer.model`` too, and where there are any
            ``tokenizer_config.json`` and ``chat_template.jinja``.
        config: Of the model; ids of the model that the tokenizer does not use are filled.

    Raises:
        WeightsError: Files are missing or contradict each other, the tokenizer is of a kind that llama.cpp does not
            have, or has more ids than the model.
    """
    source = _Source(directory)
    model = source.rules["model"]
    if model.get("type") != "BPE":
        raise source.refusal(f"is {model.get('type')}; llama.cpp reads byte-pair encoding (BPE) with llama models")
    entries = _sentencepiece(writer, source) if model.get("byte_fallback") else _byte_level(writer, source)
    if len(entries) > config.vocab_size:
        raise source.refusal(f"has {len(entries)} ids, the model only {config.vocab_size}")
    entries += [_Entry(f"[PAD{i}]", TokenType.UNUSED, 0.0) for i in range(len(entries), config.vocab_size)]
    writer.add_token_list([entry.text for entry in entries])
    writer.add_token_types([entry.type for entry in entries])
    if model.get("byte_fallback"):  # byte-level vocabularies rank by their merges
        writer.add_token_scores([entry.score for entry in entries])
    _add_special(writer, source, config)


def _sentencepiece(writer: gguf.GGUFWriter, source: _Source) -> list[_Entry]:
    """SentencePiece's pieces, scores and types, and tokens that were added since."""
    pieces, add_space_prefix = _read_pieces(source)
    if [source.fast.id_to_token(i) for i in range(len(pieces))] != [piece.text for piece in pieces]:
        raise source.refusal("has a tokenizer.model that numbers the pieces otherwise than its tokenizer.json")
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_add_space_prefix(add_space_prefix)
    return pieces + _numbered(source)[len(pieces) :]


def _read_pieces(source: _Source) -> tuple[list[_Entry], bool]:
    """All pieces, and whether a blank is put in front of a text."""
    from sentencepiece import sentencepiece_model_pb2

    try:
        content = (source.directory / "tokenizer.model").read_bytes()
        sentencepiece.SentencePieceProcessor(model_proto=content)
    except (OSError, RuntimeError) as error:
        raise source.refusal("falls back to bytes but has no tokenizer.model of SentencePiece") from error
    proto = sentencepiece_model_pb2.ModelProto.FromString(content)  # type: ignore[attr-defined]  # made at import
    normal = proto.normalizer_spec
    if normal.precompiled_charsmap or normal.remove_extra_whitespaces or not normal.escape_whitespaces:
        raise source.refusal("normalises texts, which llama.cpp does not do")
    pieces = [_Entry(entry.piece, TokenType(entry.type), entry.score) for entry in proto.pieces]
    return pieces, bool(normal.add_dummy_prefix)


def _byte_level(writer: gguf.GGUFWriter, source: _Source) -> list[_Entry]:
    """The vocabulary and merges of GPT-2's kind."""
    rules = source.rules
    key = (_steps(rules["pre_tokenizer"]), bool(rules["model"].get("ignore_merges")))
    if rules["normalizer"] is not None or (pre := _PRE_TOKENIZERS.get(key)) is None:
        raise source.refusal(f"cuts texts in a way that llama.cpp may not know; known: {_known()}")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    merges = rules["model"]["merges"]
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    return _numbered(source)


def _numbered(source: _Source) -> list[_Entry]:
    """Every id of tokenizer.json in order; gaps are unused."""
    added = {token["id"]: token["special"] for token in source.rules["added_tokens"]}
    texts = {number: text for text, number in source.fast.get_vocab(with_added_tokens=True).items()}
    entries = []
    for number in range(max(texts) + 1):
        kind = TokenType.NORMAL if number in texts else TokenType.UNUSED
        if number in added:
            kind = TokenType.CONTROL if added[number] else TokenType.USER_DEFINED
        entries.append(_Entry(texts.get(number, f"[PAD{number}]"), kind, 0.0))
    return entries


def _steps(rule: dict[str, Any] | None) -> tuple[str, ...]:
    """What a pre-tokenizer does, step by step; what has no name here is told by its own rule."""
    match rule:
        case {"type": "Sequence", "pretokenizers": steps}:
            return tuple(name for step in steps for name in _steps(step))
        case {"type": "ByteLevel", "add_prefix_space": False, "use_regex": words}:
            return (_GPT2_WORDS if words else _BYTES_ONLY,)
        case {"type": "Digits", "individual_digits": True}:
            return (_DIGITS,)
        case {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}:
            return (pattern,)
    return (json.dumps(rule),)


def _known() -> str:
    return ", ".join(_PRE_TOKENIZERS.values())


def _add_special(writer: gguf.GGUFWriter, source: _Source, config: ModelConfig) -> None:
    ids = {role: source.special_id(role) for role in _ROLES}
    for role, fallback in (("bos", config.bos_token_id), ("eos", config.eos_token_id), ("pad", config.pad_token_id)):
        ids[role] = fallback if ids[role] is None else ids[role]
    if ids["eos"] is None:
        raise source.refusal("and config.json name no end token; llama.cpp would take another for it")
    for role, number in ids.items():
        if number is not None:
            getattr(writer, f"add_{role}_token_id")(number)
    bare, framed = (source.fast.encode("a", add_special_tokens=special).ids for special in (False, True))
    begins, ends = framed[:1] == [ids["bos"]] != bare[:1], framed[-1:] == [ids["eos"]] != bare[-1:]
    if framed != [ids["bos"]] * begins + bare + [ids["eos"]] * ends:
        raise source.refusal("frames a text by other tokens than its start and end token")
    writer.add_add_bos_token(begins)
    writer.add_add_eos_token(ends)
    if template := source.chat_template():
        writer.add_chat_template(template)
