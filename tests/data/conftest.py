"""A tokenizer small enough to build in a test."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from transformers import BertTokenizerFast


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> BertTokenizerFast:
    """WordPiece over single letters, digits and a few words: every ASCII word is tokenisable."""
    letters = string.ascii_lowercase + string.digits
    tokens = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *letters,
        *(f"##{c}" for c in letters),
        *".,?!'",
        "good",
        "bad",
        "the",
    ]
    file: Path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    file.write_text("\n".join(tokens), encoding="utf-8")
    return BertTokenizerFast(vocab=str(file), do_lower_case=True)
