"""Text to token ids and back: SentencePiece vocabularies for the three families, and a view of how they cut a text.

    texts ──train──▶ Tokenizer ──save──▶ directory ──AutoTokenizer──▶ the same ids

A vocabulary is one SentencePiece model, whose ids are the family's ids. *bert* and *llama* texts are encoded by the
very tokenizer.json that the Hub's class loads, *marian* texts by SentencePiece, as MarianTokenizer does it. Training
uses the Hub's class; this module makes, saves and inspects what it loads. A special token's text inside a text is that
token, as in the Hub's classes.

Character ranges are Python string indices into the text as it was given, so ``text[start:end]`` is what a piece
covers, a blank before a word included. Pieces that share a character (its bytes, or the ``f`` and ``i`` of a ligature)
have the same range; what covers nothing, such as [CLS], has ``start == end``.

The module reads its own vocabularies, not any tokenizer on the Hub; it knows nothing of models, and a literal ``▁``
(U+2581), SentencePiece's sign for a blank, comes back as a blank.
"""

from llm_core.tokenizer.files import Entry, PieceType
from llm_core.tokenizer.symbols import FILL_IN_THE_MIDDLE, Family, SpecialTokens, direction_tag
from llm_core.tokenizer.tokenizer import Tokenizer
from llm_core.tokenizer.training import Kind
from llm_core.tokenizer.view import Piece, Segmentation

__all__ = [
    "FILL_IN_THE_MIDDLE",
    "Entry",
    "Family",
    "Kind",
    "Piece",
    "PieceType",
    "Segmentation",
    "SpecialTokens",
    "Tokenizer",
    "direction_tag",
]
