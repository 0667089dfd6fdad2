"""One tokenizer: trained, loaded, saved, encoding and showing its pieces; see the package."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from llm_core.errors import InputError
from llm_core.tokenizer.files import (
    BLANK,
    Entry,
    PieceType,
    check_vocabulary_file,
    directory_files,
    fast_tokenizer,
    find_model,
)
from llm_core.tokenizer.marian import MarianCodec
from llm_core.tokenizer.symbols import (
    Family,
    SpecialTokens,
    check_family,
    family_of,
)
from llm_core.tokenizer.training import Kind, train_model
from llm_core.tokenizer.view import (
    Piece,
    Segmentation,
    Token,
    byte_of,
    check_unicode,
    log_evidence,
    settled,
)

if TYPE_CHECKING:
    import tokenizers

MAX_SEGMENTATIONS = 100
"""Most segmentations of one text that can be asked for."""


class Tokenizer:
    """A SentencePiece vocabulary of one family; use `train` or `load`.

    Args:
        model: A serialised SentencePiece model made by `train`.

    Raises:
        InputError: `model` is no such thing.
    """

    def __init__(self, model: bytes) -> None:
        import sentencepiece
        from sentencepiece import sentencepiece_model_pb2

        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        except (RuntimeError, ValueError) as error:
            raise InputError("model", f"must be a SentencePiece model: {error}") from error
        proto = sentencepiece_model_pb2.ModelProto.FromString(model)  # type: ignore[attr-defined]  # made at import
        self._model = model
        self.vocabulary = tuple(Entry(entry.piece, entry.score, PieceType(entry.type)) for entry in proto.pieces)
        """Every id's piece, score and type, by id: what a GGUF file needs."""
        self._ids = {entry.piece: position for position, entry in enumerate(self.vocabulary)}
        self.family: Family = family_of([*self._ids])
        self.kind: Kind = "unigram" if proto.trainer_spec.model_type == 1 else "bpe"
        own = SpecialTokens.of(self.family).all()
        controls = [entry.piece for entry in self.vocabulary if entry.type is PieceType.CONTROL]
        self.special = SpecialTokens.of(self.family, [piece for piece in controls if piece not in own])
        if proto.normalizer_spec.add_dummy_prefix == (self.family == "llama"):
            raise InputError("model", f"must have been trained here: blanks are not treated as for {self.family}")

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        *,
        vocab_size: int,
        family: str,
        kind: str = "unigram",
        extra_symbols: Sequence[str] = (),
        character_coverage: float = 0.9995,
        max_chunks: int = 1_000_000,
        split_han: bool = False,
    ) -> Tokenizer:
        """Learns a vocabulary from a stream of texts; the same stream gives the same vocabulary.

        Args:
            texts: Read once; documents may be of any length.
            vocab_size: Ids in all: 256 bytes, special tokens, extra symbols and pieces.
            family: ``"bert"``, ``"llama"`` or ``"marian"``: special tokens, their ids, and the normalisation.
            kind: ``"unigram"`` (probabilities; several segmentations) or ``"bpe"`` (merges; what llama.cpp reads).
            extra_symbols: Further special tokens, such as `FILL_IN_THE_MIDDLE` or `direction_tag`.
            character_coverage: Share of the text's characters that get a piece of their own, 0.98…1.
            max_chunks: A longer stream is sampled down to this many chunks of up to 1,024 characters; above 100.
            split_han: Give no piece more than one Chinese character.

        Raises:
            InputError: Unknown family or kind, no text, or a `vocab_size` too large or small for the texts.
        """
        check_family(family)
        model = train_model(
            texts,
            vocab_size=vocab_size,
            kind=kind,
            family=family,
            extra_symbols=extra_symbols,
            character_coverage=character_coverage,
            max_chunks=max_chunks,
            split_han=split_han,
        )
        return cls(model)

    @classmethod
    def load(cls, path: str | Path) -> Tokenizer:
        """Reads what `save` wrote: the directory, or the SentencePiece file alone.

        Raises:
            InputError: Nothing to read there, or files that contradict each other.
        """
        file = find_model(Path(path))
        tokenizer = cls(file.read_bytes())
        if Path(path).is_dir():
            check_vocabulary_file(Path(path), tokenizer.vocabulary)
        return tokenizer

    def save(self, directory: str | Path) -> None:
        """Writes the files that `AutoTokenizer.from_pretrained(directory)` loads; the directory is made if missing."""
        place = Path(directory)
        place.mkdir(parents=True, exist_ok=True)
        files = directory_files(self._model, self.vocabulary, self.kind, self.family, self.special)
        for name, content in files.items():
            (place / name).write_bytes(content)

    @property
    def vocab_size(self) -> int:
        """Number of ids."""
        return len(self.vocabulary)

    def token_id(self, token: str | None) -> int | None:
        """The id of a piece or special token as written in the vocabulary; None where there is none."""
        return None if token is None else self._ids.get(token)

    @property
    def unk_id(self) -> int:
        """An unknown direction tag of marian; other text never gives it, for bytes stand for what has no piece."""
        return self._ids[self.special.unk]

    @property
    def pad_id(self) -> int:
        """Fills batches; Marian's decoder also starts with it."""
        return self._ids[self.special.pad]

    @property
    def bos_id(self) -> int | None:
        """Start of a text; llama only."""
        return self.token_id(self.special.bos)

    @property
    def eos_id(self) -> int | None:
        """End of a text; llama and marian."""
        return self.token_id(self.special.eos)

    @property
    def cls_id(self) -> int | None:
        """Start of an encoder's input; bert only."""
        return self.token_id(self.special.cls)

    @property
    def sep_id(self) -> int | None:
        """End of each text of an encoder's input; bert only."""
        return self.token_id(self.special.sep)

    @property
    def mask_id(self) -> int | None:
        """Stands for a hidden piece; bert only."""
        return self.token_id(self.special.mask)

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """Token ids of `text`.

        Args:
            text: Any text without lone surrogates.
            add_special_tokens: With bert's [CLS] … [SEP], llama's <s> …, marian's … </s>.

        Raises:
            InputError: `text` is not valid Unicode.
        """
        check_unicode(text)
        if self._fast is not None:
            return list(self._fast.encode(text, add_special_tokens=add_special_tokens).ids)
        ending = [self._ids[str(self.special.eos)]] if add_special_tokens else []
        return self._marian.ids(text) + ending

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
        """The text of `ids`: for llama what was encoded, else up to normalisation; bytes that are no UTF-8 are ``�``.

        Raises:
            InputError: An id outside the vocabulary.
        """
        if any(not 0 <= token < self.vocab_size for token in ids):
            raise InputError("ids", f"must be 0…{self.vocab_size - 1}", list(ids))
        if self._fast is not None:
            return str(self._fast.decode(list(ids), skip_special_tokens=skip_special_tokens))
        return self._marian.decode(ids, skip_special_tokens)

    def pieces(self, text: str, *, add_special_tokens: bool = False) -> tuple[Piece, ...]:
        """The tokens of `text` and the characters each covers; arguments and errors as for `encode`."""
        check_unicode(text)
        if self._fast is None:
            ending = [Token(self._ids[str(self.special.eos)], len(text), len(text))] if add_special_tokens else []
            tokens = self._marian.tokens(text) + ending
        else:
            encoding = self._fast.encode(text, add_special_tokens=add_special_tokens)
            raw = [Token(token, *span) for token, span in zip(encoding.ids, encoding.offsets, strict=True)]
            tokens = settled(raw, text, self._bytes, self._ids.get(BLANK))
        return tuple(self._piece(token) for token in tokens)

    def segmentations(self, text: str, count: int = 5) -> tuple[Segmentation, ...]:
        """The `count` most probable ways to cut `text` (fewer where there are fewer), best first; unigram only.

        Special tokens inside `text` are read as plain text here.

        Raises:
            InputError: A BPE vocabulary, a `count` outside 1…100, or text that is not valid Unicode.
        """
        check_unicode(text)
        if self.kind != "unigram":
            raise InputError("kind", "must be unigram: byte-pair merges give one segmentation and no probabilities")
        if not 1 <= count <= MAX_SEGMENTATIONS:
            raise InputError("count", f"must be 1…{MAX_SEGMENTATIONS}", count)
        normal = str(self._processor.normalize(text))
        if not normal:
            return ()
        total = log_evidence(normal, self._scores)
        # Asked for one, SentencePiece takes a shorter way that reports no score.
        found = self._processor.nbest_encode(text, nbest_size=max(2, count), return_type="proto").nbests[:count]
        return tuple(
            Segmentation(tuple(piece.piece for piece in cut.pieces), cut.score, math.exp(cut.score - total))
            for cut in found
        )

    def _piece(self, token: Token) -> Piece:
        text = self.vocabulary[token.id].piece
        return Piece(text, *token, self._scores.get(text) if self.kind == "unigram" else None)

    @cached_property
    def _scores(self) -> dict[str, float]:
        return {entry.piece: entry.score for entry in self.vocabulary if entry.type is PieceType.NORMAL}

    @cached_property
    def _bytes(self) -> dict[int, int]:
        return {self._ids[e.piece]: byte_of(e.piece) for e in self.vocabulary if e.type is PieceType.BYTE}

    @cached_property
    def _fast(self) -> tokenizers.Tokenizer | None:
        """What tokenizer.json holds; None for marian, which has none."""
        if self.family == "marian":
            return None
        return fast_tokenizer(self.vocabulary, self.kind, self.family, self.special)

    @cached_property
    def _marian(self) -> MarianCodec:
        return MarianCodec(self._processor, self.vocabulary, self.special)
